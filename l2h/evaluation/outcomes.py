"""What an optimizer reaches from many starts, every evaluation counted."""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PRNGKeyArray

from ..optimizers import AbstractOptimizer, Quench, quench
from ..potentials import AbstractPotential
from ..rollout import rollout
from ..tasks import TOLERANCE, Task
from .statistics import Interval, cost_per_hit, success_rate

# Structures evaluated at once; a constant shape, so that results do not depend on how
# many starts are asked for.
CHUNK = 25


class Outcomes(eqx.Module):
    """Results of one optimizer on one task, one entry per start."""

    task: Task
    steps: int = eqx.field(static=True)
    """Steps granted to each run."""
    found: Float[np.ndarray, " b"]
    """Lowest energy seen on the way."""
    polished: Float[np.ndarray, " b"]
    """Energy of the best structure after a quench in double precision."""
    positions: Float[np.ndarray, "b n d"]
    """The quenched structures."""
    valid: Bool[np.ndarray, " b"]
    """Whether every energy and gradient on the way was finite."""
    quenched: Bool[np.ndarray, " b"]
    """Whether the quench had converged."""
    quench_evaluations: Int[np.ndarray, " b"]

    @property
    def runs(self) -> int:
        """Number of starts."""
        return len(self.found)

    @property
    def reference(self) -> float:
        """The task's reference energy; without one, the lowest energy found here."""
        if self.task.reference is not None:
            return self.task.reference
        return float(np.min(self.polished))

    @property
    def _tolerance(self) -> float:
        return TOLERANCE * float(self.task.potential.scale.energy)

    @property
    def hits(self) -> Bool[np.ndarray, " b"]:
        """Runs whose quenched structure has the reference energy."""
        return np.abs(self.polished - self.reference) <= self._tolerance

    @property
    def direct(self) -> Bool[np.ndarray, " b"]:
        """Hits whose own trajectory came that close, so that no quench was needed."""
        return self.hits & (self.found <= self.reference + self._tolerance)

    @property
    def discoveries(self) -> Bool[np.ndarray, " b"]:
        """Runs that ended below the reference: a discovery, or a bug."""
        return self.polished < self.reference - self._tolerance

    @property
    def evaluations(self) -> Int[np.ndarray, " b"]:
        """Evaluations of each run: start, steps, and the quench unless it was direct."""
        return self.steps + 1 + np.where(self.direct, 0, self.quench_evaluations)

    @property
    def success(self) -> Interval:
        """Rate of hits."""
        return success_rate(int(self.hits.sum()), self.runs)

    @property
    def per_hit(self) -> Interval:
        """Evaluations per hit, restarts and quenches included."""
        return cost_per_hit(self.evaluations, self.hits)

    def summary(self) -> dict[str, Any]:
        """Return the numbers that are reported, as plain Python."""
        return {
            "task": self.task.name,
            "steps": self.steps,
            "runs": self.runs,
            "reference": self.reference,
            "hits": int(self.hits.sum()),
            "direct_hits": int(self.direct.sum()),
            "success": list(self.success),
            "evaluations": int(self.evaluations.sum()),
            "evaluations_per_hit": list(self.per_hit),
            "mean_energy": float(np.mean(self.polished)),
            "mean_found": float(np.mean(self.found)),
            "lowest_energy": float(np.min(self.polished)),
            "quantiles": [float(q) for q in np.quantile(self.polished, (0.1, 0.5, 0.9))],
            "nonfinite": int((~self.valid).sum()),
            "unconverged": int((~self.quenched).sum()),
            "below_reference": int(self.discoveries.sum()),
        }


@eqx.filter_jit
def _search(
    optimizer: AbstractOptimizer,
    task: Task,
    starts: Float[Array, "b n d"],
    steps: Int[Array, ""],
    keys: Key[Array, " b"],
) -> tuple[Float[Array, " b"], Float[Array, "b n d"], Bool[Array, " b"]]:
    def one(start: Float[Array, "n d"], key: PRNGKeyArray):
        state = rollout(optimizer, task.potential, start, steps, key=key).state
        return state.best_energy, state.best_positions, state.valid

    return jax.vmap(one)(starts, keys)


@eqx.filter_jit
def polish(
    potential: AbstractPotential,
    positions: Float[Array, "b n d"],
    tolerance: Float[Array, ""],
) -> Quench:
    """Quench structures, one entry each."""
    return jax.vmap(partial(quench, potential, tolerance=tolerance))(positions)


def evaluate(
    optimizer: AbstractOptimizer,
    task: Task,
    starts: Float[Array, "b n d"],
    steps: int,
    *,
    key: PRNGKeyArray,
    tolerance: float = 1e-6,
) -> Outcomes:
    """Run an optimizer from every start and quench what it found.

    Arguments:
        optimizer: any optimizer.
        task: the search problem.
        starts: where to begin, in the precision of the search; see `starts_of`.
        steps: steps granted to each run; the same compilation serves all numbers.
        key: run i uses `fold_in(key, i)`.
        tolerance: of the quench, root mean square gradient in natural units. It runs in
            double precision where JAX has it switched on.

    Raises:
        ValueError: if there are no starts or `steps` is negative.
    """
    if len(starts) < 1 or steps < 0:
        raise ValueError(
            f"starts, steps: {len(starts)} and {steps} given; at least one start and no "
            "negative number of steps are needed."
        )
    double = jax.dtypes.canonicalize_dtype(jnp.float64)
    columns = []
    for first in range(0, len(starts), CHUNK):
        # The last chunk is filled up with copies of its first start.
        index = np.arange(first, first + CHUNK)
        index = np.where(index < len(starts), index, first)
        keys = jax.vmap(partial(jax.random.fold_in, key))(jnp.asarray(index))
        found, best, valid = _search(
            optimizer, task, jnp.asarray(starts)[index], jnp.asarray(steps), keys
        )
        relaxed = polish(
            task.potential, best.astype(double), jnp.asarray(tolerance, double)
        )
        kept = min(CHUNK, len(starts) - first)
        columns.append(
            [
                np.asarray(column)[:kept]
                for column in (
                    found,
                    relaxed.energy,
                    relaxed.positions,
                    valid,
                    relaxed.converged,
                    relaxed.evaluations,
                )
            ]
        )
    found, energy, positions, valid, converged, evaluations = (
        np.concatenate(parts) for parts in zip(*columns, strict=True)
    )
    return Outcomes(
        task=task,
        steps=steps,
        found=found.astype(np.float64),
        # A run that never saw a finite energy has found nothing, at any price.
        polished=np.where(np.isfinite(found), energy, np.inf).astype(np.float64),
        positions=positions,
        valid=valid,
        quenched=converged,
        quench_evaluations=evaluations,
    )


def cheapest(outcomes: list[Outcomes]) -> Outcomes:
    """Return the outcomes with the fewest evaluations per hit; without any hit, those of
    lowest mean energy.

    Raises:
        ValueError: if none are given.
    """
    if not outcomes:
        raise ValueError("outcomes: none given; evaluate at least one horizon.")
    return min(outcomes, key=lambda o: (o.per_hit.value, float(np.mean(o.polished))))
