"""Any optimizer, kept within the symmetry of its start."""

from typing import Any

from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from .._leaves import trained
from ..potentials import AbstractPotential, Observation
from ..symmetry import Invariance
from .base import AbstractOptimizer, State


class Invariant(AbstractOptimizer[Any]):
    """Moves as another optimizer does, without what would break the symmetry.

    Each displacement is projected onto those that keep the structure invariant. Optimizers
    that treat all directions alike keep a symmetry by themselves, but for rounding, which
    hot searches amplify; others, such as Adam, and random hops, break it.

    Arguments:
        inner: the optimizer that moves.
        invariance: of the start; under `jax.vmap`, one for each.

    Raises:
        ValueError: by `begin`, if the start has another number of atoms.
    """

    inner: AbstractOptimizer[Any]
    invariance: Invariance

    def begin(
        self,
        potential: AbstractPotential,
        observation: Observation,
        *,
        horizon: Int[Array, ""],
        key: PRNGKeyArray,
    ) -> Any:
        n, known = len(observation.positions), self.invariance.atoms.shape[-1]
        if n != known:
            raise ValueError(
                f"invariance: it describes {known} atoms, but the start has {n}; build it "
                "with Invariance.of(start, ...)."
            )
        return self.inner.begin(potential, observation, horizon=horizon, key=key)

    def move(
        self, potential: AbstractPotential, state: State[Any], *, key: PRNGKeyArray
    ) -> tuple[Float[Array, "n d"], Any]:
        x = state.observation.positions
        moved, memory = self.inner.move(potential, state, key=key)
        return x + self.invariance.project(moved - x), memory

    def trainable(self) -> PyTree:
        return trained(self, inner=self.inner.trainable())
