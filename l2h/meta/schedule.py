"""Numbers that change in the course of meta-training: constants, or optax schedules."""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from .._leaves import as_array, require_positive

Schedule = Float[Array, ""] | Callable[[Any], Any]
"""A constant, or a function of the number of updates made so far."""


def schedule(name: str) -> Callable[[Any], Any]:
    """Return a field converter for numbers and schedules.

    A number becomes an array leaf, so that sweeping it does not compile again.

    Arguments:
        name: of the field, for the message if the value is neither.
    """

    def convert(value: Any) -> Any:
        if isinstance(value, (str, list, tuple, dict)):
            raise ValueError(
                f"{name}: {value!r} given; give a number or an optax schedule."
            )
        number = as_array(value)
        if isinstance(number, Array):
            require_positive(**{name: number})
        return number

    return convert


def at(schedule: Schedule, update: Int[Array, ""], dtype: Any) -> Float[Array, ""]:
    """Return the value at an update, counted from zero."""
    if not callable(schedule):
        return schedule.astype(dtype)
    # optax mixes integers with floats, which strict promotion refuses.
    with jax.numpy_dtype_promotion("standard"):
        return jnp.asarray(schedule(update.astype(dtype))).astype(dtype)


@cache
def cosine(first: float, last: float, updates: int) -> optax.Schedule:
    """Return half a cosine from a first value to a last one, constant from then on.

    The same function for the same numbers: functions are compared by identity, and what
    is compiled for one then serves again.

    Arguments:
        first: value at the first update.
        last: value after all `updates`.
        updates: length of the schedule.

    Reference: Loshchilov and Hutter 2017, arXiv:1608.03983, without restarts.
    """
    return optax.cosine_decay_schedule(first, updates, last / first)
