"""The evaluation at which a search first hits."""

import dataclasses
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from .._leaves import as_array
from ..optimizers import AbstractOptimizer, State, untrained
from ..potentials import AbstractPotential, Observation


class FirstHitMemory(eqx.Module):
    """What the optimizer remembers, and when it first hit."""

    inner: Any
    first: Int[Array, ""]
    """Evaluations made when the best energy first reached the target; zero before."""


class FirstHit(AbstractOptimizer[FirstHitMemory]):
    """Any optimizer, unchanged, with a note of its first hit: the harness's own.

    Arguments:
        optimizer: what is watched.
        target: highest energy that counts as a hit, in the potential's unit; minus
            infinity where none is known.
    """

    optimizer: AbstractOptimizer
    target: Float[Array, ""] = eqx.field(converter=as_array)

    def begin(
        self,
        potential: AbstractPotential,
        observation: Observation,
        *,
        horizon: Int[Array, ""],
        key: PRNGKeyArray,
    ) -> FirstHitMemory:
        inner = self.optimizer.begin(potential, observation, horizon=horizon, key=key)
        return FirstHitMemory(inner, jnp.asarray(0, jnp.int32))

    def move(
        self,
        potential: AbstractPotential,
        state: State[FirstHitMemory],
        *,
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, "n d"], FirstHitMemory]:
        first = self.first(state)
        bare = dataclasses.replace(state, memory=state.memory.inner)
        positions, inner = self.optimizer.move(potential, bare, key=key)
        return positions, FirstHitMemory(inner, first)

    def first(self, state: State[FirstHitMemory]) -> Int[Array, ""]:
        """Return the evaluations made when the target was first reached; zero if never.

        Arguments:
            state: one that this optimizer made.
        """
        hit = state.best_energy <= self.target.astype(state.best_energy.dtype)
        return jnp.where(
            (state.memory.first == 0) & hit, state.evaluations, state.memory.first
        )

    def trainable(self) -> PyTree:
        return untrained(self)
