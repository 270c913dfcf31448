"""The harness makes the searches that it says, and counts them."""

import dataclasses
import math
import os
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from searches import Paid, calculate, paid
from trials import BUDGET, ONCE, RESTARTED, TASK, run

from l2h import rollout, tasks
from l2h.domains import Domain
from l2h.evaluation import Method, compared, milestones
from l2h.optimizers import Adam, GradientDescent
from l2h.potentials import Callback


def test_searches_begin_at_the_task_s_starts(once, restarted):
    starts = TASK.draw(0, Domain.TEST, range(20), jnp.float64).positions
    energies = np.asarray(jax.vmap(TASK.potential)(starts))
    other = run(Method("sd", GradientDescent(1e-3)), budget=3)
    for trials in (once, restarted, other):
        np.testing.assert_allclose(trials.seen[:, 0], energies, rtol=1e-9)
    # Restarts are fresh: one start of five atoms hardly ever ends exactly as another.
    assert np.all(np.ptp(restarted.found, axis=1) > 0)


def test_searches_in_both_precisions_begin_alike():
    other = Method("sd", GradientDescent(1e-3))
    single, double = (run(other, budget=2, dtype=d) for d in (np.float32, np.float64))
    starts = TASK.draw(0, Domain.TEST, range(20), jnp.float64).positions
    assert np.array_equal(starts, starts.astype(np.float32))
    np.testing.assert_allclose(single.seen[:, 0], double.seen[:, 0], rtol=2e-5)


def test_a_search_does_not_depend_on_its_companions(restarted):
    alone = run(RESTARTED, indices=[3])
    made = int(alone.made.sum())
    for name in ("found", "polished", "search", "quench", "first"):
        np.testing.assert_array_equal(
            getattr(alone, name)[0, :made], getattr(restarted, name)[3, :made]
        )
    np.testing.assert_array_equal(alone.positions[0], restarted.positions[3])


def test_chunks_are_joined_in_order(once):
    seen = []
    many = run(ONCE, indices=range(30), note=seen.append)
    assert many.starts == 30 and seen == sorted(seen) and seen[-1] == 1.0
    np.testing.assert_array_equal(many.polished[:20], once.polished)
    np.testing.assert_array_equal(
        many.polished[25:], run(ONCE, indices=range(25, 30)).polished
    )


def test_first_hit_is_that_of_the_trace(once):
    starts = TASK.draw(0, Domain.TEST, range(20), jnp.float64).positions

    @eqx.filter_jit
    def trace(start):
        key = jax.random.key(0)
        done = rollout(
            ONCE.optimizer, TASK.potential, start, BUDGET - 1, key=key, trace_every=1
        )
        return done.trace

    traces = jax.vmap(trace)(starts)
    within = np.asarray(traces.energies) <= TASK.reference + TASK.vicinity
    expected = np.where(within.any(1), np.argmax(within, 1) + 1, 0)
    assert 0 < np.sum(expected > 0)
    np.testing.assert_array_equal(once.first[:, 0], expected)
    lowest = np.minimum.accumulate(np.asarray(traces.energies), 1)[:, once.points - 1]
    np.testing.assert_allclose(once.lowest, lowest, rtol=1e-6)


def test_attempts_go_on_while_they_fit(restarted):
    made, costs = restarted.made, restarted.costs
    assert np.all(restarted.search[made] == 31)
    before = np.cumsum(costs, axis=1) - costs
    assert np.all(before[made] + 31 <= BUDGET)
    assert np.all(costs.sum(axis=1) + 31 > BUDGET)
    # No gaps: an attempt that was not made is followed by none.
    assert np.all(made[:, :-1] | ~made[:, 1:])
    energies = jax.vmap(TASK.potential)(jnp.asarray(restarted.positions))
    np.testing.assert_allclose(energies, restarted.energies, rtol=1e-12)


@pytest.mark.parametrize("name", ["once", "restarted"])
def test_numbers_are_those_of_a_plain_count(name, request):
    trials = request.getfixturevalue(name)
    # Hits on the way occur in one, hits by the quench in the other.
    assert trials.direct.any() if name == "once" else (trials.hits & ~trials.direct).any()
    hits, spent, times = 0, 0, []
    for row in range(trials.starts):
        walked, at = 0, math.inf
        for search, quench, first, energy in zip(
            trials.search[row],
            trials.quench[row],
            trials.first[row],
            trials.polished[row],
            strict=True,
        ):
            if not search:
                break
            hit = abs(energy - TASK.reference) <= 0.01
            cost = search if hit and first else search + quench
            if hit:
                hits += 1
                at = min(at, walked + (first or cost))
            walked += cost
        spent += walked
        times.append(at if math.isfinite(at) else -walked)
    np.testing.assert_array_equal(trials.hit_at, [t if t > 0 else math.inf for t in times])
    found = sum(t > 0 for t in times)
    assert trials.success.value == found / 20
    assert trials.to_first_hit.value == pytest.approx(sum(map(abs, times)) / found)
    assert trials.per_hit.value == pytest.approx(spent / hits)
    assert trials.evaluations == trials.summary()["evaluations"] == spent
    unpaid = trials.quench[trials.direct].sum()
    assert (unpaid > 0) == (name == "once")
    assert trials.performed == trials.summary()["performed"] == spent + unpaid
    rate = trials.seconds_per_evaluation
    assert rate * trials.performed == pytest.approx(float(trials.seconds))


