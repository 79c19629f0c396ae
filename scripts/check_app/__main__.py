import gc
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from check_app.cli import main  # noqa: E402

if __name__ == "__main__":
    gc.disable()  # syntax trees hold no garbage, and looking for it takes long
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(main())
