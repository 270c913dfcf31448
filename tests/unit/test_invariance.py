"""Displacements that keep a symmetry, and optimizers held to them."""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from l2h import rollout, tasks
from l2h.inits import Symmetric
from l2h.optimizers import (
    LBFGS,
    Adam,
    BasinHopping,
    GradientDescent,
    Invariant,
    Learned,
    Shake,
)
from l2h.potentials import Gupta, LennardJones
from l2h.symmetry import CellGroups, Invariance, group

N = 13
KEY = jax.random.key(2)


@eqx.filter_jit
def draw(init, potential, n, keys):
    return jax.vmap(lambda key: init.draw(key, potential, n, jnp.float64))(keys)


@cache
def starts():
    """Return one start of each of these groups, from one program."""
    names = ("C1", "C5v", "D3", "Td")
    drawn = draw(Symmetric(names), LennardJones(), N, jax.random.split(KEY, 32))
    orders = jnp.where(drawn.ok, drawn.invariance.mask.sum(axis=1), 0)
    rows = {name: int(jnp.argmax(orders == len(group(name)))) for name in names}
    return {
        name: jax.tree.map(lambda leaf, i=i: leaf[i], (drawn.positions, drawn.invariance))
        for name, i in rows.items()
    }


def start(name="D3"):
    return starts()[name]


def broken(positions, invariance):
    """Return by how much atoms and their images disagree."""
    x = np.asarray(positions - jnp.mean(positions, axis=0, keepdims=True))
    table, atoms = (np.asarray(a) for a in (invariance.operations, invariance.atoms))
    images = np.einsum("gij,nj->gni", table, x)
    return np.abs(images - x[atoms])[np.asarray(invariance.mask)].max()


def dense(positions, table):
    """Return the projection as a matrix, from nearest atoms, in plain NumPy."""
    x = np.asarray(positions)
    matrix = np.zeros((x.size, x.size))
    for operation in table:
        images = x @ operation.T
        nearest = np.linalg.norm(images[:, None] - x, axis=2).argmin(axis=1)
        for i, j in enumerate(nearest):
            matrix[3 * j : 3 * j + 3, 3 * i : 3 * i + 3] += operation / len(table)
    return matrix


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
def test_what_is_no_symmetry_is_refused_in_any_unit(unit):
    x, invariance = start("D3")
    moved = x.at[0, 0].add(0.3)
    table = invariance.operations[invariance.mask]
    same = Invariance.of(unit * x, table)
    np.testing.assert_array_equal(same.atoms, invariance.atoms[invariance.mask])
    with pytest.raises(ValueError, match="^positions: operation"):
        Invariance.of(unit * moved, table)


@pytest.mark.parametrize("name", ["C1", "C5v", "D3", "Td"])
def test_projection(name):
    x, invariance = start(name)
    u = jnp.asarray(np.random.default_rng(1).normal(size=(N, 3)))
    projected = invariance.project(u)
    expected = (dense(x, group(name)) @ np.ravel(u)).reshape(N, 3)
    np.testing.assert_allclose(projected, expected, atol=1e-12)
    np.testing.assert_allclose(invariance.project(projected), projected, atol=1e-12)
    if name == "C1":
        np.testing.assert_array_equal(projected, u)
    else:
        assert broken(x + 0.1 * u, invariance) > 1e-2
    # The centroid of D3 and Td cannot move; that of others does along the axis only.
    assert broken(x + 0.1 * projected, invariance) < 1e-12


def test_forces_on_invariant_clusters_are_invariant():
    for x, invariance in starts().values():
        unchanged(LennardJones(), x, invariance)


def test_forces_on_invariant_alloys_are_invariant():
    potential = Gupta.named("Ag-Au", np.repeat([0, 1], [6, 7]))
    drawn = draw(Symmetric(("D3",)), potential, N, KEY[None])
    invariance = jax.tree.map(lambda leaf: leaf[0], drawn.invariance)
    assert int(invariance.mask.sum()) > 1
    unchanged(potential, drawn.positions[0], invariance)


def test_forces_on_invariant_crystals_are_invariant():
    potential = tasks.get("si8").potential
    cells = CellGroups(potential.space.cell, 8, potential.scale.length, turns=True)
    drawn = draw(Symmetric(cells=cells), potential, 8, KEY[None])
    invariance = jax.tree.map(lambda leaf: leaf[0], drawn.invariance)
    assert int(invariance.mask.sum()) > 1
    unchanged(potential, drawn.positions[0], invariance)


