"""The contract of inner optimizers: one step is one energy-and-gradient evaluation."""

from abc import abstractmethod
from typing import Generic, TypeVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from .._leaves import AbstractTrainable
from ..potentials import AbstractPotential, Observation

Memory = TypeVar("Memory")


class State(eqx.Module, Generic[Memory]):
    """Where an optimizer stands: what it sees, the best it saw, what it remembers."""

    observation: Observation
    """The evaluation at the current positions, made once."""
    best_energy: Float[Array, ""]
    """Lowest energy of any valid observation so far; infinite if there was none."""
    best_positions: Float[Array, "n d"]
    valid: Bool[Array, ""]
    """False once any observation was not finite; such a state never becomes the best."""
    evaluations: Int[Array, ""]
    """Energy-and-gradient evaluations so far, the start's included."""
    horizon: Int[Array, ""]
    """Number of steps granted."""
    memory: Memory

    @staticmethod
    def first(
        seen: Observation, horizon: Int[Array, ""], memory: Memory
    ) -> "State[Memory]":
        """Return the state after the first evaluation."""
        best = jnp.where(seen.valid, seen.energy, jnp.inf).astype(seen.energy.dtype)
        return State(
            observation=seen,
            best_energy=best,
            best_positions=seen.positions,
            valid=seen.valid,
            evaluations=jnp.asarray(1, jnp.int32),
            horizon=horizon,
            memory=memory,
        )

    def after(self, seen: Observation, memory: Memory) -> "State[Memory]":
        """Return the state after one more evaluation."""
        better = seen.valid & (seen.energy < self.best_energy)
        best = jnp.where(better, seen.energy, self.best_energy)
        return State(
            observation=seen,
            best_energy=best,
            best_positions=jnp.where(better, seen.positions, self.best_positions),
            valid=self.valid & seen.valid,
            evaluations=self.evaluations + 1,
            horizon=self.horizon,
            memory=memory,
        )

    @property
    def steps(self) -> Int[Array, ""]:
        """Steps taken so far."""
        return self.evaluations - 1


class AbstractOptimizer(AbstractTrainable, Generic[Memory]):
    """Moves atoms downhill, or wherever it believes that downhill begins.

    A concrete optimizer says what it remembers (`begin`) and where to evaluate next
    (`move`); `init` and `step` are the same for all, so that evaluations are counted and
    the best structure is kept in one place. Algorithms with an inner structure (line
    search, quenches between hops) are small state machines in `move`.
    """

    @abstractmethod
    def begin(
        self,
        potential: AbstractPotential,
        observation: Observation,
        *,
        horizon: Int[Array, ""],
        key: PRNGKeyArray,
    ) -> Memory:
        """Return what is remembered at the start."""

    @abstractmethod
    def move(
        self, potential: AbstractPotential, state: State[Memory], *, key: PRNGKeyArray
    ) -> tuple[Float[Array, "n d"], Memory]:
        """Return where to evaluate next, and what is remembered from now on."""

    def init(
        self,
        potential: AbstractPotential,
        positions: Float[Array, "n d"],
        *,
        horizon: Int[Array, ""] | int,
        key: PRNGKeyArray,
    ) -> State[Memory]:
        """Evaluate the start.

        Arguments:
            potential: the energy surface.
            positions: the start, in the potential's unit of length.
            horizon: number of steps granted; annealing optimizers finish by then.
            key: for stochastic optimizers.
        """
        seen = potential.observe(potential.space.centre(positions))
        return self.init_seen(potential, seen, horizon=horizon, key=key)

    def init_seen(
        self,
        potential: AbstractPotential,
        seen: Observation,
        *,
        horizon: Int[Array, ""] | int,
        key: PRNGKeyArray,
    ) -> State[Memory]:
        """Begin at a start that has been evaluated, centred; otherwise as `init`."""
        horizon = jnp.asarray(horizon, jnp.int32)
        memory = self.begin(potential, seen, horizon=horizon, key=key)
        return State.first(seen, horizon, memory)

    def step(
        self, potential: AbstractPotential, state: State[Memory], *, key: PRNGKeyArray
    ) -> State[Memory]:
        """Move once and evaluate once."""
        positions, memory = self.move(potential, state, key=key)
        seen = potential.observe(potential.space.centre(positions))
        return state.after(seen, memory)
