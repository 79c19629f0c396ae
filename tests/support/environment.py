"""The environment for programs that run copies: unmeasured, and from nowhere else."""

import os


def bare_environment() -> dict[str, str]:
    """Without PYTHONPATH and without what makes coverage measure subprocesses."""
    return {
        name: value
        for name, value in os.environ.items()
        if name != "PYTHONPATH" and not name.startswith("COVERAGE_")
    }
