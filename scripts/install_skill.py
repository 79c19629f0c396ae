"""Put the skill where the agents on this machine look for it.

    install_skill.py              in the personal folders of the agents found here
    install_skill.py --project    in the folders of the project in this directory
    install_skill.py --to DIR     in DIR/quart-patterns

Exit codes: 0 done, 1 refused or failed, 2 usage.
"""

import argparse
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

NAME = "quart-patterns"
SOURCE = Path(__file__).resolve().parents[1]
USED_BY_AGENTS = [
    "SKILL.md",
    "LICENSE",
    "patterns",
    "examples",
    "scripts/check_app",
    "scripts/new_app.py",
]
NOT_COPIED = shutil.ignore_patterns("dont", "__pycache__", "*.pyc", ".*")
AGENTS = {
    ".claude": ["claude"],
    ".agents": ["codex", "cursor", "cursor-agent", "copilot", "gemini"],
}
SETTINGS = {
    ".claude": [".claude"],
    ".agents": [".agents", ".codex", ".cursor", ".copilot", ".gemini"],
}
SENTENCE = "Add a websocket to my Quart app that rejects clients without a valid token."


class Refused(Exception):
    """The place holds something that is not ours to replace."""


def folders(home: Path) -> list[str]:
    """The agents' folders to serve: those of the agents found, or all when none is."""
    found = [
        folder
        for folder, commands in AGENTS.items()
        if any((home / name).is_dir() for name in SETTINGS[folder])
        or any(shutil.which(command) for command in commands)
    ]
    return found or list(AGENTS)


def is_this_skill(place: Path) -> bool:
    """True for a link to, or a copy of, this skill, as told by its frontmatter."""
    try:
        text = (place / "SKILL.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return re.match(rf"---\n(?:.*\n)*?name: *{NAME} *\n", text) is not None


def check(place: Path) -> None:
    if os.path.lexists(place) and not is_this_skill(place):
        raise Refused(
            f"{place} is not {NAME}; move it away or choose another place with --to"
        )
    if not place.is_symlink() and place.resolve() == SOURCE:
        raise Refused(
            f"{place} is the skill's own source; choose another place with --to"
        )


def remove(place: Path) -> None:
    if place.is_symlink():
        place.unlink()
    else:
        shutil.rmtree(place)


def copy(target: Path) -> None:
    for name in USED_BY_AGENTS:
        source, copied = SOURCE / name, target / name
        copied.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copied, ignore=NOT_COPIED)
        else:
            shutil.copyfile(source, copied)


def install(place: Path, link: bool) -> str:
    """Write the new copy beside the old one, then swap them by renaming."""
    check(place)
    replaced = os.path.lexists(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{NAME}-", dir=place.parent) as beside:
        new, old = Path(beside, "new"), Path(beside, "old")
        if link:
            new.symlink_to(SOURCE, target_is_directory=True)
        else:
            copy(new)
        if replaced:
            place.rename(old)
        try:
            new.rename(place)
        except OSError:
            if replaced:
                old.rename(place)
            raise
    return "replaced" if replaced else "linked" if link else "installed"


def uninstall(place: Path) -> str:
    if not os.path.lexists(place):
        return "not there:"
    check(place)
    remove(place)
    return "removed"


def places(options: argparse.Namespace) -> Iterator[Path]:
    if options.to is not None:
        yield options.to.expanduser().absolute() / NAME
        return
    base = Path.cwd() if options.project else Path.home()
    for folder in folders(Path.home()):
        yield base / folder / "skills" / NAME


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--to", type=Path, metavar="DIR", help="install into DIR/quart-patterns"
    )
    where.add_argument(
        "--project", action="store_true", help="install for this project only"
    )
    parser.add_argument(
        "--link", action="store_true", help="link to this folder, do not copy"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    parser.add_argument("--uninstall", action="store_true", help="remove the skill")
    options = parser.parse_args(arguments)

    refused = 0
    for place in places(options):
        try:
            if options.dry_run:
                check(place)
                print(f"would {'remove' if options.uninstall else 'install'} {place}")
            else:
                done = (
                    uninstall(place)
                    if options.uninstall
                    else install(place, options.link)
                )
                print(f"{done} {place}")
        except (Refused, OSError) as error:
            print(error, file=sys.stderr)
            refused = 1
    if not refused and not options.uninstall and not options.dry_run:
        print(f'Try it in your agent: "{SENTENCE}"')
    return refused


if __name__ == "__main__":
    sys.exit(main())
