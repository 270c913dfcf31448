"""What a competition reports is what happened."""

import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from strategies import permutation, random_cluster, rotation, seeds, separated

from l2h import tasks
from l2h.domains import Domain
from l2h.evaluation import (
    Contestant,
    Record,
    Reference,
    Score,
    contest,
    cost_per_hit,
    distinct,
    fingerprint,
    hit_curve,
    milestones,
    success_rate,
)
from l2h.meta import draw_starts
from l2h.optimizers import Adam, GradientDescent
from l2h.report.competition import competition_table, labels, write_competition
from l2h.rollout import rollout

TASK = tasks.get("lj5")
RESTARTED = Contestant("adam@30", Adam(0.05), 30)
ONCE = Contestant("adam", Adam(0.05))
BUDGET = 200


def run(contestant: Contestant, task=TASK, index=range(20), budget=BUDGET, **options):
    return contest(contestant, task, index, budget=budget, dtype=jnp.float64, **options)


def scored(contestant: Contestant, record: Record, task=TASK, **options) -> Score:
    options = {"reference": Reference.choose(task, [record]), "budget": BUDGET} | options
    return Score(contestant.name, task, record, steps=1, **options)


@pytest.fixture(scope="module")
def restarted() -> Record:
    return run(RESTARTED)


@pytest.fixture(scope="module")
def once() -> Record:
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
    """Walkers with constant attempts, in numbers as of a competition."""
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


# What walkers do.


def test_walkers_begin_at_the_task_s_starts(once, restarted):
    starts = draw_starts(TASK, 25, Domain.TEST.key(0), jnp.float64)
    energies = np.asarray(jax.vmap(TASK.potential)(starts))[:20]
    other = run(Contestant("sd", GradientDescent(1e-3)), budget=3)
    for record in (once, restarted, other):
        np.testing.assert_allclose(record.energies[:, 0], energies, rtol=1e-9)
    # Restarts are fresh: one start of five atoms hardly ever ends exactly as another.
    assert np.all(np.ptp(restarted.found, axis=1) > 0)


def test_a_walker_does_not_depend_on_its_companions(restarted):
    alone = run(RESTARTED, index=[3])
    made = int(alone.made.sum())
    for name in ("found", "polished", "search", "quench", "first"):
        np.testing.assert_array_equal(
            getattr(alone, name)[0, :made], getattr(restarted, name)[3, :made]
        )
    np.testing.assert_array_equal(alone.positions[0], restarted.positions[3])


def test_first_hit_is_that_of_the_trace(once):
    starts = draw_starts(TASK, 25, Domain.TEST.key(0), jnp.float64)

    @eqx.filter_jit
    def trace(start):
        key = jax.random.key(0)
        done = rollout(
            ONCE.optimizer, TASK.potential, start, BUDGET - 1, key=key, trace_every=1
        )
        return done.trace

    traces = jax.vmap(trace)(starts)
    within = np.asarray(traces.energies) <= TASK.reference + tasks.TOLERANCE
    expected = np.where(within.any(1), np.argmax(within, 1) + 1, 0)[:20]
    assert 0 < np.sum(expected > 0)
    np.testing.assert_array_equal(once.first[:, 0], expected)
    lowest = np.minimum.accumulate(np.asarray(traces.energies), 1)[:20, once.points - 1]
    np.testing.assert_allclose(once.lowest, lowest, rtol=1e-6)


def test_attempts_go_on_while_they_fit(restarted):
    made, costs = restarted.made, scored(RESTARTED, restarted).costs
    assert np.all(restarted.search[made] == 31)
    before = np.cumsum(costs, axis=1) - costs
    assert np.all(before[made] + 31 <= BUDGET)
    assert np.all(costs.sum(axis=1) + 31 > BUDGET)
    # No gaps: an attempt that was not made is followed by none.
    assert np.all(made[:, :-1] | ~made[:, 1:])
    best = np.min(restarted.polished, axis=1)
    energies = jax.vmap(TASK.potential)(jnp.asarray(restarted.positions))
    np.testing.assert_allclose(energies, best, rtol=1e-12)


@pytest.mark.parametrize("name", ["once", "restarted"])
def test_numbers_are_those_of_a_plain_count(name, request):
    record = request.getfixturevalue(name)
    score = scored(ONCE, record)
    # Hits on the way occur in one, hits by the quench in the other.
    assert score.direct.any() if name == "once" else (score.hits & ~score.direct).any()
    hits, spent, times = 0, 0, []
    for row in range(score.starts):
        walked, at = 0, math.inf
        for search, quench, first, energy in zip(
            record.search[row],
            record.quench[row],
            record.first[row],
            record.polished[row],
            strict=True,
        ):
            if not search:
                break
            hit = abs(energy - TASK.reference) <= tasks.TOLERANCE
            cost = search if hit and first else search + quench
            if hit:
                hits += 1
                at = min(at, walked + (first or cost))
            walked += cost
        spent += walked
        times.append(at if math.isfinite(at) else -walked)
    np.testing.assert_array_equal(score.hit_at, [t if t > 0 else math.inf for t in times])
    found = sum(t > 0 for t in times)
    assert score.success.value == found / 20
    assert score.to_first_hit.value == pytest.approx(sum(map(abs, times)) / found)
    assert score.per_hit.value == pytest.approx(spent / hits)


