"""One optimizer for so many steps, then another."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from .._leaves import trained
from ..potentials import AbstractPotential, Observation
from .base import AbstractOptimizer, State
from .seldom import seldom


class Leg(eqx.Module):
    """Where to evaluate next, and what each of the two remembers."""

    positions: Float[Array, "n d"]
    first: Any
    then: Any


class Relay(AbstractOptimizer[tuple[Any, Any]]):
    """Moves as one optimizer does for so many steps, and as another from there on.

    Each believes that it alone is at work: the first is granted `steps`, the second what
    is left of the horizon. Both see the best structure of the whole run. As the inner
    optimizer of `BasinHopping` it makes legs that search and then settle.

    Arguments:
        first: moves first.
        then: moves afterwards; begins where the first has arrived.
        steps: of the first; static.

    Raises:
        ValueError: if there are fewer than one of them.
    """

    first: AbstractOptimizer[Any]
    then: AbstractOptimizer[Any]
    steps: int = eqx.field(static=True, default=50)

    def __check_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps: {self.steps} given; the first takes at least one.")

    def begin(
        self,
        potential: AbstractPotential,
        observation: Observation,
        *,
        horizon: Int[Array, ""],
        key: PRNGKeyArray,
    ) -> tuple[Any, Any]:
        granted, left = self._horizons(horizon)
        return (
            self.first.begin(potential, observation, horizon=granted, key=key),
            self.then.begin(potential, observation, horizon=left, key=key),
        )

    def move(
        self,
        potential: AbstractPotential,
        state: State[tuple[Any, Any]],
        *,
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, "n d"], tuple[Any, Any]]:
        begins, moves = jax.random.split(key)
        over = state.steps >= self.steps
        stay = Leg(state.observation.positions, *state.memory)
        # In a batch whose members are all at the same leg, only one of them works.
        leg = seldom(~over, _first, stay, self, potential, state, moves)
        leg = seldom(over, _then, leg, self, potential, state, begins, moves)
        return leg.positions, (leg.first, leg.then)

    def trainable(self) -> PyTree:
        return trained(self, first=self.first.trainable(), then=self.then.trainable())

    def _horizons(self, horizon: Int[Array, ""]) -> tuple[Int[Array, ""], Int[Array, ""]]:
        """Return the steps granted to the first, and to the second."""
        granted = jnp.asarray(self.steps, jnp.int32)
        return granted, jnp.maximum(horizon - granted, 1)


def _first(
    relay: Relay, potential: AbstractPotential, state: State, key: PRNGKeyArray
) -> Leg:
    granted, _ = relay._horizons(state.horizon)
    own = _own(state, granted, state.evaluations, state.memory[0])
    positions, first = relay.first.move(potential, own, key=key)
    return Leg(positions, first, state.memory[1])


def _then(
    relay: Relay,
    potential: AbstractPotential,
    state: State,
    begins: PRNGKeyArray,
    moves: PRNGKeyArray,
) -> Leg:
    first, memory = state.memory
    seen = state.observation
    _, left = relay._horizons(state.horizon)
    fresh = relay.then.begin(potential, seen, horizon=left, key=begins)
    arrived = state.steps == relay.steps
    memory = jax.tree.map(lambda a, b: jnp.where(arrived, a, b), fresh, memory)
    own = _own(state, left, state.evaluations - relay.steps, memory)
    positions, memory = relay.then.move(potential, own, key=moves)
    return Leg(positions, first, memory)


def _own(
    state: State, horizon: Int[Array, ""], evaluations: Int[Array, ""], memory: Any
) -> State:
    """Return the state as one of the two sees it."""
    return State(
        observation=state.observation,
        best_energy=state.best_energy,
        best_positions=state.best_positions,
        valid=state.valid,
        evaluations=evaluations,
        horizon=horizon,
        memory=memory,
    )
