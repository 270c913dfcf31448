"""Searches that keep one row each: gone on with where they were interrupted."""

import dataclasses
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from searches import quenched

from l2h import tasks
from l2h.io import Table
from pipelines import descents, sweep


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Put quenches in the engine's place; return what was asked of it."""
    calls: list[dict[str, Any]] = []

    def search(task: Any, **options: Any) -> Any:
        calls.append({"task": task.name, **options})
        if options["seed"] == 7:
            raise KeyboardInterrupt
        # A single quench of this seed misses the global minimum.
        return quenched(task.name, starts=1 if options["seed"] == MISSING else 8)

    monkeypatch.setattr("l2h.search", search, raising=False)
    return calls


MISSING = 2


def descend(file: Path, **options: Any) -> None:
    descents.main("lj13", starts="random,grown", learned="lj13@50", file=file, **options)


def test_descents_go_on_where_they_ended(
    tmp_path: Path, asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "runs" / "descents.csv"
    descend(file, seeds=2)
    assert [(call["seed"], call["arms"][0].name) for call in asked] == [
        (seed, arm) for _ in range(2) for arm in ("lbfgs", "learned") for seed in range(2)
    ]
    first = asked[0]
    assert first["until"] == "reference" and first["evaluations"] == 50_000
    assert asked[2]["arms"][0].steps == 50
    rows = Table(file, descents.COLUMNS).rows
    assert [row["starts"] for row in rows] == ["random"] * 4 + ["grown"] * 4
    assert {row["descent"] for row in rows} == {"lbfgs", "lj13@50"}
    assert {row["window"] for row in rows} == {f"{float(first['rule'].window):g}"}

    # A kill in the middle of a row: that search alone is made again.
    text = file.read_text()
    file.write_text(text[:-5])
    del asked[:]
    descend(file, seeds=2)
    assert file.read_text() == text and len(asked) == 1
    del asked[:]
    capsys.readouterr()
    descend(file, seeds=3)
    assert {call["seed"] for call in asked} == {MISSING} and len(asked) == 4
    # What a search has spent: until its hit, or all of it.
    hit, missed = (quenched("lj13", starts=k) for k in (8, 1))
    assert hit.hit and not missed.hit
    row = Table(file, descents.COLUMNS).where(seed=MISSING)[0]
    assert row["evaluations"] == str(missed.evaluations) and row["hit"] == "0"
    assert row["lowest"] == f"{missed.lowest:.6f}"
    row = Table(file, descents.COLUMNS).where(seed=0)[0]
    assert row["evaluations"] == str(hit.evaluations_to_hit) and row["hit"] == "1"
    cost = (2 * hit.evaluations_to_hit + missed.evaluations) / 2
    words = f": {cost:,.0f} ("
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 5 and all(words in line for line in shown[:4])
    assert all("2 of 3, mean -4" in line for line in shown[:4])
    mean = (2 * hit.lowest + missed.lowest) / 3
    assert all(f"{mean:.4f}" in line for line in shown[:4])


def test_energies_alone_are_compared_where_no_reference_is_known(
    tmp_path: Path, asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = dataclasses.replace(tasks.get("lj13"), reference=None)
    monkeypatch.setattr(tasks, "get", lambda name: unknown)
    descend(tmp_path / "descents.csv", seeds=1)
    assert [call["until"] for call in asked] == [None] * 4


def test_windows_of_abandonment_are_kept_apart(
    tmp_path: Path, asked: list[dict[str, Any]]
) -> None:
    file = tmp_path / "descents.csv"
    for window in (0.01, 0.02, 0.01):
        descend(file, seeds=1, window=window)
    assert [float(call["rule"].window) for call in asked] == pytest.approx(
        [0.01] * 4 + [0.02] * 4
    )


def test_sweeps_go_on_where_they_ended(tmp_path: Path, asked: list[dict[str, Any]]) -> None:
    file = tmp_path / "sweep.csv"
    sweep.main("lj5..lj6", output=file, seeds=2, arms="grown,grown-quiet")
    # Seed by seed: after one round, every size has a row.
    order = [("lj5", 0), ("lj6", 0), ("lj5", 1), ("lj6", 1)]
    assert [(call["task"], call["seed"]) for call in asked] == order
    assert asked[0]["arms"] == ["grown", "grown-quiet"]
    table = Table(file, sweep.COLUMNS)
    row, found = table.rows[0], quenched("lj5", starts=8)
    assert row["lowest"] == row["reference"] == "-9.103852" and row["hit"] == "1"
    assert row["evaluations_to_lowest"] == str(int(found.first_evaluation[0]))
    assert row["point_group"] == "D3h"
    # Crystals have no point group.
    sweep.main("si8", output=tmp_path / "crystal.csv", seeds=1)
    (crystal,) = Table(tmp_path / "crystal.csv", sweep.COLUMNS).rows
    assert crystal["lowest"] and crystal["point_group"] == ""
    asked.pop()
    text = file.read_text()
    with pytest.raises(KeyboardInterrupt):
        sweep.main("lj5", output=file, seeds=8, arms="grown,grown-quiet")
    assert [call["seed"] for call in asked[4:]] == [2, 3, 4, 5, 6, 7]
    assert file.read_text().startswith(text) and len(Table(file, sweep.COLUMNS).rows) == 9


def test_what_is_asked_for_otherwise_is_searched(
    tmp_path: Path, asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "sweep.csv"
    others = ({}, {"arms": "grown"}, {"evaluations": 500}, {"exhaust": True})
    for options in (*others, *others):
        sweep.main("lj5", output=file, seeds=1, **options)
    assert [call["arms"] for call in asked] == [None, ["grown"], None, None]
    assert [call["evaluations"] for call in asked] == [10**6, 10**6, 500, 10**6]
    assert asked[3]["until"] is None
    closing = f"{file}: 1 searches as asked for, 1 of them with a hit"
    assert capsys.readouterr().out.splitlines()[-1] == closing
    descents_file = tmp_path / "descents.csv"
    for budget in (1000, 2000, 1000):
        descend(descents_file, seeds=1, budget=budget)
    assert [call["evaluations"] for call in asked[4:]] == [1000] * 4 + [2000] * 4


def test_searches_that_found_nothing_have_their_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = quenched("lj13", starts=1)
    names = ("energies", "positions", "hits", "first_evaluation")
    nothing = {name: getattr(found, name)[:0] for name in names}
    empty = dataclasses.replace(found, **nothing)
    monkeypatch.setattr("l2h.search", lambda task, **_: empty, raising=False)
    file = tmp_path / "sweep.csv"
    sweep.main("lj13", output=file, seeds=1)
    (row,) = Table(file, sweep.COLUMNS).rows
    assert row["lowest"] == row["point_group"] == row["evaluations_to_lowest"] == ""
    assert row["hits"] == "0" and row["evaluations"] == str(found.evaluations)
    descend(tmp_path / "descents.csv", seeds=2)
    assert "0 of 2, nothing found" in capsys.readouterr().out


def test_files_of_older_sweeps_can_be_gone_on_with(
    tmp_path: Path, asked: list[dict[str, Any]]
) -> None:
    file, old = tmp_path / "sweep.csv", resources.files("l2h.data")
    text = old.joinpath("lennard_jones_sweep.csv").read_text()
    file.write_text(text)
    with pytest.raises(ValueError, match="choose another file"):
        sweep.main("lj5..lj150", output=file, seeds=1, arms="grown,grown-quiet")
    # As the module says.
    settings = ',"grown,grown-quiet",1000000,0'
    header, *lines = text.splitlines()
    rows = (f"{header},arms,budget,exhaust", *(line + settings for line in lines))
    file.write_text("".join(row + "\n" for row in rows))
    sweep.main("lj5..lj150", output=file, seeds=1, arms="grown,grown-quiet")
    assert asked == []


@pytest.mark.parametrize("exhaust", [False, True])
def test_a_sweep_ends_at_the_lowest_known_energy_unless_it_is_to_exhaust(
    exhaust: bool, tmp_path: Path, asked: list[dict[str, Any]]
) -> None:
    sweep.main("lj5", output=tmp_path / "sweep.csv", seeds=1, exhaust=exhaust)
    assert asked[0]["until"] == (None if exhaust else "reference")


def test_ranges_stand_for_all_between() -> None:
    assert sweep.spanned("lj5..lj7, Au13") == ["lj5", "lj6", "lj7", "Au13"]
    for wrong in ("lj7..lj5", "lj5..Au7", "5..7", "lj5.."):
        with pytest.raises(ValueError, match="no range"):
            sweep.spanned(wrong)
    with pytest.raises(ValueError, match="lj6 named twice"):
        sweep.spanned("lj5..lj7,lj6")
