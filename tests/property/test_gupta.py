"""Metals: closed forms, crystals, derivatives of lone atoms, wrong variants."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays
from strategies import permutation, rotation, seeds

from l2h.potentials import Gupta, Taper
from l2h.spaces import Periodic

observe = eqx.filter_jit(lambda potential, x: potential.observe(x))
textbook = eqx.filter_jit(lambda potential, x: jax.value_and_grad(potential)(x))
hessian = eqx.filter_jit(lambda potential, x: jax.hessian(potential)(x))
parameter_slopes = eqx.filter_jit(eqx.filter_grad(lambda potential, x: potential(x)))

MIXED = np.array([0, 1, 1, 0, 1, 0])
ALLOYS = ("Ag-Au", "Ag-Pt", "Pd-Au", "Pd-Pt")
CASES = {
    "Au": Gupta.named("Au", 6),
    "Ag-Pt": Gupta.named("Ag-Pt", MIXED),
    "tapered": Gupta.named("Pd-Au", MIXED, taper=Taper(3.0, 5.0)),
    "periodic": Gupta.named(
        "Ag-Au",
        MIXED,
        space=Periodic(6.0 * np.eye(3) + 0.8 * np.eye(3, k=-1), 5.5),
        taper=Taper(3.5, 5.5),
    ),
}
each = pytest.mark.parametrize("potential", CASES.values(), ids=CASES)
OCTAHEDRON = 2.0 * np.concatenate([np.eye(3), -np.eye(3)])
moves = arrays(np.float64, (6, 3), elements=st.floats(-0.375, 0.375, width=32))

# Bulk cohesive energies (eV per atom) at the edge r0 sqrt(2), all shells.
CRYSTALS = [
    ("Au", 0, -3.7792),
    ("Ag", 0, -2.9925),
    ("Pd", 0, -3.9365),
    ("Pt", 0, -5.8532),
    ("Ag-Au", 1, -3.8249),
    ("Pd-Au", 1, -3.7792),
    ("Ag-Pt", 0, -2.9925),
]


def plain(x, potential, *, later_only=False, outside=False):
    """Return the energy by loops over atoms; the options are the paper's misprints."""
    names = ("A", "xi", "p", "q", "r0")
    A, xi, p, q, r0 = (np.asarray(getattr(potential, name)) for name in names)
    kinds = np.asarray(potential.species)
    energy = 0.0
    for i, a in enumerate(kinds):
        repulsion = density = 0.0
        for j, b in enumerate(kinds):
            if j == i or (later_only and j < i):
                continue
            stretch = np.linalg.norm(x[i] - x[j]) / r0[a, b] - 1
            repulsion += A[a, b] * np.exp(-p[a, b] * stretch)
            hop = 1.0 if outside else xi[a, b] ** 2
            density += hop * np.exp(-2 * q[a, b] * stretch)
        band = np.sqrt(density)
        energy += repulsion - (xi[a, a] ** 2 * band if outside else band)
    return energy


def size(seen):
    return 1 + float(jnp.sum(jnp.abs(seen.atomic_energies)))


@pytest.mark.parametrize(("name", "kind", "expected"), CRYSTALS)
def test_crystals(name, kind, expected):
    tables = Gupta.named(name, [kind])
    r0 = float(tables.r0[kind, kind])
    cell = r0 / np.sqrt(2) * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    crystal = eqx.tree_at(lambda g: g.space, tables, Periodic(cell, 4.5 * r0))
    seen = observe(crystal, np.zeros((1, 3)))
    np.testing.assert_allclose(seen.energy, expected, atol=5e-5)
    np.testing.assert_allclose(tables.scale.energy * 8.61, -expected, atol=5e-5)
    np.testing.assert_allclose(tables.scale.length, r0)


def test_printed_columns_are_no_metal():
    right, printed = Gupta.named("Au", 1), Gupta.named("Au-printed", 1)
    np.testing.assert_array_equal(right.A, printed.xi)
    cell = 2.884 / np.sqrt(2) * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    crystal = eqx.tree_at(lambda g: g.space, printed, Periodic(cell, 9.0))
    np.testing.assert_allclose(observe(crystal, np.zeros((1, 3))).energy, 20.9, atol=0.1)


