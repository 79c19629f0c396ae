"""What a process has needed at most."""

from pathlib import Path


def peak_mb(pid: int) -> float:
    """The peak of the resident memory so far, in MB (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1_000
