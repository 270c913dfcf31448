"""What the handbook tells people to type works as it stands there."""

import importlib.util
import re
import shlex
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import tyro
from searches import quenched

from l2h import lattice
from l2h.cli.main import COMMANDS, main

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
# Whose Python is run here, block by block.
CHAPTERS = ("start.md", "chemist.md", "choosing.md", "units.md", "faq.md")
TEXT = {name: (DOCS / name).read_text() for name in CHAPTERS}
BLOCKS = [
    (name, block)
    for name, text in TEXT.items()
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL)
]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
COMMAND = re.compile(r"(?:srun )?(?:\.venv/bin/)?((?:l2h|nox -s|python -m) .*)")


def commands(text: str) -> set[str]:
    """Return the commands of a page, those within sentences too, without comments."""
    fences = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
    blocks = [b for kind, b in fences.findall(text) if kind in ("sh", "bash", "console")]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    lines = [part for line in lines for part in line.split("#")[0].split("&&")]
    lines += re.findall(r"`([^`]+)`", fences.sub("", text))
    found = (COMMAND.fullmatch(" ".join(line.split())) for line in lines)
    return {match[1] for match in found if match}


LINES = sorted(set[str]().union(*(commands(page.read_text()) for page in PAGES)))
# What sessions of nox run, and whether it is a command of the package or a module.
SESSIONS = {
    name: re.search(r'session\.run\((?:"l2h"|"python", "-m"), f?"([^"]+)"', body)
    for name, body in re.findall(
        r"^def (\w+)\(.*?$(.*?)(?=^@|\Z)",
        (ROOT / "noxfile.py").read_text(),
        re.MULTILINE | re.DOTALL,
    )
}
OURS = ("l2h", "pipelines", "checks", "benchmarks")


def program(line: str) -> tuple[str, list[str]] | None:
    """Return the program that a line calls, a command of the package or a module, and what
    it is given; None for programs of others."""
    words = shlex.split(line)
    if words[0] == "l2h":
        return words[1], words[2:]
    if words[0] == "python":
        ours = words[2].split(".")[0] in OURS
        return (words[2], words[3:]) if ours else None
    assert words[2] in SESSIONS, f"{line}: no such session"
    called, given = SESSIONS[words[2]], words[3:]
    # What is not ours stands beside a session's own arguments.
    given = given[given.index("--") + 1 :] if "--" in given else []
    if called is None or called[1] == "pytest":
        return None
    if called[1] == "pipelines.{name}":
        return (f"pipelines.{given[0]}", given[1:]) if given else None
    return called[1], given


@cache
def options(name: str) -> str:
    """Return what a program says of its options."""
    shown: list[str] = []
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(sys, "argv", [name, "--help"])
        patch.setattr(sys.stdout, "write", shown.append)
        if name in COMMANDS:
            main([name, "--help"])
        elif name == "checks":
            importlib.import_module("checks.__main__").main()
        else:
            tyro.cli(importlib.import_module(name).main, args=["--help"])
    return "".join(shown)


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


def test_python_of_the_page_on_searches_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("l2h.search", found, raising=False)
    blocks = [
        re.findall(r"```python\n(.*?)```", (DOCS / name).read_text(), re.DOTALL)
        for name in ("extending.md", "search.md")
    ]
    # The potential that the law is for is written on the other page.
    names: dict[str, Any] = {"__name__": "page"}
    for block in (blocks[0][0].split("\n\n\nl2h.testing")[0], *blocks[1]):
        exec(compile(block, "search.md", "exec"), names)
    potential = names["Morse"]()
    law: Any = lattice.law(potential)
    x = np.random.default_rng(0).normal(size=(5, 3))
    squared = jnp.asarray(np.sum((x[:, None] - x) ** 2, axis=-1)[np.triu_indices(5, 1)])
    pairs, density = law.tables(squared, None, None)
    assert float(jnp.sum(pairs)) == pytest.approx(float(potential(jnp.asarray(x))), 1e-5)
    assert not np.any(density) and lattice.suits(potential)


def test_every_chapter_is_in_the_table_of_contents() -> None:
    chapters = {str(p.relative_to(DOCS)) for p in DOCS.rglob("*.md")}
    contents = (DOCS.parent / "mkdocs.yml").read_text().split("\nnav:\n")[1]
    named = re.findall(r"([\w/-]+\.md)$", contents, re.MULTILINE)
    assert len(named) == len(set(named)) and set(named) == chapters
    # Those that people read are introduced on the first page.
    first = (DOCS / "index.md").read_text()
    assert [c for c in chapters - {"index.md"} if "/" not in c and c not in first] == []


@pytest.mark.parametrize("line", LINES)
def test_commands_have_the_options_that_are_typed(line: str) -> None:
    called = program(line)
    if called is None or called[0].isupper() or called[0].rsplit(".")[-1].isupper():
        return  # not ours, or NAME in place of a name
    name, given = called
    module = importlib.util.find_spec(name) if name.split(".")[0] in OURS else None
    assert name in COMMANDS or name in ("--help", "--version") or module, line
    for option in (word for word in given if word.startswith("--")):
        assert re.search(rf"{option}\b", options(name)), f"{line}: no {option}"


def test_every_kind_of_command_is_read() -> None:
    text = (
        "```sh\n.venv/bin/nox -s a -- b \\\n  --c # d\n```\n`python -m\nx.y --z` `l2h.io`"
    )
    assert commands(text) == {"nox -s a -- b --c", "python -m x.y --z"}
    assert len(LINES) > 60 and program("nox -s paper -- sizes --starts 2") == (
        "pipelines.sizes",
        ["--starts", "2"],
    )
    assert "--learned" in options("pipelines.descents")
    assert "--only" in options("checks") and "--arms" in options("search")


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
