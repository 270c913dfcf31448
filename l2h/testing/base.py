"""What the checks share: comparisons that say what differs, and structures."""

import itertools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..potentials import AbstractPotential

KEY_SEED = 7


def require(holds: Any, promise: str) -> None:
    """Raise AssertionError with the broken promise."""
    if not bool(holds):
        raise AssertionError(promise)


def plain(tree: Any) -> list[np.ndarray]:
    """Return the arrays of a tree as NumPy has them."""
    return [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_array))]


def require_close(a: Any, b: Any, promise: str, rtol: float = 1e-7) -> None:
    """Raise AssertionError unless all arrays of two trees agree up to rounding."""
    for left, right in zip(plain(a), plain(b), strict=True):
        finite = np.abs(right[np.isfinite(right)]) if right.size else right
        tiny = rtol * float(np.max(finite, initial=0)) + 1e-300
        same = np.allclose(left, right, rtol=rtol, atol=tiny, equal_nan=True)
        require(same, f"{promise}: {left.ravel()[:3]} and {right.ravel()[:3]} differ.")


def require_equal(a: Any, b: Any, promise: str) -> None:
    """Raise AssertionError unless all arrays of two trees are the same to the bit."""
    for left, right in zip(plain(a), plain(b), strict=True):
        same = np.array_equal(left, right, equal_nan=left.dtype.kind == "f")
        require(same, f"{promise}: {left.ravel()[:3]} and {right.ravel()[:3]} differ.")


def structure(
    potential: AbstractPotential, n: int, seed: int = 0, dtype: Any = None
) -> Float[Array, "n d"]:
    """Return `n` atoms on a jittered lattice, a little wider than the natural length."""
    dimension = potential.space.dimension
    edge = int(np.ceil(n ** (1 / dimension)))
    sites = np.array(list(itertools.product(range(edge), repeat=dimension)), float)[:n]
    noise = np.random.default_rng(seed).uniform(-0.12, 0.12, sites.shape)
    positions = 1.1 * float(potential.scale.length) * (sites + noise)
    return jnp.asarray(positions, dtype or _widest())


def tolerance(dtype: Any, steps: int | float = 1) -> float:
    """Return how far programs that round differently may part after some steps."""
    return 100 * steps * float(jnp.finfo(dtype).eps)


def run_all(checks: dict[str, Callable[..., None]], *arguments: Any) -> None:
    """Run all checks, whatever the order of failures."""
    for check in checks.values():
        check(*arguments)


def _widest() -> Any:
    return jnp.asarray(0.0).dtype
