"""The README's Python runs as it stands there, and its numbers have a home."""

import re
from pathlib import Path

import pytest

from l2h import tasks
from l2h.evaluation.known import known_searches

ROOT = Path(__file__).parents[2]
README = Path(__file__).parents[2] / "README.md"


def test_python_of_the_readme_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, str(README), "exec"), {})
    adam, learned = (
        float(line.split()[1]) for line in capsys.readouterr().out.splitlines()
    )
    assert learned < adam - 5


def tables(path: Path) -> list[list[list[str]]]:
    """Return the cells of all tables of a page, row by row, heads first."""
    found = re.findall(r"(?:^\|.*\n)+", path.read_text(), re.MULTILINE)
    rows = [[line.strip("|").split("|") for line in table.splitlines()] for table in found]
    return [[[c.strip() for c in r] for r in table if "---" not in r[0]] for table in rows]


def task_of(cell: str) -> str:
    """Return the task that "38 atoms", "LJ38", "Au38" or "Si-64, ..." means."""
    name = re.sub(r"^(\d+) atoms$", r"lj\1", cell.split(",")[0])
    return tasks.get(re.sub("^(LJ|Si-)", lambda m: m[0].strip("-").lower(), name)).name


@pytest.mark.parametrize(
    "page", ["README.md", "docs/search.md", "docs/baselines.md"], ids=str
)
def test_costs_of_unlearned_searches_are_those_that_ship(page: str) -> None:
    known = {(s.task, s.method): s.cost.value for s in known_searches()}
    methods = {method for _, method in known}
    seen = 0
    for head, *rows in tables(ROOT / page):
        where = {k: set(re.findall("`([^`]+)`", cell)) for k, cell in enumerate(head)}
        for k, names in where.items():
            for row in rows if len(names & methods) == 1 else ():
                if not re.match(r"\d+ atoms$|LJ\d|Au\d|Si-\d", row[0]):
                    continue
                value = known.get((task_of(row[0]), *(names & methods)))
                numbers = re.findall(r"\d[\d,]*", row[k])
                assert numbers[:1] == ([f"{value:,.0f}"] if value else []), (page, row)
                seen += value is not None
    assert seen >= 7


def test_costs_of_our_searches_are_in_the_chapters() -> None:
    chapters = ("docs/measurements.md", "docs/results.md")
    text = "".join((ROOT / name).read_text() for name in chapters)
    first, second = tables(README)[:2]
    cells = [row[1] for row in first[1:]] + [c for row in second[1:] for c in row[1:3]]
    numbers = re.findall(r"\d[\d,]*", " ".join(cells))
    assert len(numbers) >= 11
    assert [n for n in numbers if not re.search(rf"(?<![\d,]){n}(?![\d,])", text)] == []
