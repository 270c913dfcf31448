"""Array leaves of modules: conversion, casting, inspection, and what may be trained."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import PyTree

Tree = TypeVar("Tree")
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class AbstractTrainable(eqx.Module):
    """A module that says which of its leaves meta-training may change."""

    @abstractmethod
    def trainable(self) -> PyTree:
        """Declare what meta-training may change: a tree like `self` with, per array leaf,
        "real", "positive" (trained as a logarithm), "fraction" (as a logit) or None."""


def untrained(module: eqx.Module) -> PyTree:
    """Return coordinates that keep every leaf of `module` fixed."""
    return jax.tree.map(lambda _: None, module)


def trained(module: Any, **coordinates: PyTree) -> PyTree:
    """Return coordinates of `module` with the named fields trained, all others fixed; what
    a field that is a module declares is a tree of them."""
    names = list(coordinates)
    return eqx.tree_at(
        lambda tree: [getattr(tree, name) for name in names],
        untrained(module),
        [coordinates[name] for name in names],
        is_leaf=lambda leaf: leaf is None,
    )


def as_array(value: Any) -> Any:
    """Turn a number into an array leaf, so that sweeping it does not retrace.

    Anything that is not a number (a tracer, a tree placeholder) passes unchanged.
    """
    if isinstance(value, (bool, int, float)):
        return jnp.asarray(float(value))
    if isinstance(value, (np.ndarray, np.generic)):
        return jnp.asarray(value)
    return value


def cast(tree: Tree, dtype: Any) -> Tree:
    """Return `tree` with its floating-point leaves in `dtype`.

    Modules compute in the dtype of the positions they are given, whatever the
    precision in which their parameters happen to be stored.
    """
    return jax.tree.map(lambda x: x.astype(dtype) if eqx.is_inexact_array(x) else x, tree)


def concrete(value: Any) -> np.ndarray | None:
    """Return a concrete array's values; None while tracing or for placeholders."""
    if isinstance(value, Tracer):
        return None
    if isinstance(value, (int, float, np.ndarray, np.generic, jax.Array)):
        return np.asarray(value)
    return None


def compiled(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Compile a function; where its caller is traced, it becomes part of the caller's
    program, as if it were not compiled by itself."""
    options: Any = {"inline": True}
    return eqx.filter_jit(function, **options)


def traced(tree: Any) -> bool:
    """Return whether any leaf is traced, hence unknown while Python runs."""
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(tree))


def require_instance(**arguments: tuple[Any, type]) -> None:
    """Raise ValueError if an argument is not an instance of its class.

    Arguments:
        arguments: by name, each a value and the class that it should have.

    Raises:
        ValueError: naming the argument, what was given and the remedy.
    """
    for name, (value, kind) in arguments.items():
        if isinstance(value, kind):
            continue
        if isinstance(value, type):
            given = f"the class {value.__name__}"
            remedy = f"an instance of it, {value.__name__}(...)"
        elif isinstance(held := getattr(value, name, None), kind):
            given = f"a {type(value).__name__}"
            remedy = f"its {name}, a {type(held).__name__}"
        else:
            given, remedy = f"a {type(value).__name__}", f"an instance of {kind.__name__}"
        raise ValueError(f"{name}: {given} given; give {remedy}.")


def require_structure(positions: Any, dimension: int) -> None:
    """Raise ValueError unless these are the positions of one structure.

    Arguments:
        positions: an array, traced or not, of shape (n, d) and floating-point type.
        dimension: number of coordinates d of one atom.

    Raises:
        ValueError: saying what was given and the remedy.
    """
    if not isinstance(positions, (jax.Array, np.ndarray)):
        raise ValueError(
            f"positions: a {type(positions).__name__} given; give an array of shape "
            f"(n, {dimension}), such as jax.numpy.asarray(positions, float)."
        )
    if positions.ndim != 2:
        batch = "; for a batch, use jax.vmap" if positions.ndim > 2 else ""
        raise ValueError(
            f"positions: shape {positions.shape} given; one structure of n atoms has shape "
            f"(n, {dimension}){batch}."
        )
    if positions.shape[1] != dimension:
        raise ValueError(
            f"positions: {positions.shape[1]} coordinates per atom, but the potential's "
            f"space has {dimension}; give an array of that shape."
        )
    if not jnp.issubdtype(positions.dtype, jnp.floating):
        raise ValueError(
            f"positions: {positions.dtype} given, in which lengths and energies would be "
            "truncated; give floating-point numbers, positions.astype(float)."
        )


def require_positive(**values: Any) -> None:
    """Raise ValueError if a concrete value is not positive and finite.

    Raises:
        ValueError: naming the argument, its value and the remedy.
    """
    for name, value in values.items():
        known = concrete(value)
        if known is not None and not (np.all(known > 0) and np.all(np.isfinite(known))):
            raise ValueError(f"{name}: {known} given; it must be positive and finite.")


def require_fraction(**values: Any) -> None:
    """Raise ValueError if a concrete value does not lie strictly between 0 and 1.

    Raises:
        ValueError: naming the argument, its value and the remedy.
    """
    for name, value in values.items():
        known = concrete(value)
        if known is not None and not np.all((known > 0) & (known < 1)):
            raise ValueError(f"{name}: {known} given; it must lie between 0 and 1.")
