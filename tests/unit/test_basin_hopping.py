"""Basin hopping: decisions, counting, and what happens between minima."""

import dataclasses
import functools
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from strategies import random_cluster

from l2h import rollout, tasks, weights
from l2h.domains import Domain
from l2h.meta.params import count, ravel, unravel
from l2h.optimizers import (
    LBFGS,
    Adam,
    BasinHopping,
    GradientDescent,
    Shake,
    Swaps,
    gradient_rms,
)
from l2h.potentials import (
    AbstractPotential,
    FunctionPotential,
    Gupta,
    LennardJones,
    Scale,
    StillingerWeber,
)
from l2h.spaces import Free

KEY = jax.random.key(5)
LJ = LennardJones()
go = eqx.filter_jit(rollout)
observe = eqx.filter_jit(lambda potential, x: potential.observe(x))


def level(x):
    """Two energies and no slope, so that every structure is a minimum at once."""
    return jnp.floor(x[0, 0]) % 2


def terraces(x):
    """A bowl of level rings."""
    return jnp.floor(10 * jnp.sum(x**2))


def bumps(x):
    return jnp.round(3 * jnp.sin(7 * x[0, 0]) + 0.2 * x[0, 0] ** 2)


def cliff(beyond, x):
    return jnp.where(x[0, 0] < -1, beyond, jnp.sum(x**2))


FUNCTIONS = [level, terraces, bumps, lambda x: jnp.sum(x**2)]
FUNCTIONS += [partial(cliff, beyond) for beyond in (jnp.nan, jnp.inf, -jnp.inf)]
LEVEL, TERRACES, BUMPS, BOWL, CLIFF = range(5)


class Landscape(eqx.Module):
    """One of several functions, by number, so that one compilation serves all."""

    number: jax.Array

    def __call__(self, x):
        return jax.lax.switch(self.number, FUNCTIONS, x)


def states_of(optimizer, potential, start, count, key):
    def body(state, index):
        state = optimizer.step(potential, state, key=jax.random.fold_in(key, index))
        return state, state

    state = optimizer.init(potential, start, horizon=count, key=key)
    return jax.lax.scan(body, state, jnp.arange(1, count + 1))[1]


@eqx.filter_jit
def eight(optimizer, potential, start, count):
    run = partial(states_of, optimizer, potential, start, count)
    return jax.vmap(run)(jax.random.split(KEY, 8))


def hopping(landscape, **changes):
    """Return basin hopping and a function on which most quenches are trivial."""
    options = {"inner": GradientDescent(0.1), "hop": Shake(3.0), "temperature": 0.7}
    potential = FunctionPotential(Landscape(jnp.asarray(landscape)))
    return BasinHopping(**(options | changes)), potential


def walks(landscape, start=0.5, count=2500, **changes):
    """Return all states of eight walks."""
    return eight(*hopping(landscape, **changes), jnp.full((2, 1), start), count)


def small(**changes):
    """Return the strong preset with quenches that compile quickly."""
    return dataclasses.replace(BasinHopping.strong(), inner=LBFGS(history=2), **changes)


@functools.cache
def cluster():
    """Return all states of one search for eight atoms."""
    run = eqx.filter_jit(states_of)
    return run(small(), LJ, jnp.asarray(1.1 * random_cluster(3, 8)), 1000, KEY)


def new(counter):
    """Return where a counter has risen since the state before."""
    return np.diff(np.asarray(counter), prepend=0) == 1


@pytest.mark.parametrize("temperature", [0.4, 1.5])
def test_uphill_is_accepted_as_by_metropolis(temperature):
    states = walks(LEVEL, temperature=temperature)
    assert np.all(np.asarray(states.memory.quenches) == np.arange(1, 2501))
    # The decision about a trial falls one step after its evaluation.
    trial = np.asarray(states.observation.energy[:, :-1])
    before = np.asarray(states.memory.minimum.energy[:, :-1])
    taken = np.diff(np.asarray(states.memory.accepted)) == 1
    uphill = trial > before
    assert np.all(taken[~uphill])
    count, chance = np.sum(uphill), np.exp(-1 / temperature)
    sigma = np.sqrt(chance * (1 - chance) / count)
    assert count > 2000
    assert abs(np.mean(taken[uphill]) - chance) < 5 * sigma


