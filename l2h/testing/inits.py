"""The contract of starts."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

from ..inits import AbstractInit
from ..potentials import AbstractPotential, LennardJones
from .base import require, require_close, require_equal, run_all, tolerance

draw = eqx.filter_jit(lambda init, potential, n, dtype, key: init(key, potential, n, dtype))
draws = eqx.filter_jit(
    lambda init, potential, n, dtype, keys: jax.vmap(
        lambda key: init(key, potential, n, dtype)
    )(keys)
)


def check_init(
    init: AbstractInit, potential: AbstractPotential | None = None, n: int = 8
) -> None:
    """Raise unless a distribution of starts keeps its contract.

    Starts have the shape and precision that are asked for; they are finite and can be
    evaluated; the key alone decides; batches are what single starts are.

    Arguments:
        init: the one in question.
        potential: for which starts are drawn; Lennard-Jones by default.
        n: number of atoms.

    Raises:
        AssertionError: naming the promise.
    """
    run_all(INIT_CHECKS, init, LennardJones() if potential is None else potential, n)


def starts_fit(init: AbstractInit, potential: AbstractPotential, n: int) -> None:
    """Shape and precision are those asked for, and the start can be evaluated."""
    for dtype in {jnp.dtype("float32"), jnp.asarray(0.0).dtype}:
        x = draw(init, potential, n, dtype, jax.random.key(0))
        require(x.dtype == dtype, f"a start in {dtype} is asked for, {x.dtype} comes")
        shape = (n, potential.space.dimension)
        require(x.shape == shape, f"a start has shape {shape}, not {x.shape}")
        require(jnp.all(jnp.isfinite(x)), "a start is finite")
        require(potential.observe(x).valid, "a start has a finite energy and gradient")


def keys_decide(init: AbstractInit, potential: AbstractPotential, n: int) -> None:
    """The same key gives the same start, another key another one."""
    dtype = jnp.dtype("float32")
    first, again, other = (
        draw(init, potential, n, dtype, jax.random.key(seed)) for seed in (0, 0, 1)
    )
    require_equal(first, again, "the same key gives the same start")
    require(jnp.any(first != other), "another key gives another start")


def batches_are_single_starts(
    init: AbstractInit, potential: AbstractPotential, n: int
) -> None:
    """`jax.vmap` over keys gives what one after the other does."""
    dtype, keys = jnp.asarray(0.0).dtype, jax.random.split(jax.random.key(2), 3)
    together = draws(init, potential, n, dtype, keys)
    alone = jnp.stack([draw(init, potential, n, dtype, key) for key in keys])
    require_close(together, alone, "a batch is what its members are", tolerance(dtype, 1e4))


INIT_CHECKS: dict[str, Callable[[AbstractInit, AbstractPotential, int], None]] = {
    check.__name__: check for check in (starts_fit, keys_decide, batches_are_single_starts)
}