def test_corrected_digits():
    def decay(name, kind):
        return float(Gupta.named(name, [0]).p[kind, kind])

    found = decay("Ag-Pt", 0), decay("Pd-Au", 1), decay("Ag-Au", 1)
    assert found == (10.85, 10.229, 10.139)
    found = decay("Ag-Pt-printed", 0), decay("Pd-Au-printed", 1)
    assert found == (10.86, 10.299)
    for name in ALLOYS:
        p = np.asarray(Gupta.named(name, [0]).p)
        assert abs(p[0, 1] - (p[0, 0] + p[1, 1]) / 2) < 0.01


@given(st.sampled_from(("Au", "Ag", "Pd", "Pt")), st.floats(0.6, 6))
def test_dimer(name, ratio):
    potential = Gupta.named(name, 2)
    parameters = [potential.A, potential.xi, potential.p, potential.q, potential.r0]
    A, xi, p, q, r0 = (float(t[0, 0]) for t in parameters)
    x = np.array([[0, 0, 0], [0, 0, ratio * r0]])
    seen = observe(potential, x)
    repulsion, band = A * np.exp(-p * (ratio - 1)), xi * np.exp(-q * (ratio - 1))
    scale = repulsion + band
    np.testing.assert_allclose(
        seen.energy, 2 * (repulsion - band), rtol=0, atol=1e-12 * scale
    )
    slope = 2 * (q * band - p * repulsion) / r0
    np.testing.assert_allclose(seen.gradient[1, 2], slope, rtol=0, atol=1e-11 * scale)
    rest = r0 * (1 + np.log(p * A / (q * xi)) / (p - q))
    still = observe(potential, np.array([[0, 0, 0], [rest, 0, 0]]))
    np.testing.assert_allclose(still.gradient, 0, atol=1e-12)


@pytest.mark.parametrize("name", ALLOYS)
@given(moves)
def test_plain_loops(name, moved):
    potential, x = Gupta.named(name, MIXED), OCTAHEDRON + moved
    seen = observe(potential, x)
    bound = 1e-12 * (size(seen) + 100)
    assert abs(seen.energy - plain(x, potential)) <= bound
    # Exchanging the species and the rows of the tables changes names only.
    tables = [t[::-1, ::-1] for t in (potential.A, potential.xi, potential.p)]
    tables += [t[::-1, ::-1] for t in (potential.q, potential.r0)]
    other = observe(Gupta(*tables, 1 - MIXED), x)
    assert abs(seen.energy - other.energy) <= bound


def test_misprints_are_caught():
    potential = Gupta.named("Au", 6)
    x = OCTAHEDRON + np.random.default_rng(0).normal(0, 0.1, (6, 3))
    right = float(observe(potential, x).energy)
    np.testing.assert_allclose(plain(x, potential), right, rtol=1e-12)
    orders = [np.random.default_rng(k).permutation(6) for k in range(4)]
    wrong = [plain(x[order], potential, later_only=True) for order in orders]
    assert np.ptp(wrong) > 0.1 and abs(wrong[0] - right) > 1
    assert abs(plain(x, potential, outside=True) - right) > 1
    assert abs(plain(x, Gupta.named("Au-printed", 6)) - right) > 1
    short = eqx.tree_at(
        lambda g: g.taper, potential, Taper(2.9, 3.1), is_leaf=lambda t: t is None
    )
    assert abs(observe(short, x).energy - right) > 0.1


@each
@given(moves, seeds())
def test_closed_form_autodiff_and_differences(potential, moved, seed):
    x = jnp.asarray(OCTAHEDRON + moved)
    seen, (energy, slope) = observe(potential, x), textbook(potential, x)
    stiff = 1 + float(jnp.max(jnp.abs(slope)))
    assert abs(seen.energy - energy) <= 1e-12 * (size(seen) + stiff)
    assert abs(jnp.sum(seen.atomic_energies) - energy) <= 1e-12 * (size(seen) + stiff)
    np.testing.assert_allclose(seen.gradient, slope, rtol=0, atol=1e-11 * stiff)
    assert jnp.max(jnp.abs(jnp.sum(slope, axis=0))) <= 1e-11 * stiff
    v = np.random.default_rng(seed).normal(size=x.shape)
    v, h = v / np.linalg.norm(v), 3e-4
    e = [float(observe(potential, x + k * h * v).energy) for k in (-2, -1, 1, 2)]
    difference = (e[0] - 8 * e[1] + 8 * e[2] - e[3]) / (12 * h)
    assert abs(jnp.sum(slope * v) - difference) <= 1e-6 * stiff


