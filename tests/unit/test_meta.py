"""Meta-training: coordinates, objective, evaluation of a population, state of a run."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from searches import calculate, paid

from l2h import rollout
from l2h.domains import Domain, Purpose, attempt_keys
from l2h.inits import Uniform
from l2h.meta import (
    ESMC,
    NormalizedES,
    Objective,
    Trainer,
    TrainState,
    ravel,
    unravel,
)
from l2h.meta.train import alike
from l2h.optimizers import Adam, BasinHopping, Fire, GradientDescent, Learned
from l2h.potentials import Callback, FunctionPotential, LennardJones
from l2h.spaces import Free
from l2h.tasks import Task, draw, get

LEARNED = Learned.create(jax.random.key(0), hidden=(4,))


@pytest.mark.parametrize(
    "optimizer",
    [
        LEARNED,
        LEARNED.with_size_biases((5, 13), trained=(13,), frozen=True),
        Adam(0.01, 0.8, 0.99, 1e-7),
        GradientDescent(0.02),
        Fire.original(),  # one of its fields is None
        BasinHopping.paper(),
    ],
)
def test_coordinates_round_trip(optimizer):
    params = ravel(optimizer)
    again = unravel(optimizer, params)
    for a, b in zip(jax.tree.leaves(optimizer), jax.tree.leaves(again), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
        assert a.dtype == b.dtype
    moved = unravel(optimizer, params + 0.5)
    assert ravel(moved).shape == params.shape
    np.testing.assert_allclose(ravel(moved), params + 0.5, rtol=1e-5, atol=1e-5)


def test_coordinates_keep_ranges():
    extreme = unravel(Adam(), ravel(Adam()) - 30.0)
    assert 0 < extreme.rate < 1e-12
    assert 0 <= extreme.b1 < 1e-10
    assert jnp.array_equal(unravel(LEARNED, ravel(LEARNED) + 9.0).head.alpha, 0.1)


def test_objective_counts_what_it_says():
    objective = Objective(final=0.25, best=0.5, mean_best=0.25)
    start = jnp.asarray([[0.0], [1.3]])
    potential = LennardJones(energy=2.0, space=Free(1))
    key = jax.random.key(0)
    optimizer = GradientDescent(0.01)
    energies = []
    for steps in range(4):
        state = rollout(optimizer, potential, start, steps, key=key).state
        energies.append(float(state.observation.energy))
    best = np.minimum.accumulate(energies)
    expected = 0.25 * energies[-1] + 0.5 * best[-1] + 0.25 * best.mean()
    loss, valid = objective.loss(optimizer, potential, start, jnp.asarray(3), key=key)
    assert valid and loss == pytest.approx(expected / 2.0, rel=1e-6)


def _poisoned(x):
    # Smooth until the walker has moved; not finite beyond.
    return jnp.where(jnp.all(x > -0.5), jnp.sum(x), jnp.nan)


def test_non_finite_rollouts_are_counted_and_have_finite_losses():
    potential = FunctionPotential(_poisoned)
    objective = Objective(final=1.0, best=0.0)
    optimizer = GradientDescent(1.0)
    loss, valid = objective.loss(
        optimizer, potential, jnp.ones((2, 1)), jnp.asarray(4), key=jax.random.key(0)
    )
    # Not above the start's energy, as this function has no separated atoms.
    assert not valid and loss == 2


def test_unbounded_losses_are_those_of_the_energies_and_finite():
    potential = LennardJones(energy=2.0, space=Free(1))
    start = jnp.asarray([[0.0], [0.4]])
    key, still = jax.random.key(0), GradientDescent(1e-12)
    energy = float(potential(start))
    for final in (0.0, 1.0):
        parts = {"final": final, "best": 1.0 - final, "bounded": False}
        loss, _ = Objective(**parts).loss(still, potential, start, jnp.asarray(0), key=key)
        assert loss == pytest.approx(energy / 2.0, rel=1e-6) and energy > 1e3
    poison, wild = FunctionPotential(_poisoned), GradientDescent(1.0)
    objective = Objective(final=1.0, best=0.0, bounded=False)
    loss, valid = objective.loss(
        wild, poison, jnp.ones((2, 1)), jnp.asarray(4), key=jax.random.key(0)
    )
    assert not valid and loss == 1e12


@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_losses_tell_optimizers_apart_wherever_energies_lie(offset):
    bare = LennardJones(space=Free(1))
    potential = FunctionPotential(lambda x: bare(x) + offset, space=Free(1))
    start, key = jnp.asarray([[0.0], [1.3]]), jax.random.key(0)
    for weights in ({}, {"final": 0.0, "best": 0.0, "mean_best": 1.0}):
        losses = [
            float(
                Objective(**weights).loss(
                    GradientDescent(rate), potential, start, jnp.asarray(20), key=key
                )[0]
            )
            for rate in (1e-6, 1e-3, 5e-3)
        ]
        # All from offset - 0.38 downwards, to offset - 1 at most.
        assert offset - 1 < losses[2] < losses[1] < losses[0] < offset


def test_losses_count_energies_up_to_that_of_separated_atoms():
    bare = LennardJones(space=Free(1))
    start, key = jnp.asarray([[0.0], [0.5]]), jax.random.key(0)
    for separated, expected in ((1e3, 1e3), (None, 1e3 + float(bare(start)))):
        potential = FunctionPotential(
            lambda x: bare(x) + 1e3, space=Free(1), separated=separated
        )
        loss, _ = Objective(mean_best=1.0).loss(
            GradientDescent(1e-12), potential, start, jnp.asarray(2), key=key
        )
        assert loss == pytest.approx(2 * expected, rel=1e-4)


def test_training_survives_non_finite_rollouts():
    task = Task("poisoned", FunctionPotential(_poisoned), Uniform(0.5, scaled=False), 2)
    component = Learned.create(jax.random.key(0), features="componentwise", hidden=(4,))
    # Trained to run away: some members meet the poison, some do not.
    bias = jnp.asarray([-3.0, 3.0], jnp.float32)
    wild = eqx.tree_at(lambda o: o.network.biases[-1], component, bias)
    objective = Objective(shortest=6.0, longest=6.0)
    trainer = Trainer(
        NormalizedES(pairs=4, sigma=1.0), objective, (task,), starts_per_task=3, chunk=4
    )
    state, info = trainer(trainer.strategy.init(wild, 0))
    assert 0 < info["nonfinite"] <= 1
    assert np.isfinite(info["loss"]) and np.all(np.isfinite(state.params))


def _losses(trainer, state):
    request = trainer.ask(state)
    rounds = [
        trainer.evaluate(state, request, jnp.asarray(chunk, jnp.int32))
        for chunk in range(trainer.chunks)
    ]
    count = trainer.strategy.population
    return tuple(jnp.concatenate(parts)[:count] for parts in zip(*rounds, strict=True))


def test_chunks_and_padding_do_not_change_losses():
    losses = []
    for chunk in (3, 8, 64):
        trainer = Trainer(
            NormalizedES(pairs=5),
            Objective(shortest=3.0, longest=3.0),
            (get("lj5"),),
            starts_per_task=2,
            chunk=chunk,
        )
        found, valid = _losses(trainer, trainer.strategy.init(LEARNED, 1))
        assert found.shape == (10, 1, 2) and bool(jnp.all(valid))
        losses.append(found)
    # Other shapes may round differently; three steps are too few to part ways.
    for other in losses[1:]:
        np.testing.assert_allclose(losses[0], other, rtol=1e-3)


def test_starts_and_searches_of_training_share_no_key(monkeypatch):
    purposes, keys = [], Trainer._keys

    def spy(self, task, purpose):
        purposes.append(purpose)
        return keys(self, task, purpose)

    monkeypatch.setattr(Trainer, "_keys", spy)
    # Of a size that nobody else compiles, so that it is traced here.
    objective = Objective(shortest=2.0, longest=2.0)
    trainer = Trainer(
        NormalizedES(pairs=1), objective, (get("lj3"),), starts_per_task=3, chunk=2
    )
    state = trainer.strategy.init(LEARNED, 1)
    request = trainer.ask(state)
    asked = set(purposes)
    purposes.clear()
    trainer.evaluate(state, request, jnp.asarray(0, jnp.int32))
    assert asked == {Purpose.START} and set(purposes) == {Purpose.SEARCH}


def test_what_starts_have_cost_counts_once_for_all_members():
    tasks = [paid(get(name), fee) for name, fee in (("lj3", 7), ("lj4", 0), ("lj5", 20))]
    objective = Objective(shortest=2.0, longest=2.0)
    trainer = Trainer(NormalizedES(pairs=2), objective, tasks, starts_per_task=3)
    _, info = trainer(trainer.strategy.init(LEARNED, 1))
    assert int(info["drawn"]) == 3 * (7 + 20)
    assert trainer.evaluations(2, 81) == 4 * 3 * 3 * (2 + 1) + 81


def test_chunks_are_as_even_as_possible():
    trainer = Trainer(ESMC(pairs=32), Objective(), (get("lj5"),), chunk=16)
    assert (trainer.strategy.population, trainer.chunks, trainer.width) == (65, 5, 13)


def test_a_calculator_is_called_once_an_evaluation():
    potential = Callback(calculate, length=1.0, energy=1.0)
    task = Task("outside", potential, Uniform(), 4)
    objective = Objective(shortest=2, longest=2)
    strategy = NormalizedES(pairs=5)
    trainer = Trainer(strategy, objective, (task, task), starts_per_task=2, chunk=4)
    state, info = trainer(strategy.init(GradientDescent(0.01), 0))
    assert int(state.update) == 1
    count = trainer.evaluations(int(info["horizon"]), int(info["drawn"]))
    assert potential.calls.made == count == 10 * 2 * 2 * 3


def test_alike_tasks_share_a_program_and_keep_their_places():
    names = ("Ag2Au3", "lj5", "Ag1Au4")
    tasks = tuple(get(name) for name in names)
    assert alike(tasks) == ((0, 2), (1,))
    objective = Objective(shortest=4.0, longest=4.0)
    together = Trainer(NormalizedES(pairs=2), objective, tasks, starts_per_task=2, chunk=4)
    state = together.strategy.init(LEARNED, 1)
    found, _ = _losses(together, state)
    update = jax.random.fold_in(Domain.TRAIN.key(1), 0)

    @eqx.filter_jit
    def alone(params, potential, start):
        key = jax.random.key(0)  # a learned optimizer draws nothing
        optimizer = unravel(LEARNED, params)
        return objective.loss(optimizer, potential, start, jnp.asarray(4), key=key)[0]

    for i, task in enumerate(tasks):
        own = jax.random.fold_in(update, i)
        zero = jnp.asarray(0, jnp.int32)
        keys = attempt_keys(own, jnp.arange(2, dtype=jnp.int32), zero, zero)
        starts, _ = draw(task.init, task.potential, task.n, keys, jnp.float32)
        for member, params in enumerate(together.strategy.ask(state)):
            for copy in range(2):
                loss = alone(params, task.potential, starts[copy])
                assert found[member, i, copy] == pytest.approx(float(loss), rel=1e-3)


@pytest.mark.parametrize("name", ["lj13", "lj38", "si8"])
def test_memory_estimate_is_near_what_the_compiler_allocates(name):
    trainer = Trainer(NormalizedES(pairs=8), Objective(), (get(name),), chunk=16)
    state = trainer.strategy.init(Learned.create(jax.random.key(0)), 0)
    traced = type(trainer).evaluate.lower(
        trainer, state, trainer.ask(state), jnp.asarray(0, jnp.int32)
    )
    needed = traced.compile().compiled.memory_analysis().temp_size_in_bytes
    assert needed / 2.5 < trainer.memory(state.params.size) < needed * 2.5


def test_quantile_and_spread_reduce_losses():
    losses = jnp.asarray(np.random.default_rng(0).normal(size=(20, 3, 5)))
    losses = losses * jnp.asarray([1.0, 100.0, 1e4])[None, :, None] - 50.0
    told = Objective(quantile=0.5, scaling="spread").compare(losses)
    assert told.shape == (20, 3, 1)
    np.testing.assert_allclose(jnp.quantile(told, 0.5, axis=(0, 2)), 0.0, atol=1e-12)
    low, high = jnp.quantile(told, jnp.asarray([0.25, 0.75]), axis=(0, 2))
    np.testing.assert_allclose(high - low, 1.0)
    # An affine map for each task: ranks of members stay.
    middle = jnp.median(losses, axis=2)
    assert jnp.array_equal(jnp.argsort(told[..., 0], axis=0), jnp.argsort(middle, axis=0))
    assert jnp.array_equal(Objective().compare(losses), losses)


def test_a_soft_minimum_lies_between_the_lowest_and_the_mean():
    losses = jnp.asarray(np.random.default_rng(0).normal(size=(6, 2, 40)))
    told = Objective(soft=0.5).compare(losses)
    expected = -0.5 * np.log(np.mean(np.exp(-np.asarray(losses) / 0.5), axis=2))
    np.testing.assert_allclose(told[..., 0], expected, rtol=1e-12)
    cold = Objective(soft=1e-3).compare(losses)
    np.testing.assert_allclose(cold[..., 0], jnp.min(losses, axis=2), atol=0.01)
    hot = Objective(soft=1e4).compare(losses)
    np.testing.assert_allclose(hot[..., 0], jnp.mean(losses, axis=2), atol=1e-3)
    # Energies far from zero neither overflow nor vanish.
    far = Objective(soft=0.5).compare(losses - 1e4)
    np.testing.assert_allclose(far, told - 1e4, rtol=1e-12)


def test_growing_horizons_follow_the_schedule():
    objective = Objective(shortest=100.0, longest=1000.0, horizons="grow")
    grown = [int(objective.horizon(jax.random.key(0), p)) for p in (0.0, 0.5, 1.0, 1.5)]
    assert grown == [100, 550, 1000, 1000]
    trainer = Trainer(NormalizedES(), objective, (get("lj4"),), updates=10.0)
    state = trainer.strategy.init(LEARNED, 0)
    later = eqx.tree_at(lambda s: s.update, state, jnp.asarray(5, jnp.int32))
    assert int(trainer.ask(later).horizon) == 550


def test_course_averages_judges_and_remembers_the_best():
    meta = NormalizedES(pairs=2).init(LEARNED, 0)
    train_state = TrainState.begin(meta)
    moved = eqx.tree_at(
        lambda m: (m.params, m.update), meta, (meta.params + 1.0, jnp.asarray(1, jnp.int32))
    )
    assert jnp.array_equal(train_state.advance(moved, 0.0).average, moved.params)
    averaged = train_state.advance(moved, 0.9)
    # Two elevenths of the past at the first update, nine tenths in the long run.
    np.testing.assert_allclose(averaged.average - meta.params, 9 / 11, rtol=1e-4)
    old = eqx.tree_at(lambda m: m.update, moved, jnp.asarray(1000, jnp.int32))
    late = train_state.advance(old, 0.9)
    np.testing.assert_allclose(late.average - meta.params, 0.1, rtol=1e-2, atol=1e-6)


def test_train_state_keeps_the_best_and_of_equals_the_later():
    meta = NormalizedES(pairs=2).init(LEARNED, 0)

    def at(update):
        moved = (meta.params + float(update), jnp.asarray(update, jnp.int32))
        return eqx.tree_at(lambda m: (m.params, m.update), meta, moved)

    def later(state, update, *score):
        return state.advance(at(update), 0.0).judge(np.asarray(score, np.float32))

    first = later(TrainState.begin(meta), 1, 5.0, -0.5, -3.0)
    assert first.stale == 0 and first.kept == 1
    worse = later(first, 2, 5.1, -0.9, -9.0)  # the first number counts most
    assert worse.stale == 1 and worse.kept == 1
    assert jnp.array_equal(worse.best, at(1).params)
    better = later(worse, 3, 5.0, -0.5, -3.1)
    assert better.stale == 0 and better.kept == 3
    tie = later(better, 4, 5.0, -0.5, -3.1)
    assert tie.stale == 1 and tie.kept == 4 and jnp.array_equal(tie.best, at(4).params)


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_a_validation_that_is_not_finite_is_never_the_best(bad):
    begun = TrainState.begin(NormalizedES(pairs=2).init(LEARNED, 0))
    lost = begun.judge(np.asarray([5.0, 0.0, bad], np.float32))
    assert lost.kept == 0 and lost.stale == 1
    assert lost.judge(np.asarray([9.0, 0.0, 9.0], np.float32)).stale == 0


def test_horizons_cover_their_range_log_uniformly():
    objective = Objective(shortest=100.0, longest=1000.0)
    drawn = jax.vmap(objective.horizon)(jax.random.split(jax.random.key(0), 4000))
    assert drawn.min() >= 100 and drawn.max() <= 1000
    below = float(np.mean(np.asarray(drawn) < 10**2.5))
    assert abs(below - 0.5) < 5 * 0.5 / np.sqrt(4000)


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: Objective(quantile=1.5), "quantile"),
        (lambda: Objective(soft=0.0), "soft"),
        (lambda: Objective(soft=1.0, quantile=0.5), "soft"),
        (lambda: Objective(shortest=0.0), "shortest"),
        (lambda: Objective(final=-1.0), "final"),
        (lambda: Objective(final=0.0, best=0.0), "weights"),
        (lambda: Objective(shortest=9.0, longest=3.0), "shortest"),
        (lambda: Trainer(NormalizedES(), Objective(), ()), "tasks"),
        (lambda: Trainer(NormalizedES(), Objective(), (get("lj5"),), chunk=0), "chunk"),
        (
            lambda: Trainer(NormalizedES(), Objective(), (get("lj5"),), devices=999),
            "devices",
        ),
        (lambda: Trainer(NormalizedES, Objective(), (get("lj5"),)), "strategy"),
        (lambda: Trainer(NormalizedES(), Objective, (get("lj5"),)), "objective"),
        (lambda: Trainer(NormalizedES(), Objective(), get("lj5")), "tasks"),
        (lambda: Trainer(NormalizedES(), Objective(), "lj5"), "tasks"),
        (lambda: Trainer(NormalizedES(), Objective(), ["lj5"]), "tasks"),
        (lambda: get("lj-3"), "task"),
        (lambda: get(13), "task"),
        (lambda: get("si1000000"), "10,000 atoms"),
        (lambda: get("lj99999999999999999999"), "10,000 atoms"),
        (lambda: get("rastrigin99999"), "10,000 atoms"),
        (lambda: get("lj1"), "lj1"),
    ],
)
def test_bad_input_is_named(build, named):
    # The run-time type checker, on in tests, may be the first to object.
    with pytest.raises((ValueError, TypeError), match=named):
        build()
