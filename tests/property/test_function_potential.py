"""Any JAX function as a potential."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, strategies as st
from jaxtyping import Array, Float

from l2h.potentials import FunctionPotential


class Quartic(eqx.Module):
    """A function with a parameter of its own."""

    strength: Float[Array, ""]

    def __call__(self, x: Float[Array, "n d"]) -> Float[Array, ""]:
        return self.strength * jnp.sum(x**4)


@given(st.floats(-3, 3), st.floats(0.1, 3))
def test_value_and_gradient(x, strength):
    potential = FunctionPotential(Quartic(jnp.asarray(strength)))
    seen = potential.observe(jnp.full((4, 1), x))
    np.testing.assert_allclose(seen.energy, 4 * strength * x**4, rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(seen.gradient, 4 * strength * x**3, rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(jnp.sum(seen.atomic_energies), seen.energy, rtol=1e-12)


def test_parameters_are_leaves_and_follow_the_dtype():
    potential = FunctionPotential(Quartic(jnp.asarray(2.0)))
    x = jnp.ones((3, 1), jnp.float32)
    assert potential(x).dtype == x.dtype
    slope = eqx.filter_grad(lambda p: p(x))(potential).function.strength
    np.testing.assert_allclose(slope, 3.0)


def test_absolute_origin_is_kept():
    potential = FunctionPotential(lambda x: jnp.sum((x - 5) ** 2))
    x = jnp.full((3, 1), 2.0)
    assert jnp.all(potential.space.centre(x) == x)
    assert jnp.all(jnp.isfinite(jax.hessian(lambda y: potential(y))(x)))