def unchanged(potential, x, invariance):
    forces = potential.forces(x)
    size = float(jnp.max(jnp.abs(forces)))
    assert size > 1e-3
    np.testing.assert_allclose(invariance.project(forces), forces, atol=1e-9 * size)


def learned():
    optimizer = Learned.create(KEY, hidden=(8, 8))
    shape = optimizer.network.weights[-1].shape
    weights = 0.3 * jax.random.normal(KEY, shape, jnp.float32)
    return eqx.tree_at(lambda o: o.network.weights[-1], optimizer, weights)


OPTIMIZERS = {
    "GradientDescent": lambda: GradientDescent(1e-4),
    "LBFGS": lambda: LBFGS(history=3),
    "learned": learned,
    "Adam": lambda: Adam(1e-2),
    "BasinHopping": lambda: BasinHopping(GradientDescent(1e-4), Shake(0.3), limit=2),
}


@eqx.filter_jit
def go(optimizer, x):
    done = rollout(optimizer, LennardJones(), x, 8, key=KEY, trace_every=1)
    return done.trace.positions, done.trace.energies


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_keep_the_symmetry(name):
    inner = OPTIMIZERS[name]()
    x, invariance = start()
    positions, energies = go(Invariant(inner, invariance), x)
    assert float(jnp.max(jnp.abs(positions[-1] - positions[0]))) > 1e-3
    for structure in positions:
        assert broken(structure, invariance) < 1e-11
    free, alone = go(inner, x)
    if name in ("Adam", "BasinHopping"):
        # These would break it, by directions of coordinates and by random hops.
        assert broken(free[-1], invariance) > 1e-4
    else:
        # These keep it anyway, and the projection changes nothing but rounding.
        np.testing.assert_allclose(positions, free, atol=1e-7)
        np.testing.assert_allclose(energies, alone, rtol=1e-7)


def test_what_is_trained_is_the_inner_optimizer():
    inner, invariance = learned(), start()[1]
    optimizer = Invariant(inner, invariance)
    kinds = jax.tree.structure(optimizer).flatten_up_to(optimizer.trainable())
    expected = jax.tree.structure(inner).flatten_up_to(inner.trainable())
    assert [k for k in kinds if k] == [k for k in expected if k]
    assert kinds.count(None) > expected.count(None)


def test_every_start_of_a_batch_has_its_own_symmetry():
    rows = [start(name) for name in ("C5v", "D3", "Td")]
    x, invariance = jax.tree.map(lambda *leaves: jnp.stack(leaves), *rows)

    @jax.jit
    @jax.vmap
    def search(x, invariance):
        optimizer = Invariant(Adam(1e-2), invariance)
        done = rollout(optimizer, LennardJones(), x, 5, key=KEY)
        return done.state.observation.positions

    for structure, (_, one) in zip(search(x, invariance), rows, strict=True):
        assert broken(structure, one) < 1e-11


def test_structures_without_the_symmetry_are_refused():
    x = np.random.default_rng(0).normal(size=(N, 3))
    with pytest.raises(ValueError, match=r"^positions: operation 1 takes an atom .* away"):
        Invariance.of(jnp.asarray(x), jnp.asarray(group("D3")))


def test_other_structures_are_refused():
    _, invariance = start()
    optimizer = Invariant(LBFGS(), invariance)
    with pytest.raises(ValueError, match="^invariance: it describes 13 atoms, .* has 7"):
        rollout(optimizer, LennardJones(), jnp.asarray(2.0 * np.eye(7, 3)), 1, key=KEY)


def test_labels_leave_the_operations_that_respect_them():
    turns = 2 * np.pi * np.arange(5) / 5
    ring = np.stack([np.cos(turns), np.sin(turns), 0 * turns], axis=1)
    x = jnp.asarray(np.concatenate([[[0, 0, 0.5]], ring]))
    invariance = Invariance.of(x, jnp.asarray(group("C5v")))
    np.testing.assert_array_equal(invariance.orbits, [0, 1, 1, 1, 1, 1])
    order = jnp.asarray([3, 0, 5, 1, 2, 4])
    moved = invariance.renumbered(order)
    assert broken(x[order], moved) < 1e-12
    # One marked atom of the ring leaves the mirror plane through it.
    kept = moved.keeping(jnp.asarray([1, 0, 0, 0, 0, 0]))
    assert int(kept.mask.sum()) == 2 and bool(kept.mask[0])
    assert broken(x[order], kept) < 1e-12
