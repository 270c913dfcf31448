"""A train_state of meta-training: where it stands, averaged weights, the best so far."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ..optimizers import AbstractOptimizer
from .base import MetaState
from .params import unravel


class TrainState(eqx.Module):
    """All that a run of meta-training needs to go on after it was killed."""

    meta: MetaState
    average: Float[Array, " p"]
    """Moving average of the centre; the centre itself if nothing is averaged."""
    best: Float[Array, " p"]
    """The average that did best on validation starts."""
    success: Float[Array, ""]
    """Its success rate there; minus infinity before the first validation."""
    energy: Float[Array, ""]
    """Its mean energy there."""
    stale: Int[Array, ""]
    """Validations since then."""

    @staticmethod
    def begin(meta: MetaState) -> "TrainState":
        """Return the train_state before the first update."""
        worst = jnp.asarray(jnp.inf, meta.params.dtype)
        return TrainState(
            meta=meta,
            average=meta.params,
            best=meta.params,
            success=-worst,
            energy=worst,
            stale=jnp.asarray(0, jnp.int32),
        )

    @property
    def candidate(self) -> AbstractOptimizer:
        """The optimizer that is validated: the one with averaged weights."""
        return unravel(self.meta.template, self.average)

    def advance(self, meta: MetaState, decay: float | None) -> "TrainState":
        """Return the train_state after an update.

        Arguments:
            meta: the strategy's state after it.
            decay: weight of the past in the average; None to average nothing. Early on
                it is lower, (1 + t) / (10 + t) after t updates, so that the average
                forgets the start.
        """
        average = meta.params
        if decay is not None:
            t = meta.update.astype(average.dtype)
            share = jnp.minimum(jnp.asarray(decay, average.dtype), (1 + t) / (10 + t))
            average = share * self.average + (1 - share) * meta.params
        return TrainState(meta, average, self.best, self.success, self.energy, self.stale)

    def judge(self, success: float, energy: float) -> "TrainState":
        """Return the train_state after a validation of the candidate.

        Arguments:
            success: rate of hits, which counts first.
            energy: mean energy, which decides between equal rates.
        """
        found = [jnp.asarray(x, self.success.dtype) for x in (success, energy)]
        better = (found[0] > self.success) | (
            (found[0] == self.success) & (found[1] < self.energy)
        )
        return TrainState(
            meta=self.meta,
            average=self.average,
            best=jnp.where(better, self.average, self.best),
            success=jnp.where(better, found[0], self.success),
            energy=jnp.where(better, found[1], self.energy),
            stale=jnp.where(better, 0, self.stale + 1),
        )
