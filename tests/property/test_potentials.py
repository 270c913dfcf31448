"""What holds for every potential: symmetry, and two independent forms that agree."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from strategies import far_flung, permutation, rotation, seeds, separated, structures

from l2h.potentials import (
    AbstractPotential,
    FunctionPotential,
    LennardJones,
    SoftSphere,
)
from l2h.spaces import Free


def harmonic_bonds(positions):
    """Return a smooth, invariant black box: a quartic in the squared distances."""
    differences = positions[:, None, :] - positions[None, :, :]
    squares = jnp.sum(differences**2, axis=-1)
    return jnp.sum((squares - 1) ** 2) / 4


@dataclasses.dataclass(frozen=True)
class Case:
    """A potential and what may be asked of it."""

    potential: AbstractPotential
    parameters: tuple[str, ...]
    extensive: bool = True


CASES = {
    "LennardJones": Case(LennardJones(1.3, 0.7), ("length", "energy")),
    # An exponent of 6 is smooth enough for finite differences across contact.
    "SoftSphere": Case(SoftSphere(1.4, 0.7, 6.0), ("length", "energy", "exponent")),
    "FunctionPotential": Case(
        FunctionPotential(harmonic_bonds, space=Free()), (), extensive=False
    ),
}
each = pytest.mark.parametrize("case", CASES.values(), ids=CASES)

energy = eqx.filter_jit(lambda potential, x: potential(x))
gradient = eqx.filter_jit(lambda potential, x: jax.grad(lambda y: potential(y))(x))
observe = eqx.filter_jit(lambda potential, x: potential.observe(x))


@eqx.filter_jit
def hessian_products(potential, x, v):
    """Return Hessian times `v` by each of the two forms."""
    textbook = jax.jvp(jax.grad(lambda y: potential(y)), (x,), (v,))[1]
    closed = jax.jvp(lambda y: potential.observe(y).gradient, (x,), (v,))[1]
    return textbook, closed


parameter_gradient = eqx.filter_jit(eqx.filter_grad(lambda potential, x: potential(x)))


def scaled(case, positions):
    return positions * float(case.potential.scale.length)


def magnitude(case, x):
    """Return a bound on the size of energies in `x`, for tolerances."""
    seen = observe(case.potential, x)
    return float(jnp.sum(jnp.abs(seen.atomic_energies))) + float(
        case.potential.scale.energy
    )


def stiffness(case, x):
    unit = case.potential.scale
    size = float(jnp.sqrt(jnp.sum(observe(case.potential, x).gradient ** 2)))
    return size + 0.01 * float(unit.energy / unit.length)


def direction(seed, shape):
    v = np.random.default_rng(seed).normal(size=shape)
    return v / np.linalg.norm(v)


@each
@given(structures(), seeds())
def test_forces_are_finite_differences(case, positions, seed):
    x, v = scaled(case, positions), direction(seed, positions.shape)
    h = 5e-4 * float(case.potential.scale.length)
    e = [float(energy(case.potential, x + k * h * v)) for k in (-2, -1, 1, 2)]
    difference = (e[0] - 8 * e[1] + 8 * e[2] - e[3]) / (12 * h)
    slope = float(jnp.sum(observe(case.potential, x).gradient * v))
    assert abs(slope - difference) <= 1e-6 * stiffness(case, x)


@each
@given(structures())
def test_closed_form_is_autodiff_of_textbook(case, positions):
    x = scaled(case, positions)
    seen = observe(case.potential, x)
    assert abs(seen.energy - energy(case.potential, x)) <= 1e-12 * magnitude(case, x)
    error = jnp.max(jnp.abs(seen.gradient - gradient(case.potential, x)))
    assert error <= 1e-11 * stiffness(case, x)
    assert abs(jnp.sum(seen.atomic_energies) - seen.energy) <= 1e-12 * magnitude(case, x)
    assert bool(seen.valid)


@each
@given(structures(), seeds())
def test_second_derivatives(case, positions, seed):
    x, v = scaled(case, positions), direction(seed, positions.shape)
    textbook, closed = hessian_products(case.potential, x, v)
    assert bool(jnp.all(jnp.isfinite(textbook)) & jnp.all(jnp.isfinite(closed)))
    h = 5e-4 * float(case.potential.scale.length)
    g = [observe(case.potential, x + k * h * v).gradient for k in (-2, -1, 1, 2)]
    difference = (g[0] - 8 * g[1] + 8 * g[2] - g[3]) / (12 * h)
    # One atom's rounding is that of the largest gradient, divided by h.
    size = float(jnp.max(jnp.abs(textbook))) + 1e-3 * stiffness(case, x)
    np.testing.assert_allclose(closed, textbook, rtol=0, atol=1e-9 * size)
    np.testing.assert_allclose(difference, textbook, rtol=0, atol=1e-6 * size)


@each
@given(separated())
def test_parameter_gradients(case, positions):
    x = scaled(case, positions)
    slopes = parameter_gradient(case.potential, x)
    for name in case.parameters:
        value = getattr(case.potential, name)
        h = 1e-4 * float(value)

        def shifted(k, name=name, value=value, h=h):
            moved = eqx.tree_at(lambda p: getattr(p, name), case.potential, value + k * h)
            return float(energy(moved, x))

        e = [shifted(k) for k in (-2, -1, 1, 2)]
        difference = (e[0] - 8 * e[1] + 8 * e[2] - e[3]) / (12 * h)
        slope = float(getattr(slopes, name))
        assert np.isfinite(slope)
        assert abs(slope - difference) <= 1e-7 * (abs(slope) + magnitude(case, x))


@each
@given(structures(), seeds(), st.booleans())
def test_euclidean_moves(case, positions, seed, reflect):
    x = scaled(case, positions)
    q = rotation(seed, reflect=reflect)
    shift = np.random.default_rng(seed).normal(size=3)
    here, there = observe(case.potential, x), observe(case.potential, x @ q.T + shift)
    assert abs(here.energy - there.energy) <= 1e-11 * magnitude(case, x)
    error = jnp.max(jnp.abs(there.gradient - here.gradient @ q.T))
    assert error <= 1e-9 * stiffness(case, x)


@each
@given(structures(), seeds())
def test_permutation(case, positions, seed):
    x, order = scaled(case, positions), permutation(seed, len(positions))
    here, there = observe(case.potential, x), observe(case.potential, x[order])
    assert abs(here.energy - there.energy) <= 1e-12 * magnitude(case, x)
    error = jnp.max(jnp.abs(there.gradient - here.gradient[order]))
    assert error <= 1e-11 * stiffness(case, x)
    shares = jnp.max(jnp.abs(there.atomic_energies - here.atomic_energies[order]))
    assert shares <= 1e-12 * magnitude(case, x)


@each
@given(structures())
def test_no_net_force_or_torque(case, positions):
    x = scaled(case, positions)
    forces = -observe(case.potential, x).gradient
    size = stiffness(case, x)
    assert jnp.max(jnp.abs(jnp.sum(forces, axis=0))) <= 1e-11 * size
    lever = 1 + np.max(np.abs(x))
    torque = jnp.sum(jnp.cross(jnp.asarray(x), forces), axis=0)
    assert jnp.max(jnp.abs(torque)) <= 1e-11 * size * lever


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name].extensive])
@given(separated(sizes=(2, 5)))
def test_separated_copies_add(name, positions):
    case = CASES[name]
    x = scaled(case, positions)
    far = np.array([1e4, 0, 0]) * float(case.potential.scale.length)
    both = energy(case.potential, np.concatenate([x, x + far]))
    assert abs(both - 2 * energy(case.potential, x)) <= 1e-10 * magnitude(case, x)


@each
@given(st.one_of(separated(), far_flung()))
def test_single_precision(case, positions):
    x = scaled(case, positions).astype("float32")
    narrow = observe(case.potential, x)
    assert {a.dtype.name for a in jax.tree.leaves(narrow)} == {"float32"}
    x = x.astype("float64")
    wide = observe(case.potential, x)
    budget = 200 * float(np.finfo("float32").eps) * (1 + np.max(np.abs(x)))
    size = magnitude(case, x)
    assert abs(float(narrow.energy) - float(wide.energy)) <= budget * size
    error = np.max(np.abs(np.asarray(narrow.gradient, float) - np.asarray(wide.gradient)))
    assert error <= budget * (10 * size + stiffness(case, x))
