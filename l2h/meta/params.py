"""Trainable leaves of a module as one unconstrained vector."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.scipy.special as jsp
from jaxtyping import Array, Float

from .._leaves import AbstractTrainable


class Coordinate(NamedTuple):
    """A bijection between a leaf's own range and the real line."""

    unconstrained: Callable[[Array], Array]
    constrained: Callable[[Array], Array]


def _identity(x: Array) -> Array:
    return x


COORDINATES = {
    "real": Coordinate(_identity, _identity),
    "positive": Coordinate(jnp.log, jnp.exp),
    "fraction": Coordinate(jsp.logit, jax.nn.sigmoid),
}


def _trained(module: AbstractTrainable) -> list[tuple[int, Coordinate]]:
    # Leaf by leaf of the module: fields that are None have no leaf, on either side.
    kinds = jax.tree.structure(module).flatten_up_to(module.trainable())
    return [(i, COORDINATES[kind]) for i, kind in enumerate(kinds) if kind is not None]


def ravel(module: AbstractTrainable) -> Float[Array, " p"]:
    """Return all trainable leaves, unconstrained, as one vector.

    Raises:
        ValueError: if the module declares nothing to train.
    """
    leaves = jax.tree.leaves(module)
    parts = [c.unconstrained(leaves[i]).ravel() for i, c in _trained(module)]
    if not parts:
        raise ValueError(
            f"module: {type(module).__name__} declares no trainable leaves; train "
            "one whose trainable() names some."
        )
    return jnp.concatenate(parts)


def unravel(template: Any, params: Float[Array, " p"]) -> Any:
    """Return `template` with its trainable leaves taken from the vector `params`."""
    leaves, structure = jax.tree.flatten(template)
    start = 0
    for index, coordinate in _trained(template):
        leaf = leaves[index]
        part = params[start : start + leaf.size].reshape(leaf.shape)
        leaves[index] = coordinate.constrained(part).astype(leaf.dtype)
        start += leaf.size
    return jax.tree.unflatten(structure, leaves)


def count(module: AbstractTrainable) -> int:
    """Return the number of trainable numbers."""
    return int(eqx.filter_eval_shape(ravel, module).size)