def test_visits_follow_boltzmann():
    energies = np.asarray(walks(LEVEL).memory.minimum.energy)[:, 100:]
    share = np.mean(energies, axis=1)
    sigma = np.std(share, ddof=1) / np.sqrt(len(share))
    high = np.exp(-1 / 0.7)
    assert abs(np.mean(share) - high / (1 + high)) < 5 * sigma < 0.1


def test_without_temperature_nothing_rises():
    hop = Shake(2.0, kind="normal")
    states = walks(BUMPS, start=6.0, count=500, temperature=None, hop=hop)
    current = np.asarray(states.memory.minimum.energy)
    assert np.all(np.diff(current) <= 0) and len(set(current[0])) > 3
    rises = np.asarray(states.observation.energy[:, :-1]) >= current[:, :-1]
    assert np.sum(rises) > 1000
    assert not np.any((np.diff(np.asarray(states.memory.accepted)) == 1)[rises])


@pytest.mark.parametrize("target", [0.2, 0.6])
def test_step_length_moves_towards_its_target(target):
    # In a bowl, the longer the hop, the more seldom it is accepted.
    states = walks(TERRACES, start=0.0, target=target, temperature=1.0, hop=Shake(0.5))
    accepted = np.asarray(states.memory.accepted)
    late = (accepted[:, -1] - accepted[:, 1000]) / 1499
    assert abs(np.mean(late) - target) < 0.04
    stretch = np.asarray(states.memory.stretch)
    assert np.all((stretch >= 0.25) & (stretch <= 4))
    assert (np.mean(stretch[:, -1]) > 1) == (target == 0.2)
    first = np.diff(np.log(stretch[:, 2:50]))
    up = np.diff(accepted[:, 2:50]) == 1
    np.testing.assert_allclose(first, np.where(up, 0.05, 0) - 0.05 * target, rtol=1e-6)


@pytest.mark.parametrize("beyond", range(3))
def test_trials_that_are_not_finite_are_rejected_and_left(beyond):
    states = walks(CLIFF + beyond, temperature=5.0)
    memory = states.memory
    finite = np.isfinite(np.asarray(states.observation.energy))
    failed, accepted = np.asarray(memory.failed), np.asarray(memory.accepted)
    # Each failure is noticed one step later, and is one quench that was not accepted.
    np.testing.assert_array_equal(np.diff(failed), ~finite[:, :-1])
    assert np.all(np.diff(accepted)[~finite[:, :-1]] == 0)
    assert np.all(np.diff(np.asarray(memory.quenches))[~finite[:, :-1]] == 1)
    assert np.all(failed[:, -1] > 10) and np.all(accepted[:, -1] > 10)
    assert np.all(np.isfinite(np.asarray(memory.minimum.positions)))
    np.testing.assert_allclose(states.best_energy[:, -1], 0, atol=1e-3)


def test_a_hopeless_start_is_left_by_hopping():
    memory = walks(CLIFF, start=-1.5).memory
    assert np.all(np.asarray(memory.failed)[:, 0] == 1)
    assert np.all(np.asarray(memory.accepted)[:, -1] > 10)


