"""Steepest descent with a fixed rate."""

import equinox as eqx
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from .._leaves import as_array, cast, require_positive, trained
from ..potentials import AbstractPotential, Observation
from .base import AbstractOptimizer, State


class GradientDescent(AbstractOptimizer[None]):
    """`x <- x - rate * gradient`.

    Arguments:
        rate: length^2 / energy, in the potential's units.

    Raises:
        ValueError: if `rate` is not positive and finite.
    """

    rate: Float[Array, ""] = eqx.field(converter=as_array, default=1e-3)

    def __check_init__(self) -> None:
        require_positive(rate=self.rate)

    def begin(
        self,
        potential: AbstractPotential,
        observation: Observation,
        *,
        horizon: Int[Array, ""],
        key: PRNGKeyArray,
    ) -> None:
        return None

    def move(
        self, potential: AbstractPotential, state: State[None], *, key: PRNGKeyArray
    ) -> tuple[Float[Array, "n d"], None]:
        seen = state.observation
        rate = cast(self, seen.positions.dtype).rate
        return seen.positions - rate * seen.gradient, None

    def trainable(self) -> PyTree:
        return trained(self, rate="positive")
