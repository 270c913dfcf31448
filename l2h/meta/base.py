"""The contract of meta-strategies: ask for a population, tell its losses."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Integer, PRNGKeyArray, PyTree

from .._leaves import AbstractTrainable
from ..domains import Domain
from .params import unravel


class MetaState(eqx.Module):
    """Where meta-training stands; all that is needed to go on."""

    template: AbstractTrainable
    """What is trained, as it was given; leaves that are not trained are taken from it."""
    params: Float[Array, " p"]
    """Trainable leaves at the centre of the search, unconstrained: what training would
    hand out now."""
    memory: PyTree
    """Whatever the strategy remembers between updates."""
    update: Int[Array, ""]
    """Updates made so far."""
    seed: Integer[Array, ""]
    """Determines all noise, together with the update and the member."""

    @property
    def optimizer(self) -> Any:
        """What is trained, at the centre: an optimizer, or another trainable module."""
        return unravel(self.template, self.params)

    @property
    def key(self) -> PRNGKeyArray:
        """Key of the current update's noise."""
        return jax.random.fold_in(Domain.NOISE.key(self.seed), self.update)


class AbstractMetaStrategy(eqx.Module):
    """Searches the trainable leaves of any module, given losses of whole rollouts."""

    @property
    @abstractmethod
    def population(self) -> int:
        """Number of members, an unperturbed one included."""

    @abstractmethod
    def init(self, optimizer: AbstractTrainable, seed: int) -> MetaState:
        """Return the state before the first update."""

    @abstractmethod
    def member(self, state: MetaState, index: Int[Array, ""]) -> Float[Array, " p"]:
        """Return one member as an unconstrained vector.

        It depends on the state and its number alone, so that whoever evaluates some of
        the members needs to exchange losses only.
        """

    def ask(self, state: MetaState) -> Float[Array, "q p"]:
        """Return all members, to be evaluated."""
        return jax.vmap(lambda i: self.member(state, i))(jnp.arange(self.population))

    @abstractmethod
    def tell(
        self, state: MetaState, losses: Float[Array, "q t c"]
    ) -> tuple[MetaState, dict[str, Float[Array, ""]]]:
        """Take one update.

        Arguments:
            state: the state that was asked.
            losses: of members on tasks, for starts (`c`) that all share. They should be
                finite; those that are not count as the worst of their task and start.

        Returns:
            The next state, and statistics that are not needed to go on, by all strategies
            that know of them:
            `loss`, mean over everything told;
            `nonfinite_losses`, number of losses that were replaced;
            `gradient_norm`, of the estimated meta-gradient (GA: of the centre's move);
            `cosine`, between this and the previous of these vectors, zero at first;
            `effective_population`, (sum |w|)^2 / sum w^2 of the weights with which pairs
            enter the estimate (GA: of the numbers of children that parents had);
            `clipped`, fraction of what enters the estimate that a clip has changed;
            `sigma` and `learning_rate` of this update.
        """


def repair(losses: Float[Array, "q t c"]) -> tuple[Float[Array, "q t c"], Float[Array, ""]]:
    """Return losses whose sums are finite, and how many had to be replaced.

    A loss that is not, by the worst of the other members on the same task and start; by
    zero if there is none, which makes the members equal.
    """
    bound = jnp.finfo(losses.dtype).max / losses.size
    usable = jnp.abs(losses) <= bound  # NaN compares as false
    worst = jnp.max(jnp.where(usable, losses, -bound), axis=0)
    worst = jnp.where(jnp.any(usable, axis=0), worst, 0)
    count = jnp.sum(jnp.where(usable, 0, 1).astype(losses.dtype))
    return jnp.where(usable, losses, worst), count


def alignment(a: Float[Array, " p"], b: Float[Array, " p"]) -> Float[Array, ""]:
    """Return the cosine of the angle between two vectors, zero if one of them vanishes."""
    lengths = jnp.linalg.norm(a), jnp.linalg.norm(b)
    units = [
        v / jnp.where(length > 0, length, 1)
        for v, length in zip((a, b), lengths, strict=True)
    ]
    return jnp.sum(units[0] * units[1])


def effective_number(weights: Float[Array, " m"]) -> Float[Array, ""]:
    """Return (sum |w|)^2 / sum w^2: m for equal weights, 1 if one has all, 0 if none."""
    sizes = jnp.abs(weights)
    # Relative to the largest, or squares of huge weights would overflow.
    sizes = sizes / jnp.where(jnp.max(sizes) > 0, jnp.max(sizes), 1)
    squares = jnp.sum(sizes**2)
    return jnp.sum(sizes) ** 2 / jnp.where(squares > 0, squares, 1)
