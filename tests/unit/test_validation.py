"""Validations judge what training is for, and do not saturate."""

import dataclasses

import jax
import numpy as np
import pytest

from l2h import tasks
from l2h.evaluation import Trials
from l2h.meta import NormalizedES, TrainState
from l2h.optimizers import Adam
from l2h.potentials import LennardJones
from l2h.training import TrainingConfig, Validation, pieces, validate
from l2h.training.validation import FRACTIONS, horizons

TASK = tasks.get("lj13")
STARTS = 10


def trials(steps, hits, *, task=TASK, direct=0, quench=20, end=None, found=None):
    """One attempt from each of ten starts, of which the first ones hit."""
    end = task.reference if end is None else end
    miss = end + 5 * task.window
    polished = np.where(np.arange(STARTS) < hits, end, miss)[:, None]
    column = np.ones((STARTS, 1), int)
    return Trials(
        task=task,
        method="learned",
        steps=steps,
        budget=steps + 1,
        stopped=False,
        found=np.full((STARTS, 1), polished.mean() if found is None else found),
        polished=polished,
        drawn=0 * column,
        search=column * (steps + 1),
        quench=column * quench,
        first=np.where(np.arange(STARTS) < direct, steps, 0)[:, None],
        valid=column > 0,
        quenched=column > 0,
        positions=np.zeros((STARTS, task.n, 3)),
        points=np.zeros(0, int),
        seen=np.zeros((STARTS, 0)),
        lowest=np.zeros((STARTS, 0)),
        seconds=np.asarray(1.0),
    )


def judged(*validations):
    """Return which of the validations, counted from one, training keeps in the end."""
    meta = NormalizedES(pairs=2).init(Adam(), 0)
    state = TrainState.begin(meta)
    for number, validation in enumerate(validations, start=1):
        at = dataclasses.replace(meta, update=jax.numpy.asarray(number, jax.numpy.int32))
        state = state.advance(at, 0.0).judge(validation.score)
    return int(state.kept)


def test_saturated_validations_do_not_stop_the_better_later_network():
    """As on 13 atoms: all hit, and the earlier quenches ended lower in the last digit."""
    lower = TASK.reference - 1e-7
    early = Validation(((trials(50, 5), trials(500, STARTS, direct=STARTS, end=lower)),))
    late = Validation(((trials(50, 9), trials(500, STARTS, direct=STARTS)),))
    assert judged(early, late) == 2 and judged(late, early) == 1
    # Of equals, the later one.
    assert judged(late, late) == 2 and judged(early, late, late, early) == 3


def test_direct_hits_and_then_energies_decide_between_equal_costs():
    def short_of(direct, found):
        longest = trials(500, 8, direct=direct, found=found)
        return Validation(((trials(50, 9), longest),))

    assert judged(short_of(3, -40.0), short_of(4, -30.0)) == 2
    assert judged(short_of(4, -30.0), short_of(3, -40.0)) == 1
    assert judged(short_of(4, -30.0), short_of(4, -30.1)) == 2
    assert judged(short_of(4, -30.1), short_of(4, -30.0)) == 1


def test_the_cheapest_horizon_counts():
    long = trials(500, STARTS, direct=STARTS)
    score = Validation(((trials(50, 5), long),)).score
    assert score[0] == pytest.approx(np.log(10 * (51 + 20) / 5))
    score = Validation(((trials(50, 1), long),)).score
    assert score[0] == pytest.approx(np.log(501))
    # No hit at all: worse than any, and independent of how long the quenches were.
    none = [
        Validation(((trials(50, 0, quench=q), trials(500, 0, quench=q)),)).score
        for q in (20, 80)
    ]
    assert none[0][0] == none[1][0] > np.log(501 * 10)


def test_without_reference_lower_energies_win():
    """A set of runs stuck at -100 must not beat one that reaches -120."""
    task = dataclasses.replace(TASK, reference=None)

    def ended(energy, hits):
        one = trials(50, hits, task=task, end=energy, found=energy + 1.0)
        return Validation(((one, dataclasses.replace(one, steps=500)),))

    stuck, free = ended(-100.0, STARTS), ended(-120.0, 2)
    assert judged(stuck, free) == 2 and judged(free, stuck) == 1
    row = free.row()
    assert row["validation/success"] is None
    assert row["validation/lj13/evaluations_per_hit"] is None


@pytest.mark.parametrize("unit", [1.0, 1000.0])
def test_families_do_not_mix_units(unit):
    """Ten times cheaper on one task outweighs a little on the other, whatever their units;
    so does half an energy, and never more because the unit is smaller."""
    potential = LennardJones(energy=unit)
    other = dataclasses.replace(
        TASK, name="other", potential=potential, reference=TASK.reference * unit
    )

    def family(one, two, low_one=0.0, low_two=0.0):
        parts = ((TASK, one, low_one), (other, two, low_two))
        return Validation(
            tuple(
                (
                    trials(50, hits, task=task),
                    trials(500, 0, task=task, found=(low - 40.0) * task.unit),
                )
                for task, hits, low in parts
            )
        )

    assert judged(family(1, 9), family(9, 8)) == 2
    assert judged(family(9, 8), family(1, 9)) == 1
    assert judged(family(5, 5, 0.0, -0.4), family(5, 5, -0.5, 0.0)) == 2
    assert judged(family(5, 5, -0.5, 0.0), family(5, 5, 0.0, -0.4)) == 1
    np.testing.assert_allclose(family(3, 4).score, family(3, 4).score)


def test_lost_starts_leave_the_energy_finite():
    found = np.array([[-3.0]] * 8 + [[np.inf]] * 2)
    longest = dataclasses.replace(trials(500, 0), found=found)
    score = Validation(((trials(50, 0), longest),)).score
    assert score[2] == pytest.approx(-3.0 / 13)
    lost = dataclasses.replace(longest, found=np.full((STARTS, 1), np.inf))
    begun = Validation(((trials(50, 0), lost),))
    # Nothing is the best where nothing was found.
    assert judged(begun) == 0 and np.isinf(begun.score[2])


def test_validation_searches_at_all_horizons_and_counts_all():
    config = TrainingConfig.for_tasks(
        ("lj5",), hidden=(4,), shortest=5, longest=20, validation_starts=6
    )
    seen = []
    found = validate(config, pieces.optimizer(config), seen.append)
    (group,) = found.trials
    assert [t.steps for t in group] == horizons(20, FRACTIONS) == [2, 6, 20]
    assert all(t.starts == 6 for t in group)
    assert found.evaluations == sum(t.search.sum() + t.quench.sum() for t in group)
    assert seen == sorted(seen) and seen[-1] == pytest.approx(1.0)
