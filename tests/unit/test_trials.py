"""What trials say is what happened: hits, references, discoveries, divergence."""

import dataclasses

import numpy as np
import pytest
from trials import BUDGET, ONCE, TASK, run

from l2h import tasks
from l2h.evaluation import Method, Trials, cheapest, compared
from l2h.optimizers import GradientDescent
from l2h.report.competition import competition_table, write_competition


def test_a_hit_lies_within_the_tolerance_on_either_side():
    task = dataclasses.replace(TASK, tolerance=0.5)
    at = TASK.reference
    energies = np.array([at, at + 0.4, at - 0.4, at + 0.6, at - 0.6, np.inf, np.nan])
    assert task.is_hit(energies).tolist() == [True] * 3 + [False] * 4
    assert task.is_hit(energies, at + 1).sum() == 1
    blind = dataclasses.replace(task, reference=None)
    assert not blind.is_hit(energies).any() and blind.is_hit(energies, at).sum() == 3
    gold = tasks.get("Au13")
    assert gold.window == pytest.approx(0.001 * float(gold.potential.scale.energy))
    with pytest.raises(ValueError, match="tolerance"):
        dataclasses.replace(TASK, tolerance=0.0)


@pytest.mark.parametrize(
    "name, second", [("lj66", -341.103232), ("lj139", -818.986932), ("lj65", -334.969702)]
)
def test_the_second_lowest_minimum_is_no_hit(name, second):
    task = tasks.get(name)
    assert not task.is_hit(second) and task.is_hit(task.reference + 1e-5)
    # On the way, nobody can know.
    assert second < task.reference + task.vicinity


def test_without_reference_the_lowest_of_all_counts(once, restarted):
    task = dataclasses.replace(TASK, reference=None)
    blind = run(ONCE, task)
    np.testing.assert_array_equal(blind.polished, once.polished)
    assert not blind.first.any() and not blind.hits.any() and blind.below == 0
    shallow = dataclasses.replace(restarted, task=task, polished=restarted.polished + 1.0)
    other, both = compared([shallow, blind])
    assert other.reference == both.reference == blind.polished.min()
    assert both.success == once.success and both.below == 0
    # Nobody knew what to look for: hits are noted at the next look, never earlier.
    found = np.isfinite(once.hit_at)
    assert np.all(both.hit_at[found] >= once.hit_at[found])
    assert np.mean(both.hit_at[found] / once.hit_at[found]) < 1.2
    assert other.success.value == 0
    table = competition_table([[both, other]])
    assert "NO reference energy is known" in table and "no hit, >" in table


def test_a_set_is_never_its_own_reference(once):
    """Fifty runs stuck at -100 must not beat a set that reaches -120."""
    task = dataclasses.replace(TASK, reference=None)
    ends = np.full_like(once.polished, -100.0)
    stuck = dataclasses.replace(once, task=task, method="stuck", polished=ends)
    deeper = np.where(np.arange(20)[:, None] < 3, -120.0, -90.0)
    free = dataclasses.replace(once, task=task, method="free", polished=deeper)
    for order in ([stuck, free], [free, stuck]):
        assert cheapest(order).method == "free"
    with pytest.raises(ValueError, match="trials"):
        cheapest([])


def test_without_hits_the_lowest_mean_is_cheapest(once):
    task = dataclasses.replace(TASK, reference=-1000.0)
    high = dataclasses.replace(once, task=task, polished=once.polished + 1)
    low = dataclasses.replace(once, task=task)
    assert np.array_equal(cheapest([high, low]).polished, once.polished)


def test_divergence_is_reported_and_not_averaged(once, tmp_path):
    wild = run(Method("sd", GradientDescent(1e308)), budget=10)
    lost = dataclasses.replace(
        wild, polished=np.where(np.arange(20)[:, None] < 2, np.inf, wild.polished)
    )
    row = lost.summary()
    broken = int(np.sum(~wild.valid))
    assert row["nonfinite"] == broken > 0 and row["without_energy"] == 2
    assert row["mean"] == pytest.approx(np.mean(lost.polished[2:]))
    table = competition_table([[lost, once]])
    assert f"sd met non-finite energies in {broken} of 20 attempts" in table
    assert "ended 2 of 20 starts without any finite energy" in table
    nothing = dataclasses.replace(wild, polished=np.full_like(wild.polished, np.inf))
    for path in write_competition(tmp_path, [[nothing]], {}):
        assert path.stat().st_size > 0


def test_discoveries_are_loud_and_no_hits(once):
    task = dataclasses.replace(TASK, reference=TASK.reference + 0.5)
    trials = dataclasses.replace(once, task=task)
    assert trials.success.value == 0
    assert trials.below == np.sum(once.polished < task.reference - task.window) > 0
    assert "WARNING" in competition_table([[trials]])


def test_unconverged_quenches_are_no_minima(once):
    assert len(once.minima) == len(
        {round(energy, 6) for energy in once.polished[:, 0].tolist()}
    )
    none = dataclasses.replace(once, quenched=np.zeros_like(once.quenched))
    assert none.minima == [] and none.summary()["unconverged"] == 20


def test_somebody_else_s_counts_are_trials(once):
    """What another program counts reads as if the harness had made it."""
    stopped = run(ONCE, stop_at_hit=True)
    spent = np.where(np.isfinite(stopped.hit_at), stopped.hit_at, stopped.search[:, 0])
    theirs = Trials.counted(
        TASK,
        "theirs",
        BUDGET,
        energies=stopped.energies,
        positions=stopped.positions,
        evaluations=spent.astype(int),
        seconds=2.0,
    )
    assert theirs.success == stopped.success and theirs.per_hit is None
    np.testing.assert_array_equal(theirs.hit_at, stopped.hit_at)
    assert theirs.seconds_per_evaluation == pytest.approx(2.0 / spent.sum())
