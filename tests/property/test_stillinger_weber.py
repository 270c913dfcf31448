"""Silicon against a plain triple loop, known crystals, and wrong variants."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from strategies import permutation, rotation, seeds

from l2h.potentials import StillingerWeber
from l2h.spaces import Periodic

SITES = np.array([[0, 0, 0], [0, 2, 2], [2, 0, 2], [2, 2, 0]]) / 4
SITES = np.concatenate([SITES, SITES + 0.25])
EDGE = 5.428
CELL = EDGE * np.eye(3)
SMALL = StillingerWeber.silicon(CELL)
SKEWED = StillingerWeber.silicon(CELL + 0.9 * np.eye(3, k=-1))
FREE = StillingerWeber.silicon()

observe = eqx.filter_jit(lambda potential, x: potential.observe(x))
textbook = eqx.filter_jit(lambda potential, x: jax.value_and_grad(potential)(x))
moves = arrays(np.float64, (8, 3), elements=st.floats(-0.5, 0.5, width=32))


def crystal(count, edge=EDGE):
    tiles = np.array(list(itertools.product(range(count), repeat=3)))
    return edge * (SITES[None] + tiles[:, None]).reshape(-1, 3), edge * count * np.eye(3)


def triple_loop(x, cell, potential, *, exponentials=2, nearest=False):
    """Return the energy by loops over atoms, images, pairs and triples."""
    names = ("epsilon", "sigma", "A", "B", "p", "q", "a", "strength", "gamma")
    eps, sigma, A, B, p, q, a, lam, gamma = (float(getattr(potential, k)) for k in names)
    reach = range(-2, 3)
    shifts = [np.zeros(3)]
    if cell is not None:
        shifts = [np.array(s) @ cell for s in itertools.product(reach, repeat=3)]
    energy = 0.0
    for i, here in enumerate(x):
        bonds = []
        for j, there in enumerate(x):
            images = [there - here + s for s in shifts]
            if nearest:
                images = [min(images, key=np.linalg.norm)]
            for d in images:
                r = np.linalg.norm(d)
                if (i != j or r > 1e-6) and r < a * sigma * (1 - 1e-9):
                    bonds.append((r, d))
        for r, _ in bonds:
            pair = A * (B * (sigma / r) ** p - (sigma / r) ** q)
            energy += 0.5 * eps * pair * np.exp(sigma / (r - a * sigma))
        for (r, d), (s, e) in itertools.combinations(bonds, 2):
            cosine = d @ e / (r * s)
            tail = gamma * sigma / (r - a * sigma)
            if exponentials == 2:
                tail += gamma * sigma / (s - a * sigma)
            energy += lam * eps * (cosine + 1 / 3) ** 2 * np.exp(tail)
    return energy


def test_paper_minimum_is_perfect_diamond():
    x, cell = crystal(2)
    seen = observe(StillingerWeber.silicon(cell, "paper"), x)
    np.testing.assert_allclose(seen.energy, -277.2045, atol=5e-5)
    np.testing.assert_allclose(seen.gradient, 0, atol=1e-12)
    np.testing.assert_allclose(
        observe(StillingerWeber.silicon(cell), x).energy, -277.544, atol=0.02
    )


def test_cohesive_energy():
    x, cell = crystal(1, 5.43095)
    seen = observe(StillingerWeber.silicon(cell), x)
    np.testing.assert_allclose(seen.atomic_energies, -2 * 2.16826, rtol=1e-6)
    scale = FREE.scale
    np.testing.assert_allclose(scale.energy * 8.61, 4.33652, rtol=1e-6)
    np.testing.assert_allclose(scale.length, 5.43095 * np.sqrt(3) / 4, rtol=1e-5)


@settings(max_examples=8)
@given(moves)
def test_plain_loops_over_images(moved):
    x = SITES @ CELL + moved
    expected = triple_loop(x, CELL, SMALL)
    size = 1 + np.sum(np.abs(observe(SMALL, x).atomic_energies))
    assert abs(observe(SMALL, x).energy - expected) <= 1e-12 * size
    assert abs(textbook(SMALL, jnp.asarray(x))[0] - expected) <= 1e-12 * size


def test_wrong_variants_are_caught():
    x = SITES @ CELL + np.random.default_rng(0).normal(0, 0.3, (8, 3))
    right = float(observe(SMALL, x).energy)
    np.testing.assert_allclose(triple_loop(x, CELL, SMALL), right, rtol=1e-12)
    assert abs(triple_loop(x, CELL, SMALL, exponentials=1) - right) > 0.1
    assert abs(triple_loop(x, CELL, SMALL, nearest=True) - right) > 5e-3
    # Tails vanish at the cutoff with all derivatives: only a much shorter list is seen.
    shorter = eqx.tree_at(lambda s: s.space, SMALL, Periodic(CELL, 3.0))
    assert abs(observe(shorter, x).energy - right) > 0.01
    truncated = eqx.tree_at(lambda s: s.a, SMALL, jnp.asarray(3.77 / 2.0951))
    assert abs(observe(truncated, x).energy - right) > 1e-3


@pytest.mark.parametrize("potential", (FREE, SMALL, SKEWED), ids=("free", "cube", "skewed"))
@given(moves, seeds())
def test_closed_form_autodiff_and_differences(potential, moved, seed):
    x = jnp.asarray(SITES @ CELL + moved)
    seen, (energy, slope) = observe(potential, x), textbook(potential, x)
    size = 1 + float(jnp.sum(jnp.abs(seen.atomic_energies)))
    stiff = 1 + float(jnp.max(jnp.abs(slope)))
    assert abs(seen.energy - energy) <= 1e-12 * size
    assert abs(jnp.sum(seen.atomic_energies) - energy) <= 1e-12 * size
    np.testing.assert_allclose(seen.gradient, slope, rtol=0, atol=1e-11 * stiff)
    v = np.random.default_rng(seed).normal(size=x.shape)
    v, h = v / np.linalg.norm(v), 2e-4
    e = [float(observe(potential, x + k * h * v).energy) for k in (-2, -1, 1, 2)]
    difference = (e[0] - 8 * e[1] + 8 * e[2] - e[3]) / (12 * h)
    assert abs(jnp.sum(slope * v) - difference) <= 1e-6 * stiff


@given(moves, seeds())
def test_symmetries(moved, seed):
    x = SITES @ CELL + moved
    rng = np.random.default_rng(seed)
    order, turn = permutation(seed, 8), rotation(seed, reflect=bool(seed % 2))
    here = observe(FREE, x)
    there = observe(FREE, x[order] @ turn.T + rng.normal(size=3))
    size = 1 + np.sum(np.abs(here.atomic_energies)) + np.max(np.abs(here.gradient))
    assert abs(here.energy - there.energy) <= 1e-11 * size
    np.testing.assert_allclose(
        there.gradient, (here.gradient @ turn.T)[order], rtol=0, atol=1e-10 * size
    )
    here = observe(SMALL, x)
    size = 1 + np.sum(np.abs(here.atomic_energies)) + np.max(np.abs(here.gradient))
    there = observe(SMALL, x[order] + rng.integers(-2, 3, (8, 3)) @ CELL)
    np.testing.assert_allclose(
        there.gradient, here.gradient[order], rtol=0, atol=1e-10 * size
    )
    assert abs(here.energy - there.energy) <= 1e-11 * size


@pytest.mark.parametrize("preset", ("full", "paper"))
def test_perturbed_tilings(preset):
    moved = SITES @ CELL + np.random.default_rng(1).normal(0, 0.3, (8, 3))
    energies = []
    for count in (1, 2, 3):
        tiles = np.array(list(itertools.product(range(count), repeat=3))) @ CELL
        x = (moved[None] + tiles[:, None]).reshape(-1, 3)
        seen = observe(StillingerWeber.silicon(count * CELL, preset), x)
        energies.append(seen.energy / count**3)
    np.testing.assert_allclose(energies, energies[0], rtol=1e-12)


@given(st.floats(1.5, 4.5), st.floats(0.3, np.pi))
def test_dimer_and_trimer(r, angle):
    eps, sigma = 2.16826, 2.0951

    def pair(d):
        if d >= 1.8 * sigma * (1 - 1e-9):
            return 0.0
        u = sigma / d
        return 7.049556277 * eps * (0.6022245584 * u**4 - 1) * np.exp(1 / (1 / u - 1.8))

    def tail(d):
        return np.exp(1.2 / (d / sigma - 1.8)) if d < 1.8 * sigma * (1 - 1e-9) else 0.0

    ends = r * np.array([[1, 0, 0], [np.cos(angle), np.sin(angle), 0]])
    dimer = np.array([[0, 0, 0], ends[0]])
    np.testing.assert_allclose(observe(FREE, dimer).energy, pair(r), rtol=1e-11, atol=1e-14)
    base = 2 * r * np.sin(angle / 2)
    lam = 21 * eps
    expected = 2 * pair(r) + pair(base)
    expected += lam * (np.cos(angle) + 1 / 3) ** 2 * tail(r) ** 2
    corner = np.cos((np.pi - angle) / 2)
    expected += 2 * lam * (corner + 1 / 3) ** 2 * tail(r) * tail(base)
    got = observe(FREE, np.concatenate([[[0, 0, 0]], ends])).energy
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


@eqx.filter_jit
def curvature(potential, x):
    return jax.hessian(potential)(x)


parameter_slopes = eqx.filter_jit(eqx.filter_grad(lambda potential, x: potential(x)))


@settings(max_examples=10)
@given(st.floats(-1e-3, 1e-3))
def test_smooth_at_the_cutoff(gap):
    end = 1.8 * 2.0951
    for dtype in ("float32", "float64"):
        x = jnp.asarray([[0, 0, 0], [end + gap, 0, 0], [0, 2.3, 0]], dtype)
        seen = observe(FREE, x)
        assert bool(seen.valid)
        assert bool(jnp.all(jnp.isfinite(curvature(FREE, x))))
    pair = x[:2]
    assert abs(observe(FREE, pair).energy) + jnp.max(jnp.abs(curvature(FREE, pair))) < 1e-9


@given(moves)
def test_parameter_slopes_are_finite(moved):
    x = jnp.asarray(SITES @ CELL + 1.5 * moved)
    slopes = parameter_slopes(FREE, x)
    assert all(bool(jnp.all(jnp.isfinite(s))) for s in jax.tree.leaves(slopes))


def test_isolated_atoms():
    x = np.array([[0.0, 0, 0], [100, 0, 0], [0, 1e6, 0]])
    seen = observe(FREE, x)
    assert seen.energy == 0 and not np.any(seen.gradient)


def test_bad_input():
    with pytest.raises(ValueError, match="preset: 'half'"):
        StillingerWeber.silicon(preset="half")
    names = ("epsilon", "sigma", "A", "B", "p", "q", "a", "strength", "gamma")
    values = {name: getattr(FREE, name) for name in names}
    with pytest.raises(ValueError, match="space: lists pairs up to 3.0"):
        StillingerWeber(**values, space=Periodic(CELL, 3.0))
    with pytest.raises(ValueError, match="sigma"):
        StillingerWeber(**(values | {"sigma": -1.0}))
