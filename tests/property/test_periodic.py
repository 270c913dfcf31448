"""Pair lists in periodic cells against explicit images."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from hypothesis.extra.numpy import arrays

from l2h.potentials import LennardJones
from l2h.spaces import Periodic
from l2h.spaces.periodic import heights, image_shifts

observe = eqx.filter_jit(lambda potential, x: potential.observe(x))
energy_gradient = eqx.filter_jit(lambda potential, x: jax.value_and_grad(potential)(x))

SKEWED = np.array([[4.0, 0, 0], [2.5, 3, 0], [-1, 2, 3.5]])
ATOMS = np.random.default_rng(3).random((5, 3))
# Nearest image only; one shell of images; several.
REACHES = (1.2, 3.0, 7.0)
fractions = arrays(np.float64, (5, 3), elements=st.floats(-0.0625, 0.0625, width=32))
turns = arrays(np.int64, (5, 3), elements=st.integers(-3, 3))


def distances(x, cell, cutoff):
    """Return all distances below the cutoff, by brute force over images."""
    counts = [range(-k, k + 1) for k in np.ceil(cutoff / heights(cell) + 1).astype(int)]
    shifts = np.array(list(itertools.product(*counts))) @ cell
    # Brute force needs atoms that are at home.
    x = (x @ np.linalg.inv(cell) % 1) @ cell
    d = x[:, None, None] - x[None, :, None] + shifts
    r = np.linalg.norm(d, axis=-1).ravel()
    return r[(r > 1e-9) & (r < cutoff)]


def reference(x, cell, cutoff):
    r = distances(x, cell, cutoff)
    return 0.5 * np.sum(r**-12.0 - 2 * r**-6.0)


SPACES = {reach: Periodic(SKEWED, reach) for reach in REACHES}


@pytest.mark.parametrize("reach", REACHES)
@given(fractions, turns)
def test_explicit_images(reach, moved, turn):
    x = (ATOMS + moved) @ SKEWED
    expected = reference(x, SKEWED, reach)
    potential = LennardJones(space=SPACES[reach])
    # Whole lattice vectors, one for each atom: they may drift out of the cell.
    seen = observe(potential, x + turn @ SKEWED)
    value, slope = energy_gradient(potential, jnp.asarray(x))
    r = distances(x, SKEWED, reach)
    size = 1 + np.sum(r**-12.0)
    assert abs(seen.energy - expected) <= 1e-11 * size
    assert abs(value - expected) <= 1e-11 * size
    np.testing.assert_allclose(seen.gradient, slope, rtol=0, atol=1e-10 * size)
    assert np.max(np.abs(np.sum(seen.gradient, axis=0))) <= 1e-11 * size


cells = arrays(np.float64, (3, 3), elements=st.floats(-3, 3, width=32))


@given(cells, st.floats(0.5, 6))
def test_shifts_reach_every_image(cell, cutoff):
    cell = cell + 4 * np.eye(3)
    assume(np.linalg.det(cell) > 10)
    assume(np.min(heights(cell)) > 0.8)
    shifts = set(image_shifts(cell, cutoff))
    assert (0, 0, 0) in shifts and {tuple(-k for k in s) for s in shifts} == shifts
    if 2 * cutoff <= np.min(heights(cell)):
        assert shifts == {(0, 0, 0)}
    rng = np.random.default_rng(0)
    reduced = rng.uniform(-0.5, 0.5, (50, 3))
    counts = [range(-k, k + 1) for k in np.ceil(cutoff / heights(cell) + 1).astype(int)]
    every = np.array(list(itertools.product(*counts)))
    lengths = np.linalg.norm((reduced[:, None] + every) @ cell, axis=-1)
    needed = {tuple(map(int, s)) for s in every[np.any(lengths < cutoff, axis=0)]}
    assert needed <= shifts


@pytest.mark.parametrize("count", (1, 2, 3))
def test_perturbed_tilings(count):
    cell, cutoff = np.diag([2.0, 2.2, 2.4]) + 0.3 * np.eye(3, k=-1), 3.1
    x = np.array([[0.1, 0.2, 0.3], [1.2, 1.1, 1.4]])
    tiles = np.array(list(itertools.product(range(count), repeat=3))) @ cell
    tiled = (x[None] + tiles[:, None]).reshape(-1, 3)
    potential = LennardJones(space=Periodic(cell * count, cutoff))
    seen = observe(potential, tiled)
    np.testing.assert_allclose(
        seen.energy / count**3, reference(x, cell, cutoff), rtol=1e-12
    )
    single = observe(LennardJones(space=Periodic(cell, cutoff)), x)
    np.testing.assert_allclose(
        seen.gradient, np.tile(single.gradient, (count**3, 1)), rtol=0, atol=1e-10
    )


def test_nearest_image_alone_is_wrong_in_a_small_cell(monkeypatch):
    cell, cutoff = 2.2 * np.eye(3), 2.0
    x = np.array([[0.1, 0.0, 0.3], [1.3, 1.0, 1.2]])
    space = Periodic(cell, cutoff)
    monkeypatch.setattr("l2h.spaces.periodic.image_shifts", lambda *_: ((0, 0, 0),))
    naive = Periodic(cell, cutoff)
    assert len(space.shifts) > 1 and naive.nearest
    right = reference(x, cell, cutoff)
    np.testing.assert_allclose(observe(LennardJones(space=space), x).energy, right)
    assert abs(observe(LennardJones(space=naive), x).energy - right) > 0.1


def test_truncated_cutoff_is_seen():
    x = ATOMS @ SKEWED
    seen = observe(LennardJones(space=Periodic(SKEWED, 2.9)), x)
    assert abs(seen.energy - reference(x, SKEWED, 7.0)) > 1e-3


def test_cell_gradient_is_the_virial():
    x, h = ATOMS @ SKEWED, 1e-4
    strain = np.array([[0.3, 0.1, 0], [0.2, -0.2, 0.4], [0.1, 0, 0.5]])

    def strained(t):
        f = jnp.eye(3) + t * strain
        space = eqx.tree_at(lambda s: s.cell, SPACES[3.0], jnp.asarray(SKEWED) @ f)
        return LennardJones(space=space)(jnp.asarray(x) @ f)

    e = [float(strained(k * h)) for k in (-2.0, -1.0, 1.0, 2.0)]
    difference = (e[0] - 8 * e[1] + 8 * e[2] - e[3]) / (12 * h)
    np.testing.assert_allclose(jax.grad(strained)(0.0), difference, rtol=1e-6)


def test_scatter_fills_the_cell():
    f = jnp.asarray(ATOMS)
    space = SPACES[3.0]
    np.testing.assert_allclose(space.scatter(f, jnp.asarray(1.0)), ATOMS @ SKEWED)
    assert not np.any(space.offsets(f)) and np.array_equal(space.centre(f), f)


@pytest.mark.parametrize(
    ("cell", "cutoff", "match"),
    [
        (np.eye(3), np.inf, "cutoff: inf"),
        (np.eye(3), 0.0, "cutoff: 0.0"),
        (np.eye(3), 60.0, "tile the cell"),
        (np.zeros((3, 3)), 1.0, "volume"),
        (np.ones((3, 3)), 1.0, "volume"),
        (np.diag([1.0, 1.0, -1.0]), 1.0, "left-handed"),
        (np.eye(3)[:2], 1.0, "shape"),
        (np.ones(3), 1.0, "shape"),
        ("cube", 1.0, "not a table"),
    ],
)
def test_bad_input(cell, cutoff, match):
    with pytest.raises(ValueError, match=match):
        Periodic(cell, cutoff)