def test_a_trial_is_the_first_evaluation_of_its_quench():
    # With steepest descent a quench of k steps makes k + 1 evaluations, the trial's first.
    states = walks(BOWL, start=1.0, count=50, tolerance=0.0, limit=4, hop=Shake(0.5))
    # The start's quench: evaluations 1 to 5, decided in the step to evaluation 6.
    quenches = np.asarray(states.memory.quenches)
    assert np.all(quenches == np.arange(1, 51) // 5)
    x = np.asarray(states.observation.positions)
    home = np.asarray(states.memory.minimum.positions)
    hopped = np.arange(1, 51) % 5 == 0
    np.testing.assert_allclose(x[:, 1:][:, ~hopped[1:]], 0.8 * x[:, :-1][:, ~hopped[1:]])
    shift = np.abs(x - home)[:, hopped]
    assert np.all(shift <= 0.5) and np.max(shift) > 0.4


class Labelled(AbstractPotential):
    """Level ground for atoms of two elements: every structure is a minimum at once."""

    species: jax.Array
    space: Free = Free(1, invariant=False)

    @property
    def scale(self):
        return Scale(jnp.ones(()), jnp.ones(()))

    def __call__(self, positions):
        return jnp.floor(positions[0, 0]) % 2


def test_exchanges_do_not_drive_the_step_length():
    ground = Labelled(jnp.asarray([0, 1, 1]))
    start = jnp.asarray([[0.5], [2.5], [4.5]])
    options = {"inner": GradientDescent(0.1), "target": 0.2, "rate": 1e-4}
    for chance in (1e-6, 0.5, 1 - 1e-6):
        optimizer = BasinHopping(hop=Swaps(Shake(3.0), chance), **options)
        memory = eight(optimizer, ground, start, 600).memory
        stretch = np.asarray(memory.stretch)
        changes = np.diff(stretch, axis=1) != 0
        if chance == 0.5:
            # Judged are trials that were shaken, one step after they were made.
            shaken = np.asarray(memory.stretched[:, :-1])
            np.testing.assert_array_equal(changes, shaken)
            assert 0.4 < np.mean(shaken) < 0.6
        else:
            assert np.mean(changes) == pytest.approx(1 - chance, abs=0.01)


class Counting(eqx.Module):
    """An energy that reports to Python whenever it is really evaluated."""

    seen: list = eqx.field(static=True)

    def __call__(self, x):
        jax.debug.callback(lambda _: self.seen.append(1), x[0, 0])
        return LJ(x)


def test_evaluations_are_counted_over_hops():
    potential = FunctionPotential(Counting([]), space=Free())
    optimizer = small()
    state = go(
        optimizer, potential, jnp.asarray(random_cluster(1, 5)), jnp.asarray(150), key=KEY
    ).state
    jax.effects_barrier()
    assert int(state.evaluations) == len(potential.function.seen) == 151
    assert int(state.memory.quenches) >= 2


def test_trials_start_from_the_accepted_minimum():
    memory = cluster().memory
    hopped = new(memory.quenches)
    x = np.asarray(cluster().observation.positions)[hopped]
    home = np.asarray(memory.minimum.positions)[hopped]
    reach = 0.36 * np.asarray(memory.stretch)[hopped, None, None]
    # The common shift has been removed since.
    shift = x - home
    assert len(x) > 5 and np.all(np.abs(shift) <= 2 * reach)
    assert np.all(np.max(np.abs(shift), axis=(1, 2)) > 0.3 * reach[:, 0, 0])


def test_accepted_structures_are_minima_of_the_potential_itself():
    memory, best = cluster().memory, cluster().best_energy[-1]
    assert int(memory.failed[-1]) == 0 and int(memory.accepted[-1]) > 5
    for i in np.flatnonzero(new(memory.accepted)):
        again = observe(LJ, memory.minimum.positions[i])
        np.testing.assert_allclose(again.energy, memory.minimum.energy[i], rtol=1e-10)
        assert float(gradient_rms(LJ, again)) < 1e-2
    assert -19.821490 < best < -18.0  # the lowest that eight atoms have


def test_compression_acts_first_and_as_declared():
    states, mu = cluster(), float(small().compression)
    pressed = np.asarray(states.memory.compressed)
    assert pressed[0] and np.any(~pressed)

    @jax.jit
    @jax.value_and_grad
    def energy(x):
        return LJ(x) + mu * jnp.sum((x - jnp.mean(x, axis=0, keepdims=True)) ** 2)

    x, felt = states.observation.positions, states.memory.quench.observation
    # What the last move felt belongs to the observation before it.
    for i in np.flatnonzero(pressed[1:] & ~np.asarray(states.memory.fresh[1:]))[:5]:
        value, slope = energy(x[i])
        np.testing.assert_allclose(felt.energy[i + 1], value, rtol=1e-9)
        np.testing.assert_allclose(felt.gradient[i + 1], slope, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(jnp.sum(felt.atomic_energies[i + 1]), value, rtol=1e-9)
    # The phase ends where the sum is stationary, and the potential alone is not.
    turn = int(np.flatnonzero(pressed[:-1] & ~pressed[1:])[0])
    assert float(jnp.sqrt(jnp.mean(energy(x[turn])[1] ** 2))) < 1e-1
    assert float(gradient_rms(LJ, observe(LJ, x[turn]))) > 0.1
    # It is evaluated once, not once for each phase.
    np.testing.assert_array_equal(felt.positions[turn + 1], x[turn])
    assert float(felt.energy[turn + 1]) == float(states.observation.energy[turn])


def test_batch_equals_singles():
    options = {"target": 0.5, "temperature": 1.0, "hop": Shake(0.5)}
    together = walks(TERRACES, start=0.0, **options)
    assert len(np.unique(np.asarray(together.memory.accepted[:, -1]))) > 1
    single = eqx.filter_jit(states_of)
    optimizer, potential = hopping(TERRACES, **options)
    for i, key in enumerate(jax.random.split(KEY, 8)[:3]):
        alone = single(optimizer, potential, jnp.zeros((2, 1)), 2500, key)
        for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(a[i], b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("potential", "x", "dtype"),
    [
        (
            StillingerWeber.silicon(5.43 * np.eye(3)),
            5.43 * np.random.default_rng(1).uniform(size=(8, 3)),
            "float32",
        ),
        (Gupta.named("Ag-Au", [0, 1, 0, 1, 1]), 2.9 * random_cluster(1, 5), "float32"),
    ],
    ids=["silicon", "alloy"],
)
def test_every_space_is_accepted(potential, x, dtype):
    x = jnp.asarray(x, dtype)
    state = go(small(limit=100), potential, x, jnp.asarray(400), key=KEY).state
    assert bool(state.valid) and int(state.memory.quenches) >= 2
    assert float(state.best_energy) < float(observe(potential, x).energy)
    assert state.memory.stretch.dtype == state.best_energy.dtype == dtype


def test_the_paper_preset_takes_5000_steps_a_hop():
    optimizer = BasinHopping.paper(0.6)
    assert isinstance(optimizer.inner, Adam) and optimizer.temperature is None
    np.testing.assert_allclose(optimizer.inner.rate, 1e-2)
    np.testing.assert_allclose(optimizer.hop.step, 0.6)
    state = go(
        optimizer, LJ, jnp.asarray(random_cluster(0, 3)), jnp.asarray(10_002), key=KEY
    ).state
    assert int(state.memory.quenches) == 2


def test_what_is_not_in_use_is_not_trained():
    plain, paper = BasinHopping.plain(), BasinHopping.paper()
    inner = len(jax.tree.leaves(plain.inner.trainable()))
    assert count(plain) == inner + 2 and count(paper) == 4 + 1
    params = ravel(plain)
    changed = unravel(plain, params + 0.1)
    factor = np.exp(0.1)
    np.testing.assert_allclose(changed.hop.step, 0.36 * factor, rtol=1e-6)
    np.testing.assert_allclose(changed.temperature, 0.8 * factor, rtol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": 0.0},
        {"tolerance": -1.0},
        {"tolerance": jnp.nan},
        {"compression": 0.0},
        {"target": 1.0},
        {"rate": 0.0},
        {"limit": 0},
    ],
)
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        BasinHopping(inner=LBFGS(), hop=Shake(0.3), **wrong)


def test_learned_hopping_is_legs_of_the_network_and_finds_the_minimum():
    optimizer = BasinHopping.learned(weights.load("lj13"), steps=30)
    task = tasks.get("lj13")
    starts = task.draw(0, Domain.TEST, range(8), jnp.float32).positions
    run = partial(rollout, optimizer, task.potential, steps=400, key=KEY)
    states = eqx.filter_jit(jax.vmap(lambda x: run(x).state))(starts)
    assert np.sum(task.is_hit(states.best_energy)) >= 7
    # Each leg takes the steps of the network, and a quench.
    assert np.all(np.asarray(states.memory.quenches) <= 400 / 30)
    assert np.all(np.asarray(states.memory.quenches) >= 2)
