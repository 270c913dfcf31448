"""Features of a learned optimizer are what they are said to be."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from l2h.optimizers.learned import Equivariant, Learned, Network, equivariant
from l2h.optimizers.learned.base import joined
from l2h.potentials import LennardJones, StillingerWeber

KEY = jax.random.key(0)
FREE = LennardJones(length=1.3, energy=0.7)
CRYSTAL = StillingerWeber.silicon(10.9 * np.eye(3))


def state_of(potential, n, spread):
    rng = np.random.default_rng(1)
    x = jnp.asarray(spread * rng.normal(size=(n, 3)))
    state = Learned.create(KEY, dtype=jnp.float64).init(potential, x, horizon=9, key=KEY)
    memory = jnp.zeros_like(state.memory).at[:, :, :n].set(rng.normal(size=(3, 4, n)))
    return eqx.tree_at(lambda s: s.memory, state, memory)


@jax.jit
def read(potential, state):
    return Equivariant().read(potential, state)


def plain(potential, state):
    """Return the atoms' own inputs and their candidates, vector by vector, in NumPy."""
    seen, unit = state.observation, potential.scale
    x = np.asarray(seen.positions)
    n, length, energy = len(x), float(unit.length), float(unit.energy)
    slope = np.asarray(seen.gradient) * length / energy
    slope *= np.minimum(1, 100 / np.linalg.norm(slope, axis=1, keepdims=True))
    decays = np.array([0.5, 0.9, 0.99, 0.999])[:, None, None]
    old = np.moveaxis(np.asarray(state.memory), 0, 2)[:, :n]
    momenta = decays * old + (1 - decays) * slope
    pairs = potential.space.pairs(seen.positions)
    squared = np.asarray(pairs.squared)[..., :n] / length**2
    arms = np.stack(pairs.differences, axis=-1)[..., :n, :] / length
    shells, counts = [], []
    for centre, width in ((1.0, 0.75), (2.0, 1.0), (3.2, 1.4)):
        bump = np.maximum(1 - ((squared - centre) / width) ** 2, 0) ** 2
        shells.append(np.sum(bump[..., None] * arms, axis=(0, 1)))
        counts.append(np.sum(bump, axis=(0, 1)))
    offsets = np.asarray(potential.space.offsets(seen.positions)) / length
    vectors = np.stack([slope, *momenta, offsets, *shells[:2]])
    norms = np.sqrt(np.sum(vectors**2, axis=-1) + 1e-12)
    spread = np.sqrt(np.mean(norms**2, axis=1, keepdims=True))
    basis = vectors * (np.minimum(1, 3 * spread / norms) / spread)[..., None]
    units = vectors / norms[..., None]
    logs = np.log10(norms[:5])
    rows = [
        logs[0],
        *(logs[1:] - logs[0]),
        *np.sum(units[0] * units[1:], axis=-1),
        *np.sum(units[5] * units[1:5], axis=-1),
        norms[5] / spread[5] - 1,
        *(np.array(counts) / 6 - 1),
        np.clip(np.asarray(seen.atomic_energies) / (5 * energy), -2, 2),
    ]
    return np.stack(rows), np.moveaxis(basis, 2, 0), momenta


@pytest.mark.parametrize(
    ("potential", "n", "spread"),
    ((FREE, 5, 1.0), (FREE, 37, 1.8), (CRYSTAL, 5, 3.0), (CRYSTAL, 37, 4.0)),
)
def test_inputs_and_candidates_are_those_of_the_plain_expressions(potential, n, spread):
    assert 5 < equivariant.MANY <= 37
    state = state_of(potential, n, spread)
    reading, memory = read(potential, state)
    inputs, basis, momenta = plain(potential, state)
    np.testing.assert_allclose(reading.inputs[:, :n], inputs, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(reading.basis[..., :n], basis, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        memory[..., :n], np.moveaxis(momenta, 2, 0), rtol=1e-9, atol=1e-12
    )
    assert reading.count == Equivariant.inputs
    # What fills up the registers stays finite and moves nothing.
    filling = dataclasses.astuple(reading)[:2]
    assert all(bool(jnp.all(jnp.isfinite(part))) for part in filling)
    assert not np.any(reading.basis[..., n:])


def test_shared_inputs_are_inputs_of_every_row():
    network = Network((7, 5, 2), key=KEY, dtype=jnp.float64)
    network = eqx.tree_at(
        lambda net: net.weights[-1], network, jnp.ones((2, 5), jnp.float64)
    )
    own, shared = (jax.random.normal(KEY, shape, jnp.float64) for shape in ((4, 6), (3,)))
    everything = jnp.concatenate([own, jnp.broadcast_to(shared[:, None], (3, 6))])
    np.testing.assert_allclose(network(own, shared), network(everything), rtol=1e-12)


def rows(*batch):
    """Return parts of three and of two inputs; only the first differs within a batch."""
    rng = np.random.default_rng(2)
    return jnp.asarray(rng.normal(size=(*batch, 3, 6))), jnp.asarray(
        rng.normal(size=(2, 6))
    )


def test_parts_are_joined_like_any_arrays():
    np.testing.assert_array_equal(joined(rows()), np.concatenate(rows()))
    first, second = rows(4, 5)
    whole = jax.vmap(jax.vmap(lambda part: joined([part, second])))(first)
    expected = np.concatenate([first, np.broadcast_to(second, (4, 5, 2, 6))], axis=2)
    np.testing.assert_array_equal(whole, expected)


def test_parts_of_a_batch_are_joined_outermost():
    # A loop for each part: joined further in, every number would ask where it belongs.
    batch = jax.make_jaxpr(jax.vmap(lambda *parts: joined(parts), in_axes=(0, None)))
    [join] = [e for e in batch(*rows(4)).eqns if "concatenate" in str(e)]
    assert "dimension=0" in str(join)


@pytest.mark.parametrize("batch", ((), (4,)))
def test_joined_parts_are_differentiated(batch):
    first, second = rows(*batch)
    weights = jnp.asarray(np.random.default_rng(3).normal(size=(5, 6)))

    def weighed(part):
        return jnp.sum(weights * jnp.square(joined([part, second])))

    value = jax.vmap(weighed) if batch else weighed
    slope = jax.grad(lambda part: jnp.sum(value(part)))(first)
    np.testing.assert_allclose(
        slope, 2 * np.asarray(weights)[:3] * np.asarray(first), rtol=1e-12
    )
