"""Numbers that change in the course of meta-training."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .._leaves import as_array, cast, require_positive


class Cosine(eqx.Module):
    r"""Half a cosine from a first value to a last one, constant from then on.

    \[ f(u) = f_0 \left[ d + (1 - d)\, \tfrac12 \bigl(1 + \cos(\pi \min(u/U, 1))\bigr)
       \right] \]

    Arguments:
        first: value at the first update, f_0.
        decay: last value relative to the first, d; 1 keeps it constant.
        updates: length U of the schedule.

    Raises:
        ValueError: if a number is not positive.

    Reference: Loshchilov and Hutter 2017, arXiv:1608.03983, without restarts.
    """

    first: Float[Array, ""] = eqx.field(converter=as_array)
    decay: Float[Array, ""] = eqx.field(converter=as_array, default=1.0)
    updates: Float[Array, ""] = eqx.field(converter=as_array, default=1.0)

    def __check_init__(self) -> None:
        require_positive(first=self.first, decay=self.decay, updates=self.updates)

    def __call__(self, update: Int[Array, ""], dtype: Any) -> Float[Array, ""]:
        """Return the value at an update, counted from zero."""
        p = cast(self, dtype)
        progress = jnp.minimum(update.astype(dtype) / p.updates, 1)
        fall = 0.5 * (1 + jnp.cos(jnp.pi * progress))
        return p.first * (p.decay + (1 - p.decay) * fall)


def schedule(name: str) -> Any:
    """Return a field converter which turns a number into a constant schedule.

    Arguments:
        name: of the field, for the message if the number is out of range.
    """

    def convert(value: Any) -> Any:
        number = as_array(value)
        if not isinstance(number, Array):
            return value
        require_positive(**{name: number})
        return Cosine(number)

    return convert
