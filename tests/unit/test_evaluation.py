"""What a competition reports is what happened."""

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
from hypothesis import given
from searches import Paid, calculate, paid
from strategies import permutation, random_cluster, rotation, seeds, separated

from l2h import rollout, tasks
from l2h.domains import Domain, Purpose, attempt_keys
from l2h.evaluation import (
    Method,
    Trials,
    cheapest,
    compared,
    cost_per_hit,
    distinct,
    evaluate,
    fingerprint,
    hit_curve,
    milestones,
    success_rate,
)
from l2h.optimizers import Adam, GradientDescent
from l2h.potentials import Callback
from l2h.report.competition import (
    competition_figure,
    competition_table,
    labels,
    write_competition,
)
from l2h.tasks import draw

TASK = tasks.get("lj5")
RESTARTED = Method("adam@30", Adam(0.05), 30)
ONCE = Method("adam", Adam(0.05))
BUDGET = 200


def run(method: Method, task=TASK, indices=range(20), budget=BUDGET, **options) -> Trials:
    options = {"seed": 0, "dtype": jnp.float64, "looks": 60} | options
    return evaluate(method, task, indices, budget=budget, **options)


@pytest.fixture(scope="module")
def restarted() -> Trials:
    return run(RESTARTED)


@pytest.fixture(scope="module")
def once() -> Trials:
    return run(ONCE)


# Which minima are the same.


@given(x=separated(sizes=(5,)), seed=seeds())
def test_moved_structures_are_the_same_minimum(x, seed):
    moved = [
        x,
        x @ rotation(seed).T + 3.0,
        x @ rotation(seed, reflect=True).T,
        x[permutation(seed, len(x))],
    ]
    assert distinct(TASK, np.zeros(4), np.stack(moved)) == [0]


@given(x=separated(sizes=(5,)), seed=seeds())
def test_unlike_atoms_are_told_apart(x, seed):
    alloy = tasks.get("Ag2Au3")
    x = x * float(alloy.potential.scale.length)
    allowed = np.concatenate([permutation(seed, 2), 2 + permutation(seed, 3)])
    assert distinct(alloy, np.zeros(2), np.stack([x, x[allowed]])) == [0]
    # An isosceles pyramid with one of its own corners exchanged for the apex.
    x = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0.5, 0.5, 1.5]])
    x = x * float(alloy.potential.scale.length)
    assert len(distinct(alloy, np.zeros(2), np.stack([x, x[[4, 1, 2, 3, 0]]]))) == 2


def test_isomers_of_equal_energy_are_told_apart():
    # An octahedron with one capped face, and a pentagonal bipyramid.
    octahedron = np.concatenate([np.eye(3), -np.eye(3)]) / math.sqrt(2)
    capped = np.concatenate([octahedron, [np.full(3, 0.8165)]])
    angles = 2 * math.pi * np.arange(5) / 5
    ring = 0.85 * np.stack([np.cos(angles), np.sin(angles), 0 * angles], 1)
    bipyramid = np.concatenate([ring, [[0, 0, 0.52], [0, 0, -0.52]]])
    both = np.stack([capped, bipyramid])
    assert distinct(TASK, np.zeros(2), both) == [0, 1]
    assert distinct(TASK, np.array([0.0, -1e-3]), both[[0, 0]]) == [1, 0]
    assert distinct(TASK, np.array([np.inf, np.nan]), both) == []


def test_different_structures_with_the_same_distances_are_told_apart():
    pair = [[0, 1, 4, 10, 12, 17], [0, 1, 8, 11, 13, 17]]
    both = np.zeros((2, 6, 3))
    both[:, :, 0] = pair
    both /= 5

    def distances(x):
        return np.sort(np.linalg.norm(x[:, None] - x[None], axis=-1).ravel())

    np.testing.assert_allclose(distances(both[0]), distances(both[1]))
    assert len(distinct(TASK, np.zeros(2), both)) == 2


@pytest.mark.parametrize("seed", range(3))
def test_periodic_structures_may_be_shifted(seed):
    silicon = tasks.get("si8")
    cell = np.asarray(silicon.potential.space.cell)
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(8, 3)) @ cell
    images = x + rng.integers(-2, 3, (8, 3)) @ cell + rng.normal(size=3)
    moved = images[permutation(seed, 8)]
    other = x + rng.normal(0, 0.5, x.shape)
    assert distinct(silicon, np.zeros(3), np.stack([x, moved, other])) == [0, 2]


