"""Results of searches with real minima, at the price of a few quenches; paid starts; a
calculator outside of JAX."""

import dataclasses
from functools import cache
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from l2h import tasks
from l2h.engine import SearchResult
from l2h.inits.base import AbstractDetailedInit, AbstractInit, Spent, Start
from l2h.optimizers import quench
from l2h.report.found import gathered


def calculate(x):
    """Return energy and gradient of Lennard-Jones clusters, in NumPy."""
    difference = x[:, None] - x[None]
    squared = np.sum(difference**2, axis=-1) + np.eye(len(x))
    inverse = (1 / squared - np.eye(len(x))) ** 3
    slope = -12 * inverse * (inverse - 1) / squared
    return 0.5 * np.sum(inverse * (inverse - 2)), np.sum(slope[..., None] * difference, 1)


class Paid(AbstractDetailedInit):
    """Another's starts, each at a fee: an evaluation is made, and so many are counted."""

    other: AbstractInit
    fee: int = eqx.field(static=True)

    def start(self, key: Any, potential: Any, n: int, dtype: Any) -> Start:
        x = self.other(key, potential, n, dtype)
        seen = jnp.isfinite(potential(x))
        return Start(jnp.where(seen, x, 0), Spent(self.fee, 0))


def paid(task: Any, fee: int) -> Any:
    return dataclasses.replace(task, init=Paid(task.init, fee))


def quenched(name: str | Any, starts: int = 32, seed: int = 0) -> SearchResult:
    """Return what quenches from random starts find."""
    return (
        _of_name(name, starts, seed) if isinstance(name, str) else _of(name, starts, seed)
    )


@cache
def _of_name(name: str, starts: int, seed: int) -> SearchResult:
    return _of(tasks.get(name), starts, seed)


def _of(task: Any, starts: int, seed: int) -> SearchResult:
    def one(key: Any) -> Any:
        x = task.init(key, task.potential, task.n, jnp.float64)
        return quench(task.potential, x, tolerance=1e-8)

    with jax.numpy_dtype_promotion("standard"):
        found = jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(seed), starts))
    result = gathered(
        task, *map(np.asarray, (found.energy, found.positions, found.evaluations))
    )
    spent = result.evaluations
    arm = {"name": "random starts", "attempts": starts, "evaluations": spent}
    arm |= {"hits": int(result.hits[0]), "best": result.lowest}
    return dataclasses.replace(
        result,
        counts={"full": spent, "polishing": 0, "site probes": 0},
        arms=[arm],
        status="all starts are done",
        seed=seed,
        settings={"starts": starts},
    )
