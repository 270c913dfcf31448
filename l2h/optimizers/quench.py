"""Relaxation to the nearest minimum, its evaluations counted."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .._leaves import cast, require_positive
from ..potentials import AbstractPotential, Observation
from .base import AbstractOptimizer, State
from .lbfgs import LBFGS


class Quench(eqx.Module):
    """A relaxed structure and what it cost."""

    positions: Float[Array, "n d"]
    energy: Float[Array, ""]
    gradient_rms: Float[Array, ""]
    """Per coordinate, in natural energies per natural length."""
    evaluations: Int[Array, ""]
    """Energy-and-gradient evaluations made, the start's included."""
    converged: Bool[Array, ""]
    """Whether `gradient_rms` fell below the tolerance."""


def gradient_rms(
    potential: AbstractPotential, observation: Observation
) -> Float[Array, ""]:
    """Return the root mean square of the gradient's components, in natural units.

    Arguments:
        potential: gives the natural energy and length.
        observation: one evaluation of it.
    """
    unit = cast(potential.scale, observation.positions.dtype)
    return jnp.sqrt(jnp.mean((observation.gradient * (unit.length / unit.energy)) ** 2))


def quench(
    potential: AbstractPotential,
    positions: Float[Array, "n d"],
    *,
    tolerance: Float[Array, ""] | float = 1e-8,
    limit: Int[Array, ""] | int = 2000,
    optimizer: AbstractOptimizer[Any] | None = None,
) -> Quench:
    """Relax a structure until its gradient vanishes.

    Under `jax.vmap`, evaluations are counted for each structure by itself: those that have
    converged wait for the slowest, but neither move nor count.

    Arguments:
        potential: the energy surface.
        positions: the start, in the potential's unit of length.
        tolerance: root mean square of the gradient per coordinate, in natural energies per
            natural length. Float32 does not reach the default.
        limit: largest number of evaluations.
        optimizer: a deterministic optimizer; L-BFGS by default.

    Returns:
        The last structure, which is a minimum if `converged` is true.

    Raises:
        ValueError: if `tolerance` or `limit` is not positive.
    """
    require_positive(tolerance=tolerance, limit=limit)
    optimizer = LBFGS() if optimizer is None else optimizer
    tolerance = jnp.asarray(tolerance, positions.dtype)
    key = jax.random.key(0)

    def converged(state: State) -> Bool[Array, ""]:
        return gradient_rms(potential, state.observation) < tolerance

    def unfinished(state: State) -> Bool[Array, ""]:
        # An invalid start cannot be rescued; later trials that are not finite can.
        lost = ~jnp.isfinite(state.best_energy)
        return ~converged(state) & ~lost & (state.evaluations < limit)

    def body(state: State) -> State:
        return optimizer.step(potential, state, key=key)

    start = optimizer.init(potential, positions, horizon=limit, key=key)
    state = jax.lax.while_loop(unfinished, body, start)
    return Quench(
        positions=state.observation.positions,
        energy=state.observation.energy,
        gradient_rms=gradient_rms(potential, state.observation),
        evaluations=state.evaluations,
        converged=converged(state),
    )
