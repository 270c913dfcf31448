"""What is trained of growth: its starts, and when what began with them is given up."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from .._leaves import AbstractTrainable, as_array, cast, require_positive, trained
from ..symmetry import COMMON
from .grown import Grown


class Growth(AbstractTrainable):
    """Starts that grow, and how near to the best an attempt from them must come.

    Arguments:
        starts: their distribution.
        allowance: how much of a search's window of abandonment attempts are allowed; one
            is all of it.

    Raises:
        ValueError: if the allowance is not positive.
    """

    starts: Grown
    allowance: Float[Array, ""] = eqx.field(converter=as_array, default=1.0)

    def __check_init__(self) -> None:
        require_positive(allowance=self.allowance)

    @staticmethod
    def create(
        key: PRNGKeyArray,
        groups: Sequence[str] = COMMON,
        *,
        hidden: Sequence[int] = (16,),
        dtype: Any = jnp.float32,
    ) -> "Growth":
        """Return what is to be trained, which begins as the hand-made rule; arguments as
        those of `Grown.learning`."""
        starts = Grown.learning(key, groups, hidden=hidden, dtype=dtype)
        return cast(Growth(starts), dtype)

    def trainable(self) -> PyTree:
        return trained(self, starts=self.starts.trainable(), allowance="positive")