@pytest.mark.parametrize("contestant", [RESTARTED, Contestant("quench", Adam(0.05), 0)])
def test_stopping_at_hits_leaves_their_cost(contestant):
    whole = scored(contestant, run(contestant, budget=2000))
    stopped = scored(
        contestant, run(contestant, budget=2000, stop_at_hit=True), stopped=True
    )
    assert whole.success.value == 1
    np.testing.assert_array_equal(stopped.hit_at, whole.hit_at)
    assert stopped.record.search.sum() < whole.record.search.sum()
    assert stopped.per_hit is None and stopped.to_first_hit == whole.to_first_hit


def test_segments_leave_no_trace(once, monkeypatch):
    monkeypatch.setattr("l2h.evaluation.walkers.SEGMENT", 7)
    again = run(ONCE)
    for name in ("found", "polished", "first", "lowest", "positions"):
        np.testing.assert_array_equal(getattr(again, name), getattr(once, name))


def test_looks_are_in_order_and_end_with_the_horizon():
    for horizon in (0, 1, 2, 50, 1999, 10**7):
        points = milestones(horizon)
        assert points == sorted(set(points)) and len(points) <= 60
        assert (points[-1] == horizon) if horizon else points == []


# References, discoveries, divergence.


def test_without_reference_the_lowest_of_all_counts(once, restarted):
    task = dataclasses.replace(TASK, reference=None)
    blind = run(ONCE, task)
    np.testing.assert_array_equal(blind.polished, once.polished)
    assert not blind.first.any()
    shallow = dataclasses.replace(restarted, polished=restarted.polished + 1.0)
    reference = Reference.choose(task, [shallow, blind])
    assert not reference.known and reference.energy == blind.polished.min()
    score = scored(ONCE, blind, task, reference=reference)
    known = scored(ONCE, once)
    assert score.success == known.success and score.below == 0
    # Nobody knew what to look for: hits are noted at the next look, never earlier.
    found = np.isfinite(known.hit_at)
    assert np.all(score.hit_at[found] >= known.hit_at[found])
    assert np.mean(score.hit_at[found] / known.hit_at[found]) < 1.2
    other = scored(RESTARTED, shallow, task, reference=reference)
    assert other.success.value == 0
    table = competition_table([[score, other]])
    assert "NO reference energy is known" in table and "no hit, >" in table


def test_divergence_is_reported_and_not_averaged(once, tmp_path):
    wild = Contestant("sd", GradientDescent(1e308))
    record = run(wild, budget=10)
    lost = dataclasses.replace(
        record, polished=np.where(np.arange(20)[:, None] < 2, np.inf, record.polished)
    )
    score = scored(wild, lost)
    row = score.summary()
    broken = int(np.sum(~record.valid))
    assert row["nonfinite"] == broken > 0 and row["without_energy"] == 2
    assert row["mean"] == pytest.approx(np.mean(lost.polished[2:]))
    table = competition_table([[score, scored(ONCE, once)]])
    assert f"sd met non-finite energies in {broken} of 20 attempts" in table
    assert "ended 2 of 20 walkers without any finite energy" in table
    nothing = dataclasses.replace(record, polished=np.full_like(record.polished, np.inf))
    for path in write_competition(tmp_path, [[scored(wild, nothing)]], {}):
        assert path.stat().st_size > 0


def test_discoveries_are_loud_and_no_hits(once):
    task = dataclasses.replace(TASK, reference=TASK.reference + 0.5)
    score = scored(ONCE, once, task)
    assert score.success.value == 0
    assert score.below == np.sum(once.polished < task.reference - tasks.TOLERANCE) > 0
    assert "WARNING" in competition_table([[score]])


def test_unconverged_quenches_are_no_minima(once):
    score = scored(ONCE, once)
    assert len(score.minima) == len(
        {round(energy, 6) for energy in once.polished[:, 0].tolist()}
    )
    none = dataclasses.replace(once, quenched=np.zeros_like(once.quenched))
    assert scored(ONCE, none).minima == []
    assert scored(ONCE, none).summary()["unconverged"] == 20


# Mistakes.


@pytest.mark.parametrize("budget", [0, 1, 30])
def test_a_budget_lasts_for_one_attempt(budget):
    with pytest.raises(ValueError, match=f"budget: {budget}"):
        run(RESTARTED, budget=budget)


def test_wrong_walkers_and_steps_are_refused():
    with pytest.raises(ValueError, match="index"):
        run(ONCE, index=[])
    with pytest.raises(ValueError, match="index"):
        run(ONCE, index=range(26))
    with pytest.raises(ValueError, match="steps"):
        Contestant("adam", Adam(), -1)


def test_random_clusters_are_all_different():
    both = np.stack([random_cluster(seed, 8) for seed in range(5)])
    assert len(distinct(TASK, np.zeros(5), both)) == 5


def test_files_of_weights_are_shown_by_their_folders():
    names = ["adam", "lj13@50", "runs/a/best.l2h", "/x/b/best.l2h@250", "best.l2h"]
    assert list(labels(names).values()) == ["adam", "lj13@50", "a", "b@250", "best.l2h"]
    # Two that would look the same stay as they are.
    names = ["x/a/best.l2h", "y/a/best.l2h"]
    assert labels(names) == dict(zip(names, names, strict=True))