def test_skewed_cells_use_the_nearest_image():
    cell = np.array([[4.0, 0, 0], [3.0, 4.0, 0], [-3.0, 1.0, 4.0]])
    task = tasks.silicon(cell, 2)
    x = np.random.default_rng(0).uniform(size=(2, 3)) @ cell
    grid = np.stack(np.meshgrid(*[np.arange(-4, 5)] * 3), -1).reshape(-1, 3) @ cell
    nearest = np.min(np.linalg.norm(x[0] - x[1] + grid, axis=1))
    found = fingerprint(task, x)[0] * float(task.potential.scale.length)
    assert found == pytest.approx(nearest)


# Intervals and curves.


@pytest.mark.parametrize("rate", [0.05, 0.5, 0.97])
def test_intervals_cover_the_truth(rate):
    """Starts with constant attempts, in numbers as of a competition."""
    rng, trials, runs, attempts, cost = np.random.default_rng(1), 600, 60, 4, 7.0
    covered = 0
    for _ in range(trials):
        number = rng.geometric(rate, runs)
        hit = number <= attempts
        interval = cost_per_hit(cost * np.minimum(number, attempts), hit)
        covered += interval.low <= cost / rate <= interval.high
    # Four standard deviations below the nominal 95 %.
    assert covered / trials > 0.95 - 4 * math.sqrt(0.95 * 0.05 / trials)


def test_intervals_cover_scattered_times():
    """Exponential times, nearly all before the end: the scatter alone decides."""
    rng, trials, runs, end, mean = np.random.default_rng(2), 600, 60, 500.0, 100.0
    covered, widths = 0, []
    for _ in range(trials):
        times = rng.exponential(mean, runs)
        interval = cost_per_hit(np.minimum(times, end), times <= end)
        covered += interval.low <= mean <= interval.high
        widths.append(interval.high / interval.low)
    assert covered / trials > 0.95 - 4 * math.sqrt(0.95 * 0.05 / trials)
    # The exact interval of so many exponential times spans a factor of 1.68.
    assert np.median(widths) < 1.9


def test_success_rate_is_exact():
    from scipy.stats import binomtest

    for hits, runs in ((0, 9), (3, 9), (9, 9), (40, 150)):
        exact = binomtest(hits, runs).proportion_ci(method="exact")
        assert success_rate(hits, runs)[1:] == pytest.approx((exact.low, exact.high))
    with pytest.raises(ValueError, match="hits"):
        success_rate(4, 3)


def test_no_hit_bounds_the_cost_from_below():
    cost = cost_per_hit(np.full(30, 10.0), np.zeros(30, bool))
    assert math.isinf(cost.value) and math.isinf(cost.high)
    # Exact binomial: with a rate of cost / low, no hit would be seen in 2.5 % of cases.
    assert (1 - 10.0 / cost.low) ** 30 == pytest.approx(0.025)


def test_curve_counts_hits():
    at = np.array([5.0, np.inf, 2.0, 5.0])
    steps, fractions = hit_curve(at)
    for x, y in zip(steps, fractions, strict=True):
        assert y == np.mean(at <= x)
    assert steps.tolist() == [2.0, 5.0]


# What searches do.


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
    within = np.asarray(traces.energies) <= TASK.reference + TASK.window
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


# Starts and keys.


def test_starts_are_the_same_for_any_number_and_precision():
    whole = TASK.draw(3, Domain.TEST, range(30), jnp.float64).positions
    some = TASK.draw(3, Domain.TEST, [29, 4], jnp.float32).positions
    assert jnp.array_equal(whole[jnp.asarray([29, 4])].astype(jnp.float32), some)
    # Also where training draws them.
    keys = jax.random.split(jax.random.key(0), 2)
    drawn, spent = draw(TASK.init, TASK.potential, 5, keys, jnp.float64)
    assert not spent.any()
    assert drawn.dtype == jnp.float64
    np.testing.assert_array_equal(drawn, np.asarray(drawn, np.float32))
    with pytest.raises(ValueError, match="indices"):
        TASK.draw(3, Domain.TEST, [], jnp.float64)


