"""The appendix as commands: in small, gone on with, mistyped."""

import csv
from pathlib import Path

import pytest
from commands import Done, run

# Every device compiles programs of its own.
ALONE = ("--devices", "1")


def command(name: str, folder: Path, *arguments: str) -> Done:
    return run("--folder", folder, *arguments, module=f"pipelines.{name}")


def table(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def files(folder: Path) -> dict[Path, int]:
    """Return when each piece of work was written."""
    pieces = [*folder.rglob("*.npz"), *folder.rglob("*.l2h")]
    return {path: path.stat().st_mtime_ns for path in pieces}


@pytest.mark.slow
def test_transfer_is_a_table_that_grows(tmp_path):
    small = ("--quick", "--silicon", "lj13", "--others", "lbfgs", *ALONE)
    first = command("transfer", tmp_path, "--tasks", "lj13-paper", *small)
    assert first.returncode == 0, first.stderr
    before = files(tmp_path)
    assert len(before) == 5
    again = command("transfer", tmp_path, "--tasks", "lj13-paper", *small)
    assert again.returncode == 0 and files(tmp_path) == before
    assert first.stdout.splitlines()[-10:] == again.stdout.splitlines()[-10:]
    rows = table(tmp_path / "transfer.csv")
    names = ["Adam, tuned", "FIRE, tuned", "learned on Lennard-Jones", "learned on silicon"]
    assert [row["optimizer"] for row in rows] == [*names, "lbfgs"]
    assert {row["budget"] for row in rows} == {"21"} and "-44.3" in first.stdout
    assert (tmp_path / "transfer.png").exists()


@pytest.mark.slow
def test_sizes_trains_what_is_not_given(tmp_path):
    small = ("--quick", "--only75", "lj38", "--six", "lj-family", *ALONE)
    first = command("sizes", tmp_path, *small)
    assert first.returncode == 0, first.stderr
    before = files(tmp_path)
    assert (tmp_path / "lj13" / "best.l2h").exists() and not (tmp_path / "lj75").exists()
    again = command("sizes", tmp_path, *small)
    assert again.returncode == 0, again.stderr
    assert files(tmp_path) == before
    rows = table(tmp_path / "sizes.csv")
    assert [row["atoms"] for row in rows] == ["5"] * 5 + ["13"] * 5
    assert all(float(row["above_per_atom"]) > -1e-6 for row in rows)
    assert (tmp_path / "sizes.png").exists()


@pytest.mark.slow
def test_bimetallic_has_an_unseen_pair(tmp_path):
    done = command("bimetallic", tmp_path, "--quick", *ALONE)
    assert done.returncode == 0, done.stderr
    rows = table(tmp_path / "bimetallic.csv")
    assert [row["pair"] for row in rows[::3]] == ["Ag-Au", "Ag-Pt", "Pd-Au", "Pd-Pt"]
    trained = [row["trained_on"] == "True" for row in rows]
    assert trained == [True] * 9 + [False] * 3
    assert (tmp_path / "trained" / "best.l2h").exists()
    assert (tmp_path / "bimetallic.png").exists()


@pytest.mark.slow
def test_hopping_follows_random_and_symmetric_starts(tmp_path):
    done = command("hopping", tmp_path, "--quick", "--optimizers", "lj13")
    assert done.returncode == 0, done.stderr
    rows = table(tmp_path / "hopping.csv")
    assert [row["starts"] for row in rows] == ["random"] * 5 + ["symmetric"] * 5
    assert [row["step"] for row in rows[:5]] == ["0", "5", "10", "15", "20"]
    assert not any(row["asymmetry"] for row in rows[:5])
    assert (tmp_path / "hopping.png").exists()


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("transfer", ["--tasks", "lj7-paper"], "lj7-paper"),
        ("transfer", ["--silicon", "gold"], "gold"),
        ("sizes", ["--sizes", "13,1"], "lj1"),
        ("bimetallic", ["--counts", "38"], "at least 1"),
        ("hopping", ["--every", "7"], "every: 7"),
    ],
)
def test_mistakes_are_answered_in_words(tmp_path, name, arguments, words):
    done = command(name, tmp_path / "runs", *arguments)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr and "Traceback" not in done.stderr
