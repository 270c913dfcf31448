"""The comparison of strategies as a user types it: run, extended, mistyped."""

import csv

import pytest
from commands import Done, run

SMALL = ("lj5", "--updates", "2", "--horizon", "4", "--seeds", "1", "--starts", "5")


def command(*arguments: object) -> Done:
    return run("strategies", *arguments)


@pytest.mark.slow
def test_units_are_kept_and_more_are_added(tmp_path):
    where = ("--folder", tmp_path / "runs")
    first = command(*SMALL, "--strategies", "esmc", *where)
    assert first.returncode == 0, first.stderr
    unit = tmp_path / "runs" / "esmc-seed0"
    before = {path.name: path.read_bytes() for path in unit.iterdir()}
    second = command(*SMALL, "--strategies", "esmc,ga", *where)
    assert second.returncode == 0, second.stderr
    assert {path.name: path.read_bytes() for path in unit.iterdir()} == before
    with (tmp_path / "runs" / "strategies.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["strategy"] for row in rows] == ["esmc", "ga"]
    assert all(0 <= float(row["low"]) <= float(row["success"]) <= 1 for row in rows)
    assert (tmp_path / "runs" / "strategies.png").exists()
    assert "esmc" in second.stdout and "median success" in second.stdout

    # Other settings must not be mixed into the same comparison.
    other = command(*SMALL, "--strategies", "esmc", "--horizon", "5", *where)
    assert other.returncode == 2 and "other settings" in other.stderr
    assert {path.name: path.read_bytes() for path in unit.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lj5", "--strategies", "es,cma"], "cma"),
        (["lj5", "--seeds", "0"], "seeds: 0"),
        (["lj5", "--horizon", "0"], "0 given"),
        (["gold13"], "gold13"),
    ],
)
def test_mistakes_are_answered_in_words(tmp_path, arguments, words):
    process = command(*arguments, "--folder", tmp_path / "runs")
    assert process.returncode == 2
    assert words in process.stderr and "Traceback" not in process.stderr
    assert not (tmp_path / "runs").exists()
