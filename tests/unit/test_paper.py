"""The paper's tables and figures show what was measured, beside what was printed."""

import csv
import dataclasses
import io
from typing import Any

import jax
import numpy as np
import pytest

from l2h import tasks
from l2h.evaluation import Trials
from l2h.report.competition import rows_csv
from l2h.report.paper import (
    above,
    composition,
    excess,
    excess_figure,
    excess_rows,
    sizes_figure,
    transfer_figure,
    transfer_table,
)
from l2h.training import RunFolder, TrainingConfig
from l2h.training.tuning import grids, paper
from pipelines import bimetallic

PUBLISHED = {("lj13-paper", "Adam"): -40.6, ("si64-paper", "FIRE"): -257.0}


def trials(name: str, method: str, energies: list[float]) -> Trials:
    task = tasks.get(name)
    positions = np.zeros((len(energies), task.n, 3))
    ones = np.ones(len(energies), int)
    return Trials.counted(task, method, 101, np.array(energies), positions, ones, 1.0)


def panel(axes: Any) -> dict[str, Any]:
    return {line.get_label(): line for line in axes.get_lines()}


def test_means_stand_beside_the_papers():
    lost = [-39.0, -41.0, np.inf]
    results = [
        [trials("lj13-paper", "Adam", lost), trials("lj13-paper", "FIRE", [-44.0] * 3)],
        [trials("si64-paper", "FIRE", [-250.0, -260.0, -255.0])],
    ]
    table = transfer_table(results, PUBLISHED)
    adam, fire = (
        next(line for line in table.splitlines() if line.startswith(who))
        for who in ("Adam", "FIRE")
    )
    assert adam.split() == ["Adam", "-40.00", "(1.00)*", "-40.6", "-"]
    assert fire.split() == ["FIRE", "-44.00", "(0.00)", "-255.00", "(2.89)", "-257.0"]
    assert "-44.33" in table and "101" in table and "without any finite energy" in table
    first, second = transfer_figure(results, PUBLISHED).axes
    assert first.get_yticklabels()[0].get_text() == "Adam"
    theirs = [
        line.get_xdata()[0] for line in second.get_lines() if line.get_marker() == "D"
    ]
    assert theirs == [-257.0]


def test_papers_means_are_of_tuned_baselines_and_of_networks():
    assert len(paper()) == 12
    for task, who in paper():
        assert tasks.get(task).name == task
        assert who in {*grids(), "lj-family", "silicon"}


def test_energies_above_the_minimum_are_per_atom():
    low, high = tasks.get("lj13").reference, tasks.get("lj38").reference
    assert low is not None and high is not None
    results = [
        [trials("lj38", "a", [high + 38, high]), trials("lj38", "b", [high, high])],
        [trials("lj13", "a", [low + 1.3, low + 1.3]), trials("lj13", "b", [np.inf, low])],
    ]
    assert above(results[0][0]) == pytest.approx(0.5)
    shown = panel(sizes_figure(results).axes[0])
    np.testing.assert_allclose(shown["a"].get_xydata(), [[13, 0.1], [38, 0.5]])
    np.testing.assert_allclose(shown["b"].get_ydata(), [0, 0], atol=1e-12)


def test_excess_vanishes_for_an_ideal_mixture_only():
    task, ends = tasks.get("Ag9Au29"), (-97.0, -130.0)
    assert composition(task) == ("Ag-Au", 9)
    ideal = (9 * ends[0] + 29 * ends[1]) / 38
    assert excess(task, ideal, ends) == pytest.approx(0)
    assert excess(task, ideal - 0.5, ends) == pytest.approx(-0.5)
    with pytest.raises(ValueError, match="no alloy"):
        composition(tasks.get("lj13"))
    results = [
        [trials("Ag9Au29", "learned", [ideal - 0.5, ideal - 1.5])],
        [trials("Pd9Pt29", "learned", [0.0, 1.0])],
    ]
    pairs = {"Ag-Au": ends, "Pd-Pt": (0.0, 0.0)}
    rows = excess_rows(results, pairs, trained=["Ag9Au29"])
    assert [row["trained_on"] for row in rows] == [True, False]
    numbers = [rows[0]["excess_mean"], rows[0]["excess_lowest"], rows[1]["excess_mean"]]
    np.testing.assert_allclose(numbers, [-1.0, -1.5, 0.5])
    assert len(list(csv.DictReader(io.StringIO(rows_csv(rows))))) == 2
    first, second = excess_figure(rows).axes
    assert "never" not in first.get_title() and "never" in second.get_title()


def test_pure_ends_are_the_known_minima():
    with jax.numpy_dtype_promotion("standard"):
        silver, platinum = bimetallic.pure(("Ag", "Pt"))
        palladium, gold = bimetallic.pure(("Pd", "Au"))
        _, other = bimetallic.pure(("Ag", "Au"))
    for metal, energy in zip(
        ("Ag", "Pt", "Pd", "Au"), (silver, platinum, palladium, gold), strict=True
    ):
        assert energy == pytest.approx(tasks.get(f"{metal}38").reference, abs=1e-5)
    # Gold has other parameters beside silver: its end is not that of pure gold.
    assert abs(other - gold) > 0.1


def test_a_run_is_begun_gone_on_with_and_never_mixed(tmp_path):
    config = TrainingConfig.for_tasks("lj5")
    begun = RunFolder.at(tmp_path / "run", config)
    before = begun.config.read_bytes()
    assert RunFolder.at(tmp_path / "run", config).config.read_bytes() == before
    with pytest.raises(ValueError, match="other settings"):
        RunFolder.at(tmp_path / "run", dataclasses.replace(config, seed=1))
    assert begun.config.read_bytes() == before
