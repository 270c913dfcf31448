"""Features of single coordinates: the paper's kind of learned optimizer."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._leaves import cast
from ...potentials import AbstractPotential, Observation
from ..base import State
from .base import AbstractFeatures, Reading
from .clock import COUNT as CLOCK, clock

DECAYS = np.array([0.5, 0.9, 0.99, 0.999])
SQUARE_DECAY = 0.999


class ComponentMemory(eqx.Module):
    """Running means per coordinate."""

    momenta: Float[Array, "m n d"]
    squares: Float[Array, "n d"]


class Componentwise(AbstractFeatures[ComponentMemory]):
    """Gradient and momenta of one coordinate at a time; the network knows no geometry.

    Inputs: gradient and its momenta at four decays, once squashed by magnitude
    (arcsinh) and once divided by the running root mean square, and the clock. The one
    direction is the coordinate axis itself. Works for any potential, test functions
    included; permutation-equivariant, but not under rotations.
    """

    directions: ClassVar[int] = 1
    inputs: ClassVar[int] = 2 * (1 + len(DECAYS)) + CLOCK

    def begin(
        self, potential: AbstractPotential, observation: Observation
    ) -> ComponentMemory:
        zeros = jnp.zeros_like(observation.gradient)
        return ComponentMemory(jnp.zeros((len(DECAYS), *zeros.shape), zeros.dtype), zeros)

    def read(
        self, potential: AbstractPotential, state: State[ComponentMemory]
    ) -> tuple[Reading, ComponentMemory]:
        seen, memory = state.observation, state.memory
        dtype = seen.positions.dtype
        unit = cast(potential.scale, dtype)
        gradient = jnp.clip(seen.gradient * (unit.length / unit.energy), -100, 100)
        decays = jnp.asarray(DECAYS, dtype)[:, None, None]
        momenta = decays * memory.momenta + (1 - decays) * gradient[None]
        squares = SQUARE_DECAY * memory.squares + (1 - SQUARE_DECAY) * gradient**2
        age = (state.steps + 1).astype(dtype)
        typical = jnp.sqrt(squares / (1 - SQUARE_DECAY**age) + 1e-12)
        stacked = jnp.concatenate([gradient[None], momenta])
        rows = gradient.size
        own = jnp.concatenate(
            [jnp.arcsinh(stacked), jnp.clip(stacked / typical[None], -5, 5)]
        )
        reading = Reading(
            inputs=own.reshape(-1, rows),
            basis=jnp.ones((1, 1, rows), dtype),
            shared=clock(state).astype(dtype),
        )
        return reading, ComponentMemory(momenta, squares)

    def arrange(
        self, combined: Float[Array, "c r"], shape: tuple[int, ...]
    ) -> Float[Array, "n d"]:
        return combined.reshape(shape)
