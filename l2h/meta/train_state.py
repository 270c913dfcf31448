"""State of a run of meta-training: where it stands, averaged weights, the best so far."""

import dataclasses
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .base import MetaState
from .params import unravel


class TrainState(eqx.Module):
    """All that a run of meta-training needs to go on after it was killed."""

    meta: MetaState
    average: Float[Array, " p"]
    """Moving average of the centre."""
    best: Float[Array, " p"]
    """The average that did best on validation starts."""
    score: Float[Array, " s"]
    """Its score there, the lower the better; infinite before the first validation."""
    kept: Int[Array, ""]
    """The update that it is of; zero before the first validation."""
    stale: Int[Array, ""]
    """Validations since the last that was better than all before."""

    @staticmethod
    def begin(meta: MetaState, scores: int = 3) -> "TrainState":
        """Return the state before the first update.

        Arguments:
            meta: the strategy's state.
            scores: how many numbers make up the score of a validation.
        """
        return TrainState(
            meta=meta,
            average=meta.params,
            best=meta.params,
            score=jnp.full((scores,), jnp.inf, meta.params.dtype),
            kept=jnp.asarray(0, jnp.int32),
            stale=jnp.asarray(0, jnp.int32),
        )

    @property
    def candidate(self) -> Any:
        """What is validated: the module with averaged weights."""
        return unravel(self.meta.template, self.average)

    def advance(self, meta: MetaState, decay: float) -> "TrainState":
        """Return the state after an update.

        Arguments:
            meta: the strategy's state after it.
            decay: weight of the past in the average, 0 to average nothing. Early on it is
                lower, (1 + t) / (10 + t) after t updates, so that the average forgets the
                start.
        """
        t = meta.update.astype(meta.params.dtype)
        share = jnp.minimum(jnp.asarray(decay, t.dtype), (1 + t) / (10 + t))
        average = share * self.average + (1 - share) * meta.params
        return dataclasses.replace(self, meta=meta, average=average)

    def judge(self, score: Float[np.ndarray, " s"]) -> "TrainState":
        """Return the state after a validation of the candidate.

        The candidate is kept if the first number that differs is lower than that of the
        best so far; of equals, the later one is. One that is not finite is never kept.

        Arguments:
            score: numbers of falling weight, the lower the better.
        """
        found = np.asarray(score, self.score.dtype)
        new, old = found.tolist(), np.asarray(self.score).tolist()
        good = bool(np.all(np.isfinite(found)))
        if not good or new > old:
            return dataclasses.replace(self, stale=self.stale + 1)
        return dataclasses.replace(
            self,
            best=self.average,
            score=jnp.asarray(found),
            kept=self.meta.update.astype(jnp.int32),
            stale=jnp.zeros_like(self.stale) if new < old else self.stale + 1,
        )
