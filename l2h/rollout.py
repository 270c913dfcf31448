"""The one loop: an optimizer on a potential from a start."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ._leaves import concrete
from .optimizers import AbstractOptimizer, State
from .potentials import AbstractPotential


class Trace(eqx.Module):
    """Every k-th state of a rollout, the start included."""

    steps: Int[Array, " t"]
    energies: Float[Array, " t"]
    best_energies: Float[Array, " t"]
    positions: Float[Array, "t n d"]


class Rollout(eqx.Module):
    """The result of a rollout: its final state and, if asked for, a trace."""

    state: State
    trace: Trace | None = None

    @property
    def best_energy(self) -> Float[Array, ""]:
        """Lowest energy seen."""
        return self.state.best_energy

    @property
    def best_positions(self) -> Float[Array, "n d"]:
        """Positions of lowest energy."""
        return self.state.best_positions


def advance(
    optimizer: AbstractOptimizer,
    potential: AbstractPotential,
    state: State,
    steps: Int[Array, ""] | int,
    *,
    key: PRNGKeyArray,
) -> State:
    """Take `steps` further steps.

    The key of a step is `fold_in(key, index of the step)`: advancing by a and then by b
    equals advancing by a + b, with the same `key`.

    Arguments:
        optimizer: any optimizer.
        potential: the energy surface.
        state: where to go on.
        steps: how many steps; may be traced, one compilation serves all.
        key: the rollout's key.
    """

    def body(_: Any, state: State) -> State:
        return optimizer.step(
            potential, state, key=jax.random.fold_in(key, state.evaluations)
        )

    return jax.lax.fori_loop(0, steps, body, state)


def rollout(
    optimizer: AbstractOptimizer,
    potential: AbstractPotential,
    positions: Float[Array, "n d"],
    steps: Int[Array, ""] | int,
    *,
    key: PRNGKeyArray,
    horizon: Int[Array, ""] | int | None = None,
    trace_every: int | None = None,
) -> Rollout:
    """Run an optimizer from a start.

    Arguments:
        optimizer: any optimizer.
        potential: the energy surface.
        positions: the start, in the potential's unit of length.
        steps: number of steps, hence `steps + 1` evaluations with the start.
        key: for stochastic optimizers; same key, same rollout.
        horizon: number of steps that the optimizer believes it has; `steps` by default.
        trace_every: if given, keep every so-manieth state; `steps` must then be a concrete
            multiple of it.

    Returns:
        The final state, with the best structure seen, and the trace.

    Raises:
        ValueError: if `steps` is negative or does not divide into trace intervals; if
            positions have another dimension than the potential's space; or, where they
            are known before tracing, if they are not finite or atoms coincide.
    """
    _check_start(potential, positions)
    if isinstance(steps, int) and steps < 0:
        raise ValueError(f"steps: {steps} given; it must not be negative.")
    horizon = steps if horizon is None else horizon
    state = optimizer.init(
        potential, positions, horizon=horizon, key=jax.random.fold_in(key, 0)
    )
    _check_seen(state)
    if trace_every is None:
        return Rollout(advance(optimizer, potential, state, steps, key=key))
    if not isinstance(steps, int) or trace_every < 1 or steps % trace_every:
        raise ValueError(
            f"trace_every: {trace_every} does not divide {steps} steps; give a positive "
            "integer that does."
        )

    def record(state: State) -> tuple[Array, ...]:
        seen = state.observation
        return state.steps, seen.energy, state.best_energy, seen.positions

    def chunk(state: State, _: None) -> tuple[State, tuple[Array, ...]]:
        state = advance(optimizer, potential, state, trace_every, key=key)
        return state, record(state)

    first = record(state)
    state, rest = jax.lax.scan(chunk, state, None, length=steps // trace_every)
    columns = [jnp.concatenate([a[None], b]) for a, b in zip(first, rest, strict=True)]
    return Rollout(state, Trace(*columns))


def _check_start(potential: AbstractPotential, positions: Float[Array, "n d"]) -> None:
    if positions.shape[-1] != potential.space.dimension:
        raise ValueError(
            f"positions: {positions.shape[-1]} coordinates per atom, but the potential's "
            f"space has {potential.space.dimension}; give an array of that shape."
        )
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