@pytest.mark.parametrize("method", [RESTARTED, Method("quench", Adam(0.05), 0)])
def test_stopping_at_hits_leaves_their_cost(method):
    whole = run(method, budget=2000)
    stopped = run(method, budget=2000, stop_at_hit=True)
    assert whole.success.value == 1
    np.testing.assert_array_equal(stopped.hit_at, whole.hit_at)
    assert stopped.search.sum() < whole.search.sum()
    assert stopped.per_hit is None and stopped.to_first_hit == whole.to_first_hit


@pytest.mark.parametrize("method", [ONCE, RESTARTED])
def test_what_a_start_costs_is_charged(method, once, restarted):
    free = once if method is ONCE else restarted
    trials = run(method, paid(TASK, 7))
    made = trials.made
    assert np.all(trials.drawn == np.where(made, 7, 0)) and not free.drawn.any()
    row = trials.summary()
    assert row["start_evaluations"] == 7 * made.sum()
    # The same searches, as many as fit: what they have cost counts against the budget.
    width = trials.found.shape[1]
    for name in ("polished", "search", "first"):
        found, same = getattr(trials, name), getattr(free, name)[:, :width]
        np.testing.assert_array_equal(found[made], same[made])
    before = np.cumsum(trials.costs, axis=1) - trials.costs
    fits = before + method.horizon(BUDGET) + 1 <= BUDGET
    assert np.all(fits[made]) and not np.any(made[:, 1:] & ~fits[:, 1:])
    assert made.sum() < free.made.sum() or method is ONCE
    paying = free.costs[:, :width] + 7
    np.testing.assert_array_equal(trials.costs[made], paying[made])
    first = trials.hits[:, 0]
    np.testing.assert_array_equal(trials.hit_at[first], free.hit_at[first] + 7)
    assert row["evaluations"] == trials.costs.sum() < trials.performed + 1
    # Where nobody knows what to look for, looks do not forget it either.
    blind = dataclasses.replace(TASK, reference=None)
    (plain,), (dear,) = (compared([run(ONCE, task)]) for task in (blind, paid(blind, 7)))
    np.testing.assert_array_equal(dear.hit_at, plain.hit_at + 7)


def test_a_calculator_is_called_once_an_evaluation():
    # One call to draw a start, too.
    potential = Callback(calculate, length=1.0, energy=1.0)
    task = dataclasses.replace(TASK, potential=potential, init=Paid(TASK.init, 1))
    trials = run(RESTARTED, task, range(3), 100, looks=0)
    assert trials.direct.any() or trials.made.sum() > 3
    assert potential.calls.made == trials.performed
    assert trials.starts == 3 and trials.drawn.sum() == trials.made.sum()


def test_segments_leave_no_trace(once, monkeypatch):
    monkeypatch.setattr("l2h.evaluation.harness.SEGMENT", 7)
    again = run(ONCE)
    for name in ("found", "polished", "first", "lowest", "positions"):
        np.testing.assert_array_equal(getattr(again, name), getattr(once, name))


def test_looks_are_in_order_and_end_with_the_horizon():
    for horizon in (1, 2, 50, 1999, 10**7):
        points = milestones(horizon, 60)
        assert points == sorted(set(points)) and 0 < len(points) <= 60
        assert points[0] >= 1 and points[-1] == horizon
    assert milestones(0, 60) == milestones(50, 0) == []


def test_quenches_converge_without_64_bit():
    # In a fresh interpreter with JAX's defaults: nobody switches precision on.
    code = (
        "import jax.numpy as jnp\n"
        "from l2h import tasks\n"
        "from l2h.domains import Domain\n"
        "from l2h.evaluation import Method, evaluate\n"
        "from l2h.optimizers import LBFGS\n"
        "task = tasks.get('lj19')\n"
        "starts = task.draw(0, Domain.TEST, [0], jnp.float32)\n"
        "assert starts.positions.dtype == jnp.float32\n"
        "t = evaluate(Method('q', LBFGS(), 0), task, range(10), budget=1, seed=0)\n"
        "assert t.quenched.all(), t.quenched\n"
        "assert 20 < t.quench.mean() < 400, t.quench\n"
    )
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "0"}
    root = Path(tasks.__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, env=environment)


@pytest.mark.parametrize("budget", [0, 1, 30])
def test_a_budget_lasts_for_one_attempt(budget):
    with pytest.raises(ValueError, match=f"budget: {budget}"):
        run(RESTARTED, budget=budget)


def test_wrong_starts_and_steps_are_refused():
    with pytest.raises(ValueError, match="indices"):
        run(ONCE, indices=[])
    with pytest.raises(ValueError, match="steps"):
        Method("adam", Adam(), -1)
