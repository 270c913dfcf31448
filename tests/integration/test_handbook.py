"""What the handbook tells people to type works as it stands there."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from searches import quenched

from l2h.cli.main import COMMANDS, main

DOCS = Path(__file__).parents[2] / "docs"
CHAPTERS = ("start.md", "chemist.md", "choosing.md", "units.md", "faq.md")
TEXT = {name: (DOCS / name).read_text() for name in CHAPTERS}
BLOCKS = [
    (name, block)
    for name, text in TEXT.items()
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL)
]
LINES = sorted(
    {
        line
        for text in TEXT.values()
        for line in re.findall(r"^l2h .*$|(?<=`)l2h [^`]+(?=`)", text, re.MULTILINE)
    }
)


def found(task: Any, **options: Any) -> Any:
    """Take the engine's place: real minima, at once."""
    return quenched(task, starts=8)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("name", "block"), BLOCKS)
def test_python_runs(
    name: str, block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("l2h.search", found, raising=False)
    exec(compile(block, name, "exec"), {})


def test_every_chapter_is_in_the_table_of_contents() -> None:
    chapters = {str(p.relative_to(DOCS)) for p in DOCS.rglob("*.md")}
    contents = (DOCS.parent / "mkdocs.yml").read_text().split("\nnav:\n")[1]
    named = re.findall(r"([\w/-]+\.md)$", contents, re.MULTILINE)
    assert len(named) == len(set(named)) and set(named) == chapters
    # Those that people read are introduced on the first page.
    first = (DOCS / "index.md").read_text()
    assert [c for c in chapters - {"index.md"} if "/" not in c and c not in first] == []


@pytest.mark.parametrize("line", LINES)
def test_commands_have_the_options_that_are_typed(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, command, *rest = shlex.split(line)
    assert command in COMMANDS
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = capsys.readouterr().out
    for option in (word for word in rest if word.startswith("--")):
        assert re.search(rf"{option}\b", shown), f"{line}: no {option}"


def test_every_option_of_search_is_in_the_handbook(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["search", "--help"])
    options = set(re.findall(r"--[a-z]+", capsys.readouterr().out))
    options -= {"--help"} | {option for option in options if option.startswith("--no")}
    assert options >= {"--evaluations", "--resume"}
    missing = [o for o in options if o not in TEXT["chemist.md"]]
    assert missing == []
