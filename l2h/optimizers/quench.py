"""Relaxation to the nearest minimum, its evaluations counted."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .._leaves import compiled, require_instance, require_positive, require_structure
from ..potentials import AbstractPotential
from .base import AbstractOptimizer
from .lbfgs import LBFGS
from .loop import Status, UntilConverged, gradient_rms, run


class Quench(eqx.Module):
    """A relaxed structure and what it cost."""

    positions: Float[Array, "n d"]
    """The last structure, where it has converged; the lowest of all otherwise."""
    energy: Float[Array, ""]
    gradient_rms: Float[Array, ""]
    """Of the last structure, per coordinate, in natural energies per natural length."""
    evaluations: Int[Array, ""]
    """Energy-and-gradient evaluations made, the start's included."""
    status: Status
    """Why it ended: converged, stalled, spent or invalid."""

    @property
    def converged(self) -> Bool[Array, "..."]:
        """Whether `gradient_rms` fell below the tolerance."""
        return self.status == Status.converged


def quench(
    potential: AbstractPotential,
    positions: Float[Array, "n d"],
    *,
    tolerance: Float[Array, ""] | float = 1e-8,
    limit: Int[Array, ""] | int = 2000,
    patience: Int[Array, ""] | int = 100,
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
        patience: evaluations without a lower energy or gradient after which it gives up.
        optimizer: a deterministic optimizer; L-BFGS by default.

    Returns:
        A minimum if `converged` is true, and the lowest structure on the way otherwise: the
        last one may be a step too far.

    Raises:
        ValueError: if `tolerance`, `limit` or `patience` is not positive, or an argument
            is of another kind.
    """
    require_positive(tolerance=tolerance, limit=limit, patience=patience)
    optimizer = LBFGS() if optimizer is None else optimizer
    require_instance(potential=(potential, AbstractPotential))
    require_instance(optimizer=(optimizer, AbstractOptimizer))
    require_structure(positions, potential.space.dimension)
    watch = UntilConverged(
        jnp.asarray(tolerance, positions.dtype), jnp.asarray(patience, jnp.int32)
    )
    limit = jnp.asarray(limit, jnp.int32)
    return _quench(optimizer, potential, jnp.asarray(positions), limit, watch)


@compiled
def _quench(
    optimizer: AbstractOptimizer,
    potential: AbstractPotential,
    positions: Float[Array, "n d"],
    limit: Int[Array, ""],
    watch: UntilConverged,
) -> Quench:
    key = jax.random.key(0)
    start = optimizer.init(potential, positions, horizon=limit, key=key)
    state, progress = run(optimizer, potential, start, limit - 1, watch, key=key)
    going = progress.status == Status.unfinished
    ended = progress.status == Status.converged
    return Quench(
        positions=jnp.where(ended, state.observation.positions, state.best_positions),
        energy=jnp.where(ended, state.observation.energy, state.best_energy),
        gradient_rms=gradient_rms(potential, state.observation),
        evaluations=state.evaluations,
        status=Status.where(going, Status.spent, progress.status),
    )
