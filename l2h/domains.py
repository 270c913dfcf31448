"""Separate sources of randomness, so that no start ever serves two purposes."""

from enum import IntEnum

import jax
import numpy as np
from jaxtyping import Array, Int, Integer, Key, PRNGKeyArray


class Domain(IntEnum):
    """What a start or a draw is for."""

    TRAIN = 1
    VALIDATION = 2
    TEST = 3
    HORIZON = 4
    SEARCH = 5
    WEIGHTS = 6
    NOISE = 7
    SHARES = 8
    ONWARD = 9

    def key(self, seed: int | Integer[Array, ""]) -> PRNGKeyArray:
        """Return the root key of this purpose for a seed."""
        return jax.random.fold_in(jax.random.key(seed), int(self))

    def generator(self, seed: int, number: int) -> np.random.Generator:
        """Return a generator of the host for one draw of this purpose."""
        return np.random.default_rng([int(self), seed, number])


class Purpose(IntEnum):
    """What the key of one attempt is for."""

    START = 0
    SEARCH = 1


@jax.jit
def attempt_keys(
    root: PRNGKeyArray,
    indices: Int[Array, " b"],
    attempt: Int[Array, ""],
    purpose: Int[Array, ""],
) -> Key[Array, " b"]:
    """Return keys that no other start, attempt or purpose under the same root shares.

    Arguments:
        root: `Domain.key` of a seed.
        indices: numbers of the starts.
        attempt: number of the attempt from each of them.
        purpose: one of `Purpose`.
    """

    def one(index: Int[Array, ""]) -> PRNGKeyArray:
        key = jax.random.fold_in(root, index)
        return jax.random.fold_in(jax.random.fold_in(key, attempt), purpose)

    return jax.vmap(one)(indices)
