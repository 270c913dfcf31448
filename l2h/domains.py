"""Separate sources of randomness, so that no start ever serves two purposes."""

from enum import IntEnum

import jax
from jaxtyping import Array, Integer, PRNGKeyArray


class Domain(IntEnum):
    """What a start or a draw is for."""

    TRAIN = 1
    VALIDATION = 2
    TEST = 3
    HORIZON = 4
    SEARCH = 5
    WEIGHTS = 6
    NOISE = 7

    def key(self, seed: int | Integer[Array, ""]) -> PRNGKeyArray:
        """Return the root key of this purpose for a seed."""
        return jax.random.fold_in(jax.random.key(seed), int(self))
