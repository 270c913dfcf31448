"""The contract of meta-strategies: ask for a population, tell its losses."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float, Int, Integer, PRNGKeyArray, PyTree

from ..optimizers import AbstractOptimizer
from .coordinates import assemble


class MetaState(eqx.Module):
    """Where meta-training stands; all that is needed to go on."""

    template: AbstractOptimizer
    """The optimizer as it was given; leaves that are not trained are taken from it."""
    theta: Float[Array, " p"]
    """Trainable leaves at the centre of the search, unconstrained."""
    memory: PyTree
    """Whatever the strategy remembers between updates."""
    update: Int[Array, ""]
    """Updates made so far."""
    seed: Integer[Array, ""]
    """Determines all noise, together with the update and the member."""

    @property
    def optimizer(self) -> Any:
        """The optimizer at the centre."""
        return assemble(self.template, self.theta)

    @property
    def key(self) -> PRNGKeyArray:
        """Key of the current update's noise."""
        return jax.random.fold_in(jax.random.key(self.seed), self.update)


class AbstractMetaStrategy(eqx.Module):
    """Searches the trainable leaves of any optimizer, given losses of whole rollouts."""

    @property
    @abstractmethod
    def population(self) -> int:
        """Number of members that `ask` returns."""

    @abstractmethod
    def init(self, optimizer: AbstractOptimizer, seed: int) -> MetaState:
        """Return the state before the first update."""

    @abstractmethod
    def ask(self, state: MetaState) -> Float[Array, "q p"]:
        """Return the members to be evaluated, as unconstrained vectors."""

    @abstractmethod
    def tell(
        self, state: MetaState, losses: Float[Array, "q t c"]
    ) -> tuple[MetaState, dict[str, Float[Array, ""]]]:
        """Take one update.

        Arguments:
            state: the state that was asked.
            losses: finite losses of members on tasks, for starts (`c`) that all share.

        Returns:
            The next state, and statistics that are not needed to go on.
        """
