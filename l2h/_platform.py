"""What is arranged differently on processors and accelerators."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

# In full precision: accelerators would otherwise round the factors to ten bits.
matmul = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)
einsum = partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)


def in_turn(function: Callable[[Any], Any], values: Any) -> Any:
    """Map a function over the leading axis of arrays: one element after the other on
    processors, whose caches then hold what an element needs, all at once on accelerators.

    On processors, all that the elements share is computed once before the first: the
    compiler otherwise repeats cheap operations wherever their results are used.

    Arguments:
        function: of one element; it may use traced values of its surroundings.
        values: a tree of arrays with leading axes of equal length.
    """

    def looped(values: Any) -> Any:
        return jax.lax.map(function, values)

    if not accelerated():
        # Tracing the other side, too, takes longer than tracing this one.
        return looped(values)
    # Both sides are traced, which compilation in between makes one tracing.
    function = jax.jit(function)
    return jax.lax.platform_dependent(values, cpu=looped, default=jax.vmap(function))


def barrier(values: Any) -> Any:
    """Return the same values; on processors, nothing that makes them is merged with what
    uses them while the compiler simplifies.

    Processors would otherwise compute anew, in loops over pairs, what they could know
    before. Accelerators gain from merging.

    Arguments:
        values: a tree of arrays.
    """
    if not accelerated():
        return jax.lax.optimization_barrier(values)
    return jax.lax.platform_dependent(
        values, cpu=jax.lax.optimization_barrier, default=lambda same: same
    )


def kinds() -> list[Any]:
    """Return one device of each kind that JAX sees, the processor first."""
    found = {d.platform: d for d in reversed([*jax.devices("cpu"), *jax.devices()])}
    return [found.pop("cpu"), *found.values()]


def accelerated() -> bool:
    """Return whether programs run on accelerators by default on this machine."""
    return jax.default_backend() != "cpu"


def held(count: int) -> int:
    """Return how many of so many elements `in_turn` holds at once on this machine."""
    return count if accelerated() else 1
