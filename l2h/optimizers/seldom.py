"""What only some steps of some walkers need, computed only then."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

Result = TypeVar("Result")


def seldom(
    needed: Bool[Array, ""],
    compute: Callable[..., Result],
    otherwise: Result,
    *arguments: Any,
    singly: bool = False,
) -> Result:
    """Return `compute(*arguments)` if `needed`, and `otherwise` if not.

    For one walker this is `lax.cond`. That of a batch would compute for all members at
    every step; this one computes for all when any needs it, and for none when none does,
    however deep `jax.vmap` is nested. Values are those of `where`, whatever the batch.

    Arguments:
        needed: whether to compute.
        compute: from arguments to a tree of arrays like `otherwise`. It must not depend on
            other traced values.
        otherwise: what is returned without computing.
        arguments: trees that may contain arrays.
        singly: whether members that need it are computed one after the other, instead of
            all of a batch together: for what is dear beside a loop over the batch.
    """
    arrays, rest = eqx.partition(arguments, eqx.is_array)

    @jax.custom_batching.custom_vmap
    def choose(needed: Bool[Array, ""], otherwise: Result, arrays: Any) -> Result:
        def computed() -> Result:
            return compute(*eqx.combine(arrays, rest))

        return jax.lax.cond(needed, computed, lambda: otherwise)

    @choose.def_vmap
    def _(size: int, batched: Any, *values: Any) -> tuple[Result, Any]:
        axes = jax.tree.map(lambda is_batched: 0 if is_batched else None, batched)

        def one(needed: Bool[Array, ""], otherwise: Result, arrays: Any) -> Result:
            found = compute(*eqx.combine(arrays, rest))
            return jax.tree.map(partial(jnp.where, needed), found, otherwise)

        every = jax.vmap(one, in_axes=tuple(axes), axis_size=size)
        if singly:
            every = partial(_one_by_one, choose, batched, size)
        spread = jax.tree.map(
            lambda x, is_batched: (
                x if is_batched else jnp.broadcast_to(x, (size, *x.shape))
            ),
            values[1],
            batched[1],
        )
        # The members together are one walker of the next batch outwards.
        result = seldom(jnp.any(values[0]), every, spread, *values, singly=singly)
        return result, jax.tree.map(lambda _: True, result)

    return choose(needed, otherwise, arrays)


def _one_by_one(
    choose: Callable[..., Result], batched: Any, size: int, *values: Any
) -> Result:
    """Return `choose` of each member of a batch, in a loop."""
    moving, fixed = eqx.partition(list(values), batched)

    def member(index: Any) -> Result:
        return choose(*eqx.combine(jax.tree.map(lambda x: x[index], moving), fixed))

    return jax.lax.map(member, jnp.arange(size, dtype=jnp.int32))
