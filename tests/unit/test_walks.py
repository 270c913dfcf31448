"""What is said of an optimizer's way is true of ways that are known."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from l2h import rollout, tasks
from l2h.domains import Domain, Purpose, attempt_keys
from l2h.evaluation import assigned, distinct, evaluate, walk
from l2h.evaluation.method import Method
from l2h.evaluation.walks import Walks
from l2h.optimizers import AbstractOptimizer, Adam, GradientDescent, untrained
from l2h.report.walks import walks_figure, walks_rows

TASK, STARTS, STEPS, EVERY = tasks.get("lj7"), range(4), 30, 10


class Uphill(AbstractOptimizer[None]):
    """Goes against the forces, by a fixed distance per atom."""

    def begin(self, potential, observation, *, horizon, key):
        return None

    def move(self, potential, state, *, key):
        seen = state.observation
        away = seen.gradient / jnp.sqrt(jnp.mean(jnp.sum(seen.gradient**2, axis=1)))
        return seen.positions + 0.01 * away, None

    def trainable(self):
        return untrained(self)


@pytest.fixture(scope="module")
def descent() -> Walks:
    return walk("sd", GradientDescent(1e-4), TASK, STARTS, steps=STEPS, every=EVERY, seed=3)


def test_ways_are_those_of_rollouts_from_the_starts_of_trials(descent):
    starts = TASK.draw(3, Domain.TEST, STARTS, jnp.float32).positions
    zero = jnp.asarray(0, jnp.int32)
    keys = attempt_keys(
        Domain.TEST.key(3), jnp.arange(4), zero, jnp.asarray(Purpose.SEARCH, jnp.int32)
    )
    own = rollout(
        GradientDescent(1e-4), TASK.potential, starts[2], STEPS, key=keys[2], trace_every=1
    )
    assert own.trace is not None
    np.testing.assert_allclose(descent.energies[2], own.trace.energies, rtol=1e-4)


def test_forces_and_strides_are_measured(descent):
    np.testing.assert_allclose(descent.downhill, 1, atol=1e-3)
    assert np.all(np.diff(descent.energies, axis=1) < 0)
    up = walk("up", Uphill(), TASK, STARTS, steps=4, every=2, seed=3)
    np.testing.assert_allclose(up.downhill, -1, atol=1e-3)
    np.testing.assert_allclose(up.strides, 0.01, rtol=1e-3)


def test_minima_below_are_those_that_quenches_of_trials_find(descent):
    trials = evaluate(
        Method("sd", GradientDescent(1e-4), steps=0), TASK, STARTS, budget=1, seed=3
    )
    assert descent.at.tolist() == [0, 10, 20, 30]
    np.testing.assert_allclose(descent.quenched[:, 0], trials.energies, atol=1e-5)
    same = descent.basins[:, :1] == descent.basins
    close = np.abs(descent.quenched[:, :1] - descent.quenched) < 1e-5
    assert np.array_equal(same, close)


def test_minima_are_counted_once(descent):
    basins = np.array([[5, 5, 2, 5], [-1, 1, 1, 0], [3, 3, 3, 3], [-1, -1, -1, -1]])
    walks = dataclasses.replace(descent, basins=basins)
    visited = [[1, 1, 2, 2], [0, 1, 1, 2], [1, 1, 1, 1], [0, 0, 0, 0]]
    assert walks.visited.tolist() == visited
    quenched = np.full((4, 4), TASK.reference)
    quenched[0, 0], quenched[:, 3] = np.inf, TASK.reference + 1
    found = dataclasses.replace(descent, quenched=quenched).found
    assert found.tolist() == [0.75, 1, 1, 0]


def test_symmetry_is_kept_by_forces_and_lost_by_noise():
    task = tasks.get("lj7-symmetric")
    kept = walk("sd", GradientDescent(1e-4), task, range(12), steps=10, every=5, seed=0)
    with_groups = np.isfinite(kept.asymmetry[:, 0])
    assert 4 < np.sum(with_groups) < 12  # some of the groups drawn are trivial
    assert np.all(kept.asymmetry[with_groups] < 1e-4)
    lost = walk("adam", Adam(0.05), task, range(12), steps=10, every=5, seed=0)
    assert np.median(lost.asymmetry[with_groups, -1]) > 1e-2
    assert np.all(np.isnan(lost.asymmetry[~with_groups]))
    assert np.all(np.isfinite(walks_figure([kept], [lost]).axes[7].get_ylim()))


def test_table_and_picture(descent):
    wild = dataclasses.replace(
        descent, method="wild", energies=np.full_like(descent.energies, np.inf)
    )
    rows = walks_rows([descent, wild])
    assert len(rows) == 2 * len(descent.at)
    assert [row["step"] for row in rows[:4]] == [0, 10, 20, 30]
    assert rows[1]["energy"] == pytest.approx(np.median(descent.energies[:, 10]))
    assert np.isnan(rows[5]["energy"])
    axes = walks_figure([descent, wild], []).axes
    line = axes[1].get_lines()[0]
    np.testing.assert_allclose(line.get_ydata(), np.median(descent.quenched, axis=0))


def test_structures_are_assigned_to_the_lowest_of_their_minimum():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 5, 3))
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    positions = np.stack([one, other, one[::-1] @ turn, one, other + 1])
    energies = np.array([-1.0, -2.0, -1.0 - 1e-8, np.nan, -2.0])
    task = tasks.get("lj5")
    assert assigned(task, energies, positions).tolist() == [2, 1, 2, -1, 1]
    assert distinct(task, energies, positions) == [1, 2]


def test_mistakes_are_answered_in_words():
    with pytest.raises(ValueError, match="every: 7 does not divide 30"):
        walk("sd", Adam(), TASK, STARTS, steps=30, every=7, seed=0)
    with pytest.raises(ValueError, match="indices"):
        walk("sd", Adam(), TASK, [], steps=30, every=10, seed=0)