@given(moves, seeds())
def test_symmetries(moved, seed):
    x, rng = OCTAHEDRON + moved, np.random.default_rng(seed)
    order, turn = permutation(seed, 6), rotation(seed, reflect=bool(seed % 2))
    here = observe(CASES["Ag-Pt"], x)
    moved_on = Gupta.named("Ag-Pt", MIXED[order])
    there = observe(moved_on, x[order] @ turn.T + rng.normal(size=3))
    bound = 1e-10 * (size(here) + float(jnp.max(jnp.abs(here.gradient))))
    assert abs(here.energy - there.energy) <= bound
    np.testing.assert_allclose(
        there.gradient, (here.gradient @ turn.T)[order], rtol=0, atol=bound
    )
    potential = CASES["periodic"]
    cell = np.asarray(potential.space.cell)
    here = observe(potential, x)
    there = observe(potential, x + rng.integers(-2, 3, (6, 3)) @ cell)
    bound = 1e-10 * (size(here) + float(jnp.max(jnp.abs(here.gradient))))
    np.testing.assert_allclose(there.gradient, here.gradient, rtol=0, atol=bound)


@pytest.mark.parametrize("dtype", ("float32", "float64"))
@given(st.floats(0, 9))
def test_alone_is_safe(dtype, exponent):
    potential = Gupta.named("Ag-Au", [0, 1, 0])
    x = jnp.asarray([[0, 0, 0], [10**exponent + 1, 0, 0], [0, -1e9, 0]], dtype)
    seen, (energy, slope) = observe(potential, x), textbook(potential, x)
    assert bool(seen.valid) and bool(jnp.isfinite(energy) & jnp.all(jnp.isfinite(slope)))
    assert bool(jnp.all(jnp.isfinite(hessian(potential, x))))
    leaves = jax.tree.leaves(
        eqx.filter(parameter_slopes(potential, x), eqx.is_inexact_array)
    )
    assert all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in leaves)
    assert seen.atomic_energies[2] == 0 and not np.any(seen.gradient[2])


@given(moves)
def test_curvature(moved):
    potential, x = CASES["tapered"], jnp.asarray(OCTAHEDRON + moved)
    curvature, h = hessian(potential, x), 1e-4
    assert bool(jnp.all(jnp.isfinite(curvature)))
    step = np.zeros((6, 3))
    step[2, 1] = h
    g = [observe(potential, x + k * step).gradient for k in (-2, -1, 1, 2)]
    difference = (g[0] - 8 * g[1] + 8 * g[2] - g[3]) / (12 * h)
    bound = 1e-5 * (1 + float(jnp.max(jnp.abs(curvature))))
    np.testing.assert_allclose(curvature[:, :, 2, 1], difference, rtol=0, atol=bound)


def test_taper_ends_smoothly():
    taper = Taper(3.0, 5.0)
    r = jnp.asarray([2.0, 3.0, 4.0, 5.0, 6.0])
    factor, slope = taper(r)
    np.testing.assert_allclose(factor, [1, 1, 0.5, 0, 0], atol=1e-15)
    expected = jax.vmap(jax.grad(lambda d: taper(d)[0]))(r)
    np.testing.assert_allclose(slope, expected, atol=1e-14)
    bend = jax.vmap(jax.grad(lambda d: taper(d)[1]))(jnp.asarray([3.0 + 1e-9, 5.0 - 1e-9]))
    np.testing.assert_allclose(bend, 0, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Gupta.named("Xy", 3), "name: 'Xy' is unknown"),
        (lambda: Gupta.named("Ag-Au", 3), "0 = Ag, 1 = Au"),
        (lambda: Gupta.named("Ag-Au", [0, 2]), "from 0 to 1"),
        (lambda: Gupta.named("Au", np.array([0.0, 1.0])), "species"),
        (lambda: Gupta.named("Au", 2)(jnp.zeros((3, 3))), "positions: 3 atoms"),
        (lambda: Gupta.named("Au", 2, taper=Taper(3.0, 2.0)), "end: 2.0"),
        (
            lambda: Gupta.named(
                "Au", 2, space=Periodic(9 * np.eye(3), 4.0), taper=Taper(3.0, 5.0)
            ),
            "taper: ends at 5.0",
        ),
    ],
)
def test_bad_input(make, match):
    with pytest.raises(ValueError, match=match):
        make()
