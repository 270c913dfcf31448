"""An optimizer on a potential from a start."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ._leaves import compiled, concrete, require_instance, require_structure
from .optimizers import AbstractOptimizer, State
from .optimizers.loop import (
    AbstractWatch,
    Status as Status,
    advance as advance,
    counted,
    run,
)
from .potentials import AbstractPotential


class Trace(eqx.Module):
    """Every k-th state of a rollout, the start included."""

    steps: Int[Array, " t"]
    energies: Float[Array, " t"]
    best_energies: Float[Array, " t"]
    positions: Float[Array, "t n d"]


class Rollout(eqx.Module):
    """The result of a rollout: its final state, how it ended, and what was asked for."""

    state: State
    status: Status
    """Why it ended: the watch's reason, else spent, or invalid if the last energy or
    gradient is not finite."""
    trace: Trace | None = None
    notes: Any = None
    """Those of the watch, if there is one."""

    @property
    def best_energy(self) -> Float[Array, ""]:
        """Lowest energy seen."""
        return self.state.best_energy

    @property
    def best_positions(self) -> Float[Array, "n d"]:
        """Positions of lowest energy."""
        return self.state.best_positions


def rollout(
    optimizer: AbstractOptimizer,
    potential: AbstractPotential,
    positions: Float[Array, "n d"],
    steps: Int[Array, ""] | int,
    *,
    key: PRNGKeyArray,
    horizon: Int[Array, ""] | int | None = None,
    trace_every: int | None = None,
    watch: AbstractWatch | None = None,
) -> Rollout:
    """Run an optimizer from a start.

    Compiled where it is called with known values, and only once for all numbers of steps
    (with a trace, once for each).

    Arguments:
        optimizer: any optimizer.
        potential: the energy surface.
        positions: the start, in the potential's unit of length.
        steps: number of steps, hence `steps + 1` evaluations with the start.
        key: for stochastic optimizers; same key, same rollout.
        horizon: number of steps that the optimizer believes it has; `steps` by default.
        trace_every: if given, keep every so-manieth state; `steps` must then be a concrete
            multiple of it.
        watch: takes notes along the way, and may end the rollout.

    Returns:
        The final state, with the best structure seen, how the rollout ended, the trace,
        and the notes of the watch.

    Raises:
        ValueError: if `steps` is negative or does not divide into trace intervals; if an
            argument is of another kind, or positions are not one structure of
            floating-point numbers in the potential's space; or, where they are known
            before tracing, if they are not finite or atoms coincide.
    """
    require_instance(optimizer=(optimizer, AbstractOptimizer))
    require_instance(potential=(potential, AbstractPotential))
    require_structure(positions, potential.space.dimension)
    _check_finite(positions)
    if isinstance(steps, int) and steps < 0:
        raise ValueError(f"steps: {steps} given; it must not be negative.")
    if trace_every is not None and (
        not isinstance(steps, int) or trace_every < 1 or steps % trace_every
    ):
        raise ValueError(
            f"trace_every: {trace_every} does not divide {steps} steps; give a positive "
            "integer that does."
        )
    given = (optimizer, potential, positions, key)
    horizon = counted(steps if horizon is None else horizon, given)
    state = _begin(optimizer, potential, jnp.asarray(positions), horizon, key)
    _check_seen(state)
    if trace_every is None:
        steps = counted(steps, given)
    return _go(optimizer, potential, state, steps, trace_every, watch, key)


@compiled
def _begin(
    optimizer: AbstractOptimizer,
    potential: AbstractPotential,
    positions: Float[Array, "n d"],
    horizon: Int[Array, ""] | int,
    key: PRNGKeyArray,
) -> State:
    start_key = jax.random.fold_in(key, 0)
    return optimizer.init(potential, positions, horizon=horizon, key=start_key)


@compiled
def _go(
    optimizer: AbstractOptimizer,
    potential: AbstractPotential,
    state: State,
    steps: Int[Array, ""] | int,
    trace_every: int | None,
    watch: AbstractWatch | None,
    key: PRNGKeyArray,
) -> Rollout:
    notes = None if watch is None else watch.begin(potential, state)

    def piece(carry: tuple[State, Any], count: Int[Array, ""] | int) -> tuple[State, Any]:
        state, notes = carry
        return run(optimizer, potential, state, count, watch, notes, key=key)

    def record(state: State) -> tuple[Array, ...]:
        seen = state.observation
        return state.steps, seen.energy, state.best_energy, seen.positions

    def chunk(
        carry: tuple[State, Any], _: None
    ) -> tuple[tuple[State, Any], tuple[Array, ...]]:
        carry = piece(carry, trace_every or 0)
        return carry, record(carry[0])

    trace = None
    if trace_every is None:
        state, notes = piece((state, notes), steps)
    else:
        first, length = record(state), int(steps) // trace_every
        (state, notes), rest = jax.lax.scan(chunk, (state, notes), None, length=length)
        trace = Trace(
            *(jnp.concatenate([a[None], b]) for a, b in zip(first, rest, strict=True))
        )
    status = Status.where(state.observation.valid, Status.spent, Status.invalid)
    ended = None if watch is None else watch.status(notes)
    if ended is not None:
        status = Status.where(ended == Status.unfinished, status, ended)
    return Rollout(state, status, trace, notes)


def _check_finite(positions: Float[Array, "n d"]) -> None:
    known = concrete(positions)
    if known is not None and not np.all(np.isfinite(known)):
        atom = int(np.argwhere(~np.isfinite(known))[0, 0])
        raise ValueError(
            f"positions: atom {atom} is at {known[atom]}; give finite numbers."
        )


def _check_seen(state: State) -> None:
    known = concrete(state.valid)
    if known is not None and not known:
        raise ValueError(
            f"positions: the start has energy {float(state.observation.energy)} and a "
            "gradient that is not finite; separate atoms that coincide."
        )
