import os
from pathlib import Path

import install_skill
import pytest
import skills_ref

LAST = f'Try it in your agent: "{install_skill.SENTENCE}"\n'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, no agent on PATH, and an empty project as current directory."""
    home, project = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    project.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(project)
    return home


def files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_an_empty_home_gets_both_folders(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert install_skill.main([]) == 0

    places = [
        home / f"{agent}/skills/quart-patterns" for agent in (".claude", ".agents")
    ]
    assert capsys.readouterr().out == "".join(f"installed {p}\n" for p in places) + LAST
    for place in places:
        assert skills_ref.validate(place) == []


def test_only_what_an_agent_uses_is_copied(home: Path) -> None:
    install_skill.main(["--to", str(home)])

    copied = files(home / "quart-patterns")
    top = {name.partition("/")[0] for name in copied}
    assert top == {"SKILL.md", "LICENSE", "patterns", "examples", "scripts"}
    assert not [name for name in copied if "dont/" in name or "__pycache__" in name]
    assert {"examples/__main__.py", "examples/testing/conftest.py"} <= copied
    scripts = {name.split("/")[1] for name in copied if name.startswith("scripts/")}
    assert scripts == {"check_app", "new_app.py"}
    pages = {path.name for path in (install_skill.SOURCE / "patterns").glob("*.md")}
    assert {name for name in copied if name.startswith("patterns/")} == {
        f"patterns/{page}" for page in pages
    }


@pytest.mark.parametrize(
    ("trace", "folder"),
    [(".claude", ".claude"), (".cursor", ".agents"), (".codex", ".agents")],
)
def test_only_the_agents_found_get_it(home: Path, trace: str, folder: str) -> None:
    (home / trace).mkdir()
    assert install_skill.main([]) == 0

    found = {path.parent for path in home.rglob("quart-patterns")}
    assert found == {home / folder / "skills"}


def test_an_agent_is_found_by_its_command(home: Path, tmp_path: Path) -> None:
    command = tmp_path / "codex"
    command.write_text("")
    command.chmod(0o755)
    assert install_skill.folders(home) == [".agents"]


def test_project_serves_the_current_project(home: Path) -> None:
    assert install_skill.main(["--project"]) == 0

    assert (Path.cwd() / ".claude/skills/quart-patterns/SKILL.md").is_file()
    assert (Path.cwd() / ".agents/skills/quart-patterns/SKILL.md").is_file()
    assert list(home.iterdir()) == []


def test_an_older_copy_is_replaced_whole(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = home / "quart-patterns"
    install_skill.main(["--to", str(home)])
    fresh = files(place)
    (place / "patterns" / "of_an_older_version.md").write_text("old")
    capsys.readouterr()

    assert install_skill.main(["--to", str(home)]) == 0

    assert files(place) == fresh
    assert os.listdir(home) == ["quart-patterns"]
    assert capsys.readouterr().out == f"replaced {place}\n{LAST}"


def test_a_failing_swap_keeps_the_older_copy(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = home / "quart-patterns"
    install_skill.main(["--to", str(home)])
    (place / "LICENSE").write_text("the older copy")
    rename = Path.rename

    def fail_for_the_new_copy(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(28, "No space left on device", str(target))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_for_the_new_copy)
    capsys.readouterr()
    assert install_skill.main(["--to", str(home)]) == 1
    assert install_skill.main(["--to", str(home / "elsewhere")]) == 1

    assert (place / "LICENSE").read_text() == "the older copy"
    assert files(home / "elsewhere") == set()
    assert "No space left on device" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content", [None, "---\nname: another-skill\n---\n", b"\xff\xfe"]
)
def test_a_folder_that_is_not_this_skill_is_left_alone(
    home: Path, content: str | bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    place = home / "quart-patterns"
    place.mkdir()
    (place / "notes.txt").write_text("mine")
    if content is not None:
        data = content if isinstance(content, bytes) else content.encode()
        (place / "SKILL.md").write_bytes(data)
    before = files(place)

    assert install_skill.main(["--to", str(home)]) == 1
    assert install_skill.main(["--to", str(home), "--uninstall"]) == 1

    assert files(place) == before
    line = (
        f"{place} is not quart-patterns; "
        "move it away or choose another place with --to\n"
    )
    assert capsys.readouterr().err == line * 2


def test_the_source_itself_is_not_overwritten(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_skill.main(["--to", str(home)])
    monkeypatch.setattr(install_skill, "SOURCE", home / "quart-patterns")
    before = files(home)

    assert install_skill.main(["--to", str(home)]) == 1

    assert files(home) == before


def test_link_points_to_the_source_and_uninstall_leaves_it(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = home / "quart-patterns"
    assert install_skill.main(["--to", str(home), "--link"]) == 0
    assert place.readlink() == install_skill.SOURCE
    assert install_skill.main(["--to", str(home), "--uninstall"]) == 0
    assert install_skill.main(["--to", str(home), "--uninstall"]) == 0

    assert not place.is_symlink()
    assert (install_skill.SOURCE / "SKILL.md").is_file()
    assert capsys.readouterr().out == (
        f"linked {place}\n{LAST}removed {place}\nnot there: {place}\n"
    )


def test_uninstall_removes_a_copy(home: Path) -> None:
    install_skill.main(["--to", str(home)])
    assert install_skill.main(["--to", str(home), "--uninstall"]) == 0
    assert list(home.iterdir()) == []


def test_dry_run_writes_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = home / "quart-patterns"
    assert install_skill.main(["--to", str(home), "--dry-run"]) == 0
    assert install_skill.main(["--to", str(home), "--dry-run", "--uninstall"]) == 0

    assert list(home.iterdir()) == []
    assert capsys.readouterr().out == f"would install {place}\nwould remove {place}\n"
