"""Make a successful attempt again, and keep the way."""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .._rollout import rollout
from ..domains import Domain
from ..optimizers import LBFGS, AbstractOptimizer
from ..potentials import holds_callback
from .abandonment import Abandonment
from .arms import Arm, abandonment, choose
from .attempt import within
from .crew import Crew
from .result import SearchResult
from .trajectory import UNSEEN, Trajectory

# Structures kept of a walk, and of a descent; steps of the descent.
WALKED, DESCENDED = 40, 30
DESCENT = 240
# Descents end where less than this is left to gain, in natural energies.
LEFT = 1e-3
# Largest distance of an atom, in natural lengths, between two ends of one way.
APART = 0.5
# The same, between the end of a walk and of the probation that follows.
STRAYED = 1.0


class _Way:
    """Structures, one after the other."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.steps: list[int] = []
        self.energies: list[float] = []
        self.positions: list[np.ndarray] = []
        self.missed = 0
        """Steps since the last structure of which none is shown."""

    def add(self, stage: str, steps: Any, energies: Any, positions: Any) -> None:
        """Go on by these; steps are counted from the last structure."""
        first = (self.steps[-1] if self.steps else 0) + self.missed
        self.missed = 0
        for step, energy, x in zip(steps, energies, positions, strict=True):
            self.stages.append(stage)
            self.steps.append(first + int(step))
            self.energies.append(float(energy))
            self.positions.append(np.asarray(x, np.float64))


def retrace(
    result: SearchResult, *, arm: Arm | None = None, rule: Abandonment | None = None
) -> Trajectory | None:
    """Return how the lowest minimum was reached that an attempt found from a start of its
    own: walk, descent, exchange of atoms with vacancies.

    An attempt depends on task, seed, arm and number, so it can be made again; that costs
    about as much, is not counted, and needs the machine that the search ran on to end in
    the same minimum.

    Arguments:
        result: of a search.
        arm: the one that found it, if it is none of `l2h.engine.ARMS`.
        rule: the search's own, if it was given one.

    Returns:
        None if no attempt is known, it does not end there again, points are no structures,
        or energies come from a program outside of JAX, whose time it is not ours to spend
        twice.
    """
    known = [k for k, origin in enumerate(result.origins) if origin is not None]
    potential = result.task.potential
    foreign = holds_callback(potential) or not potential.space.invariant
    if not known or foreign:
        return None
    which, task = known[0], result.task
    origin = result.origins[which]
    assert origin is not None
    chosen = choose(task, [origin.arm])[0] if arm is None else arm
    rule = rule or abandonment(task)
    key = jax.random.fold_in(Domain.SEARCH.key(result.seed), origin.attempt)
    # The programs that the search has compiled, on the device that it begins with.
    crew = Crew(potential, task.n, rule, result.seed, jax.local_devices()[:1])
    begun = crew.begin(chosen, np.array([origin.attempt]))
    first = jax.tree.map(lambda leaf: leaf[0], begun)
    start, settled = (x[: task.n] for x in (first.start, first.state.observation.positions))
    way = _Way()
    if chosen.walk is not None:
        walk = within(first.invariance, chosen.walk)
        _walk(way, walk, chosen.steps, result, start, settled, key)
    _descend(way, result, start if chosen.walk is None else settled)
    last = crew.finish(rule, begun, [0], math.inf)[0]
    apart = partial(_apart, float(task.potential.scale.length))
    if apart(last.positions, result.positions[which]) > APART:
        return None
    if apart(way.positions[-1], last.positions) > APART:
        stage = "atoms exchanged with vacancies" if last.repairs > 0 else "descent"
        way.add(stage, [int(last.spent.evaluations)], [last.energy], [last.positions])
    energy = float(result.energies[which])
    way.add("minimum", [1], [energy], [result.positions[which]])
    return Trajectory(
        arm=origin.arm,
        minimum=which,
        stages=way.stages,
        steps=np.array(way.steps),
        energies=np.array(way.energies),
        positions=np.array(way.positions),
    )


def _walk(
    way: _Way,
    walk: AbstractOptimizer,
    steps: int,
    result: SearchResult,
    start: Float[np.ndarray, "n d"],
    settled: Float[np.ndarray, "n d"],
    key: Any,
) -> None:
    """Add the walk, as far as its lowest structure, from which the descent begins."""
    _, own = jax.random.split(key)
    trace = _trace(walk, result, start, steps, own)
    last = int(np.argmin(trace.energies))
    length = float(result.task.potential.scale.length)
    if _apart(length, trace.positions[last], settled) > STRAYED:
        # A walk is chaotic: another program, rounded differently, may lead elsewhere.
        _keep(way, UNSEEN, trace, 0, 1)
        way.missed = steps
        return
    _keep(way, "walk", trace, last, WALKED)


def _descend(way: _Way, result: SearchResult, first: Float[np.ndarray, "n d"]) -> None:
    """Add the descent from there."""
    trace = _trace(LBFGS.coarse(), result, first, DESCENT, jax.random.key(0))
    # Steps uphill are rejected: the way does not lead through them.
    kept = trace.energies <= np.minimum.accumulate(trace.energies)
    trace = jax.tree.map(lambda leaf: leaf[kept], trace)
    left = np.abs(trace.energies - trace.energies[-1])
    ends = int(np.argmax(left <= LEFT * result.task.unit))
    _keep(way, "descent", trace, ends, DESCENDED)


def _keep(way: _Way, stage: str, trace: Any, last: int, most: int) -> None:
    """Add structures up to the last, at even distances, and that one."""
    chosen = np.unique(np.linspace(0, last, min(last + 1, most)).round().astype(int))
    way.add(stage, trace.steps[chosen], trace.energies[chosen], trace.positions[chosen])


def _trace(
    optimizer: AbstractOptimizer,
    result: SearchResult,
    start: Any,
    steps: int,
    key: Any,
) -> Any:
    potential = result.task.potential
    run = rollout(optimizer, potential, jnp.asarray(start), steps, key=key, trace_every=1)
    return jax.device_get(run.trace)


def _apart(
    length: float, one: Float[np.ndarray, "n d"], other: Float[np.ndarray, "n d"]
) -> float:
    """Return the largest distance of an atom in two structures, in natural lengths."""
    difference = (one - one.mean(0)) - (other - other.mean(0))
    return float(np.max(np.linalg.norm(difference, axis=1))) / length