def test_no_two_starts_or_searches_share_a_key():
    """Over domains, starts, attempts, starts and searches, and the keys of steps."""
    fold = jax.vmap(jax.random.fold_in, in_axes=(None, 0))
    of_steps = jax.vmap(lambda key: fold(key, jnp.arange(5)))
    seen = {}
    for domain in Domain:
        for attempt in range(3):
            for purpose in Purpose:
                path = [jnp.asarray(x, jnp.int32) for x in (attempt, purpose)]
                indices = jnp.arange(4, dtype=jnp.int32)
                keys = attempt_keys(domain.key(0), indices, *path)
                steps = of_steps(keys)
                for kind, group in (("own", keys), ("step", steps.ravel())):
                    for i, data in enumerate(np.asarray(jax.random.key_data(group))):
                        place = (domain, attempt, purpose, kind, i)
                        other = seen.setdefault(data.tobytes(), place)
                        assert other == place, f"{place} has the key of {other}"
    assert len(seen) == len(Domain) * 3 * 2 * (4 + 20)


def test_starts_and_searches_of_the_harness_share_no_key(monkeypatch):
    drawn = {"starts": [], "searches": []}

    def spy(kind):
        def keys(*path):
            made = attempt_keys(*path)
            drawn[kind].append(np.asarray(jax.random.key_data(made)))
            return made

        return keys

    monkeypatch.setattr("l2h.tasks.base.attempt_keys", spy("starts"))
    monkeypatch.setattr("l2h.evaluation.harness.attempt_keys", spy("searches"))
    trials = run(RESTARTED, indices=range(25), budget=200)
    count = trials.found.shape[1]
    assert count >= 3
    del drawn["starts"][0]  # for which the program that draws was compiled, not run
    rows = np.concatenate([np.concatenate(parts) for parts in drawn.values()])
    assert len(rows) == len(np.unique(rows, axis=0)) == 2 * 25 * count


def test_starts_of_domains_and_attempts_differ():
    drawn = [
        np.asarray(TASK.draw(0, domain, range(4), jnp.float32, attempt).positions)
        for domain in (Domain.TRAIN, Domain.VALIDATION, Domain.TEST)
        for attempt in range(2)
    ]
    flat = np.concatenate(drawn)
    assert len({x.tobytes() for x in flat}) == len(flat)


# Hits, references, discoveries, divergence.


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


# The picture.


def test_picture_shows_hits_costs_ends_and_the_way(once, restarted):
    figure = competition_figure([once, restarted])
    curves, costs, finals, descent = figure.axes
    for line, trials in zip(curves.get_lines(), (once, restarted), strict=True):
        x, y = line.get_data()
        # At its right end, a curve stands at the fraction of starts that have hit.
        assert y[-1] == trials.success.value
        assert set(trials.hit_at[np.isfinite(trials.hit_at)]) <= set(x)
    assert [t.get_text() for t in costs.get_yticklabels()] == ["adam", "adam@30"]
    shown = {t.get_text() for t in costs.texts}
    assert f"{once.to_first_hit.value:,.0f}" in shown
    assert finals.get_xlabel() == "energy (ε)" and "quenched" in finals.get_title()
    marks = [line.get_xdata()[0] for line in finals.get_lines()]
    assert marks == [TASK.reference]
    (median,) = (
        line for line in descent.get_lines() if np.asarray(line.get_xdata())[-1] == BUDGET
    )
    expected = np.quantile(once.lowest, 0.5, axis=0, method="nearest")
    np.testing.assert_array_equal(median.get_ydata(), expected)
    assert "20 starts" in figure.get_suptitle() and "reference" in figure.get_suptitle()


# Mistakes.


@pytest.mark.parametrize("budget", [0, 1, 30])
def test_a_budget_lasts_for_one_attempt(budget):
    with pytest.raises(ValueError, match=f"budget: {budget}"):
        run(RESTARTED, budget=budget)


def test_wrong_starts_and_steps_are_refused():
    with pytest.raises(ValueError, match="indices"):
        run(ONCE, indices=[])
    with pytest.raises(ValueError, match="steps"):
        Method("adam", Adam(), -1)


def test_random_clusters_are_all_different():
    both = np.stack([random_cluster(seed, 8) for seed in range(5)])
    assert len(distinct(TASK, np.zeros(5), both)) == 5


def test_files_of_weights_are_shown_by_their_folders():
    names = ["adam", "lj13@50", "runs/a/best.l2h", "/x/b/best.l2h@250", "best.l2h"]
    assert list(labels(names).values()) == ["adam", "lj13@50", "a", "b@250", "best.l2h"]
    # Two that would look the same stay as they are.
    names = ["x/a/best.l2h", "y/a/best.l2h"]
    assert labels(names) == dict(zip(names, names, strict=True))
