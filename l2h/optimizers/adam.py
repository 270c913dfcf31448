"""Adam."""

from typing import Any

import equinox as eqx
import jax
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from .._leaves import as_array, cast, require_fraction, require_positive, trained
from ..potentials import AbstractPotential, Observation
from .base import AbstractOptimizer, State


class Adam(AbstractOptimizer[optax.OptState]):
    """Adam on the positions, by optax.

    Arguments:
        rate: step length, in the potential's unit of length.
        b1: decay of the mean gradient.
        b2: decay of the mean squared gradient.
        eps: added to its square root, in units of energy / length.

    Raises:
        ValueError: if an argument is out of range.

    Reference: Kingma and Ba 2015, arXiv:1412.6980.
    """

    rate: Float[Array, ""] = eqx.field(converter=as_array, default=1e-2)
    b1: Float[Array, ""] = eqx.field(converter=as_array, default=0.9)
    b2: Float[Array, ""] = eqx.field(converter=as_array, default=0.999)
    eps: Float[Array, ""] = eqx.field(converter=as_array, default=1e-8)

    def __check_init__(self) -> None:
        require_positive(rate=self.rate, eps=self.eps)
        require_fraction(b1=self.b1, b2=self.b2)

    def _transform(self, dtype: object) -> optax.GradientTransformation:
        p = cast(self, dtype)
        return optax.adam(p.rate, p.b1, p.b2, p.eps)

    def begin(
        self,
        potential: AbstractPotential,
        observation: Observation,
        *,
        horizon: Int[Array, ""],
        key: PRNGKeyArray,
    ) -> optax.OptState:
        x = observation.positions
        return self._transform(x.dtype).init(x)

    def move(
        self,
        potential: AbstractPotential,
        state: State[optax.OptState],
        *,
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, "n d"], optax.OptState]:
        seen = state.observation
        transform = self._transform(seen.positions.dtype)
        # optax mixes its integer count with floats, which strict promotion refuses.
        with jax.numpy_dtype_promotion("standard"):
            update: Any
            update, memory = transform.update(seen.gradient, state.memory)
        return seen.positions + update, memory

    def trainable(self) -> PyTree:
        return trained(self, rate="positive", b1="fraction", b2="fraction", eps="positive")
