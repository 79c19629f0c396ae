"""Compare the patterns with bare Quart and with the mistakes: make bench.

python -m benchmarks                 everything, about six minutes
python -m benchmarks http database   some of it
python -m benchmarks --rounds 11     more than seven rounds of each pair
"""

import argparse
import asyncio
import platform
import sys
from importlib import import_module
from importlib.metadata import version

from benchmarks.measure import HEADER

SUBJECTS = ["http", "database", "sockets", "hashing"]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "subjects", nargs="*", default=SUBJECTS, help=", ".join(SUBJECTS)
    )
    parser.add_argument(
        "--rounds", type=int, default=7, help="of each pair, at least 7"
    )
    options = parser.parse_args()
    if options.rounds < 7 or not set(options.subjects) <= set(SUBJECTS):
        parser.error(f"subjects are {', '.join(SUBJECTS)}; rounds are 7 or more")
    print(f"Python {platform.python_version()}, Quart {version('quart')}\n\n{HEADER}")
    for subject in options.subjects:
        module = import_module(f"benchmarks.{subject}")
        for figure in asyncio.run(module.figures(options.rounds)):
            print(figure, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
