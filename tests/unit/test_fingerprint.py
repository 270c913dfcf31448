"""Fingerprints tell minima apart exactly where laying them onto each other does."""

from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
from alignment import superimposable

from l2h import tasks
from l2h.evaluation import distinct
from l2h.optimizers import quench

STARTS = 60
TASK = tasks.get("lj13")
# Of an atom of one minimum, quenched twice; atoms of two isomers differ by far more.
APART = 0.05


def relaxed(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    one = jax.jit(jax.vmap(lambda x: quench(TASK.potential, x, tolerance=1e-8)))
    with jax.numpy_dtype_promotion("standard"):
        found = one(jnp.asarray(x))
    return np.asarray(found.energy), np.asarray(found.positions)


def test_no_two_isomers_are_merged_and_no_minimum_is_split() -> None:
    draw = jax.vmap(lambda key: TASK.init(key, TASK.potential, 13, jnp.float64))
    starts = np.asarray(draw(jax.random.split(jax.random.key(0), STARTS)))
    energies, x = relaxed(starts)
    # Every minimum once more: pushed, turned, mirrored, in another order.
    rng = np.random.default_rng(0)
    again = np.stack([structure[rng.permutation(13)] for structure in x])
    turns = np.linalg.qr(rng.normal(size=(STARTS, 3, 3)))[0]
    again = (again + 0.01 * rng.normal(size=again.shape)) @ turns
    more, y = relaxed(again)
    energies, x = np.concatenate([energies, more]), np.concatenate([x, y])

    kept = distinct(TASK, energies, x)
    assert len(kept) > 15
    pairs = combinations(kept, 2)
    split = [(a, b) for a, b in pairs if superimposable(x[a], x[b], APART)]
    assert split == []
    merged = [
        k for k in range(len(x)) if not any(superimposable(x[k], x[m], APART) for m in kept)
    ]
    assert merged == []
    # The trial itself tells apart, and sees what is the same.
    assert not superimposable(x[kept[0]], x[kept[1]], APART)
    assert superimposable(x[0], x[STARTS], APART)
