"""The contract that every optimizer keeps."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from strategies import random_cluster

from l2h import advance, rollout
from l2h.optimizers import (
    LBFGS,
    Adam,
    BasinHopping,
    Fire,
    GradientDescent,
    Learned,
    Relay,
    Shake,
    quench,
)
from l2h.potentials import FunctionPotential, LennardJones, SoftSphere
from l2h.spaces import Free

KEY = jax.random.key(7)


def learned(kind):
    """Return a learned optimizer with random output weights; with zeros tests are empty."""
    optimizer = Learned.create(KEY, features=kind, hidden=(8, 8))
    shape = optimizer.network.weights[-1].shape
    weights = 0.3 * jax.random.normal(jax.random.fold_in(KEY, 1), shape, jnp.float32)
    return eqx.tree_at(lambda o: o.network.weights[-1], optimizer, weights)


OPTIMIZERS = {
    "GradientDescent": lambda: GradientDescent(1e-3),
    "Adam": lambda: Adam(),
    "LBFGS": lambda: LBFGS(history=3),
    "Fire": lambda: Fire.original(0.02),
    # Its first hop is the eleventh step: later than equivariance is tested.
    "BasinHopping": lambda: BasinHopping(GradientDescent(1e-3), Shake(0.1), limit=10),
    "Relay": lambda: Relay(learned("equivariant"), LBFGS(history=3), steps=4),
    "equivariant": lambda: learned("equivariant"),
    "componentwise": lambda: learned("componentwise"),
}
each = pytest.mark.parametrize("name", OPTIMIZERS)
both = pytest.mark.parametrize("dtype", ["float32", "float64"])

go = eqx.filter_jit(rollout)
go_on = eqx.filter_jit(advance)
# Compiled once per optimizer; outside of jit every operation would be, one by one.
step = eqx.filter_jit(lambda o, potential, state, key: o.step(potential, state, key=key))
initial = eqx.filter_jit(
    lambda o, potential, x, horizon: o.init(potential, x, horizon=horizon, key=KEY)
)


def start(n=5, seed=0, dtype="float64"):
    return jnp.asarray(random_cluster(seed, n, dtype))


def begin(optimizer, x, potential=None, horizon=20):
    potential = LennardJones() if potential is None else potential
    return initial(optimizer, potential, x, jnp.asarray(horizon))


def plain(tree):
    """Return leaves as numbers."""
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


def assert_close(a, b, rtol=1e-8, atol=1e-9):
    for left, right in zip(plain(a), plain(b), strict=True):
        np.testing.assert_allclose(left, right, rtol=rtol, atol=atol)


def assert_equal(a, b):
    for left, right in zip(plain(a), plain(b), strict=True):
        np.testing.assert_array_equal(left, right)


@each
def test_scan_equals_loop(name):
    optimizer, x = OPTIMIZERS[name](), start()
    looped = begin(optimizer, x)
    for index in range(6):
        key = jax.random.fold_in(KEY, index + 1)
        looped = step(optimizer, LennardJones(), looped, key)

    @eqx.filter_jit
    def scanned(state):
        def body(state, index):
            key = jax.random.fold_in(KEY, index)
            return optimizer.step(LennardJones(), state, key=key), None

        return jax.lax.scan(body, state, jnp.arange(1, 7))[0]

    assert_close(scanned(begin(optimizer, x)), looped)


@each
def test_numbers_do_not_retrace(name):
    traces = []

    @eqx.filter_jit
    def run(optimizer, potential, x, steps):
        traces.append(name)
        return rollout(optimizer, potential, x, steps, key=KEY).best_energy

    x = start()
    for factor, length, steps in ((1, 1.0, 3), (0.99, 1.1, 4), (0.98, 0.9, 5)):
        optimizer = jax.tree.map(lambda leaf, f=factor: leaf * f, OPTIMIZERS[name]())
        run(optimizer, LennardJones(length, 0.5 * length), x, jnp.asarray(steps))
    assert len(traces) == 1


@pytest.mark.parametrize("make", [GradientDescent, Adam, LBFGS])
def test_constructed_numbers_do_not_retrace(make):
    traces = []

    @eqx.filter_jit
    def run(optimizer):
        traces.append(make)
        return optimizer

    for value in (0.1, 0.2, 1):
        run(make(value))
    assert len(traces) == 1


class Counting(eqx.Module):
    """An energy that reports to Python whenever it is really evaluated."""

    seen: list = eqx.field(static=True)

    def __call__(self, x):
        jax.debug.callback(lambda _: self.seen.append(1), x[0, 0])
        return LennardJones()(x)


def counting():
    potential = FunctionPotential(Counting([]), space=Free())
    return potential, potential.function.seen


def test_evaluations_of_a_quench_are_counted():
    potential, seen = counting()
    result = quench(potential, start(3), tolerance=1e-6, optimizer=LBFGS(history=3))
    jax.effects_barrier()
    assert int(result.evaluations) == len(seen)
    assert bool(result.converged)


def test_quenches_that_end_early_have_gone_downhill():
    # Long first steps, some of which are rejected: the last trial may lie above.
    optimizer = LBFGS(history=3, max_step=0.8)
    ends = jax.jit(
        jax.vmap(lambda k: quench(LennardJones(), start(3), limit=k, optimizer=optimizer))
    )(jnp.arange(1, 25, dtype=jnp.int32))
    run = [begin(optimizer, start(3))]
    for _ in range(23):
        run.append(go_on(optimizer, LennardJones(), run[-1], jnp.asarray(1), key=KEY))
    tried = np.array([float(state.observation.energy) for state in run])
    assert np.any(np.diff(tried) > 0) and not np.any(ends.converged)
    np.testing.assert_allclose(ends.energy, np.minimum.accumulate(tried), rtol=1e-10)
    energies = jax.vmap(LennardJones())(ends.positions)
    np.testing.assert_allclose(energies, ends.energy, rtol=1e-10)


@each
@both
def test_coincident_atoms_never_become_the_best(name, dtype):
    x = start(dtype=dtype).at[1].set(start(dtype=dtype)[0])
    optimizer = OPTIMIZERS[name]()
    state = begin(optimizer, x)
    assert not bool(state.valid) and state.best_energy == jnp.inf
    state = go_on(optimizer, LennardJones(), state, jnp.asarray(3), key=KEY)
    assert not bool(state.valid)
    assert state.best_energy == jnp.inf or jnp.all(jnp.isfinite(state.best_positions))


@pytest.mark.parametrize("beyond", [jnp.nan, -jnp.inf])
def test_invalid_observations_never_become_the_best(beyond):
    cliff = FunctionPotential(lambda x: jnp.where(jnp.max(x) > 1, beyond, 0) - jnp.sum(x))
    x = jnp.full((2, 1), 0.75)
    state = go(GradientDescent(0.1), cliff, x, 6, key=KEY).state
    assert not bool(state.valid)
    np.testing.assert_allclose(state.best_energy, -1.9)
    np.testing.assert_allclose(state.best_positions, 0.95)


def test_adam_is_optax():
    optimizer, potential = Adam(0.03, 0.8, 0.95, 1e-6), LennardJones()
    # Both outside of jit, so that they may agree to the bit.
    state = optimizer.init(potential, start(), horizon=20, key=KEY)
    x = potential.space.centre(start())
    with jax.numpy_dtype_promotion("standard"):
        numbers = (jnp.asarray(v) for v in (0.03, 0.8, 0.95, 1e-6))
        peer = optax.adam(*numbers)
        memory = peer.init(x)
        for _ in range(20):
            update, memory = peer.update(potential.observe(x).gradient, memory)
            x = potential.space.centre(optax.apply_updates(x, update))
            state = optimizer.step(potential, state, key=KEY)
            np.testing.assert_array_equal(state.observation.positions, x)


@pytest.mark.parametrize("kind", ["equivariant", "componentwise"])
def test_paper_preset_begins_with_a_zero_update(kind):
    optimizer = Learned.create(KEY, preset="paper", features=kind)
    state = begin(optimizer, start())
    moved, _ = optimizer.move(LennardJones(), state, key=KEY)
    np.testing.assert_array_equal(moved, state.observation.positions)


def test_default_preset_begins_downhill():
    optimizer = Learned.create(KEY)
    state = begin(optimizer, start())
    moved, _ = optimizer.move(LennardJones(), state, key=KEY)
    shift = moved - state.observation.positions
    assert float(jnp.max(jnp.abs(shift))) > 1e-6
    assert float(jnp.sum(shift * state.observation.gradient)) < 0


@both
def test_the_strongest_repulsion_is_read_as_strong(dtype):
    features = learned("equivariant").features

    @jax.jit
    def read(x):
        state = Learned.create(KEY).init(LennardJones(), x, horizon=1, key=KEY)
        return features.read(LennardJones(), state)[0], state.observation.gradient

    # Squares of these gradients overflow in single precision.
    direction = jnp.asarray([2.0, -1.0, 0.5], dtype) / 100
    x = jnp.stack([0 * direction, direction, jnp.asarray([1.0, 1.0, 1.0], dtype)])
    reading, gradient = read(x)
    assert float(jnp.max(jnp.abs(gradient))) > 1e20
    repelled = reading.basis[:, 0, :2]
    unit = direction / jnp.linalg.norm(direction)
    cosines = unit @ repelled / jnp.linalg.norm(repelled, axis=0)
    np.testing.assert_allclose(cosines, [1, -1], atol=1e-5)
    # The first input is the logarithm of the strength, capped at 100.
    np.testing.assert_allclose(reading.inputs[0, :2], 2, atol=1e-5)


@each
def test_every_potential_is_accepted(name):
    x = start()
    for potential in (SoftSphere(1.5), LennardJones(2.0, 0.1)):
        state = go(OPTIMIZERS[name](), potential, 2 * x, 3, key=KEY).state
        assert bool(state.valid)
