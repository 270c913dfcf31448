"""What the network knows of time."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import State

COUNT = 5


def clock(state: State) -> Float[Array, " clock"]:
    """Return progress through the granted steps, and the number of them.

    Sharp exponentials mark the first and the last tenth, where annealing differs; the
    logarithm of the horizon lets one network anneal at any pace.
    """
    dtype = state.best_energy.dtype
    t = state.steps.astype(dtype)
    horizon = jnp.maximum(state.horizon, 1).astype(dtype)
    left = 1 - t / horizon
    return jnp.stack(
        [
            1 - left,
            jnp.exp(-10 * (1 - left)),
            jnp.exp(-10 * left),
            jnp.tanh(t / 100),
            jnp.log10(horizon) - 2.5,
        ]
    )
