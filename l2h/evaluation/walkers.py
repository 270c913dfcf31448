"""One optimizer on one task: a chunk of walkers, each to the end of its budget."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray

from ..domains import Domain
from ..inits import AbstractInit
from ..optimizers import State
from ..potentials import AbstractPotential
from ..rollout import advance
from ..tasks import TOLERANCE, Task
from .outcomes import CHUNK, polish
from .record import FILL, Contestant, Record
from .watched import Watched

# Steps between two looks from the host: short enough for progress and interruption, long
# enough that the looks cost nothing.
SEGMENT = 2000
# Points of the energy along the first attempt.
POINTS = 60


@eqx.filter_jit
def _draw(
    init: AbstractInit,
    potential: AbstractPotential,
    n: int,
    root: PRNGKeyArray,
    index: Int[Array, " b"],
    attempt: Int[Array, ""],
    dtype: Any,
) -> Float[Array, "b n d"]:
    # A program of its own, so that all optimizers get the same bits.
    def one(i: Int[Array, ""]) -> Float[Array, "n d"]:
        return init(_walker(root, i, attempt), potential, n, dtype)

    return jax.vmap(one)(index)


def _walker(
    root: PRNGKeyArray, index: Int[Array, ""], attempt: Int[Array, ""]
) -> PRNGKeyArray:
    """Return the key of a walker's attempt; that of the first is the start's own."""
    key = jax.random.fold_in(root, index)
    return jnp.where(attempt == 0, key, jax.random.fold_in(key, attempt))


@eqx.filter_jit
def _begin(
    watched: Watched,
    potential: AbstractPotential,
    starts: Float[Array, "b n d"],
    horizon: Int[Array, ""],
    root: PRNGKeyArray,
    index: Int[Array, " b"],
    attempt: Int[Array, ""],
) -> tuple[State, Key[Array, " b"]]:
    keys = jax.vmap(partial(_walker, root, attempt=attempt))(index)

    def one(start: Float[Array, "n d"], key: PRNGKeyArray) -> State:
        first = jax.random.fold_in(key, 0)
        return watched.init(potential, start, horizon=horizon, key=first)

    return jax.vmap(one)(starts, keys), keys


@eqx.filter_jit
def _advance(
    watched: Watched,
    potential: AbstractPotential,
    state: State,
    steps: Int[Array, ""],
    keys: Key[Array, " b"],
) -> tuple[State, Int[Array, " b"]]:
    def one(state: State, key: PRNGKeyArray) -> tuple[State, Int[Array, ""]]:
        state = advance(watched, potential, state, steps, key=key)
        return state, watched.first_hit(state)

    return jax.vmap(one)(state, keys)


def milestones(horizon: int) -> list[int]:
    """Return the step numbers at which the first attempt is looked at: dense early on,
    then evenly spread, the last one included."""
    early = np.geomspace(1, max(horizon, 1), POINTS // 2)
    even = np.linspace(0, horizon, POINTS // 2)
    points = np.unique(np.round(np.concatenate([early, even])).astype(int))
    return [int(point) for point in points if 0 < point <= horizon]


def contest(
    contestant: Contestant,
    task: Task,
    index: Sequence[int],
    *,
    budget: int,
    seed: int = 0,
    dtype: Any = jnp.float32,
    stop_at_hit: bool = False,
    tolerance: float = 1e-6,
    note: Callable[[float], None] = lambda _: None,
    clock: Callable[[], float] = time.perf_counter,
) -> Record:
    """Let walkers search until their budgets are spent.

    A walker makes attempts: a start, the steps granted, and a quench in double precision.
    It begins another one, from a fresh start, as long as start and steps still fit into
    the budget beside all that it has spent; the last quench may exceed the budget, and
    what it takes is counted. Start and randomness of a walker depend on seed, index and
    attempt only, so that all contestants have the same starts.

    Arguments:
        contestant: an optimizer and its way to spend a budget.
        task: the search problem.
        index: numbers of the walkers, at most CHUNK; fewer are filled up, so that all
            calls run the same program.
        budget: energy-and-gradient evaluations granted to each walker.
        seed: of the starts and of stochastic optimizers.
        dtype: floating-point type of the search.
        stop_at_hit: whether to stop once every walker has come within the tolerance of the
            task's reference, which leaves the cost of a hit unchanged.
        tolerance: of the quench, root mean square gradient in natural units.
        note: told the fraction of the budget that is spent, many times; what it raises
            ends the search.
        clock: gives the time in seconds; wall-clock by default.

    Raises:
        ValueError: if the budget does not last for one attempt, or the walkers are none,
            or more than a chunk.
    """
    horizon = contestant.horizon(budget)
    if not 1 <= len(index) <= CHUNK:
        raise ValueError(f"index: {len(index)} walkers given; take from 1 to {CHUNK}.")
    walkers = _Walkers(contestant, task, index, horizon, seed, jnp.dtype(dtype), tolerance)
    walkers.compile()
    begun = clock()
    spent = np.zeros(CHUNK, int)
    attempts: list[dict[str, np.ndarray]] = []
    lowest = np.full(CHUNK, np.inf)
    positions = np.zeros((CHUNK, 0, 0))
    hit = np.zeros(CHUNK, bool)
    trace: _Trace | None = None
    while np.any(active := spent + horizon + 1 <= budget):
        if stop_at_hit and np.all(hit | ~active):
            break

        def progress(steps: int, spent: np.ndarray = spent) -> None:
            note(min(1.0, (int(np.min(spent)) + steps) / budget))

        def halt(first: np.ndarray, done: np.ndarray = hit | ~active) -> bool:
            return stop_at_hit and bool(np.all((first > 0) | done))

        row, relaxed, seen = walkers.attempt(len(attempts), progress, halt)
        for name, fill in FILL.items():
            row[name] = np.where(active, row[name], fill)
        better = row["polished"] < lowest
        if trace is None:
            trace, positions = seen, relaxed
        positions = np.where(better[:, None, None], relaxed, positions)
        lowest = np.where(better, row["polished"], lowest)
        hit |= _reaches(task, row["polished"])
        direct = _reaches(task, row["polished"]) & (row["first"] > 0)
        spent = spent + row["search"] + np.where(direct, 0, row["quench"])
        attempts.append(row)
    assert trace is not None, "a budget lasts for one attempt"
    kept = len(index)
    return Record(
        **{name: np.stack([a[name] for a in attempts], 1)[:kept] for name in FILL},
        positions=positions[:kept],
        points=np.asarray(trace.points),
        energies=np.stack(trace.energies, 1)[:kept],
        lowest=np.stack(trace.lowest, 1)[:kept],
        seconds=np.asarray(clock() - begun),
    )


def _reaches(task: Task, energies: np.ndarray) -> np.ndarray:
    if task.reference is None:
        return np.zeros(energies.shape, bool)
    gap = TOLERANCE * float(task.potential.scale.energy)
    return np.abs(energies - task.reference) <= gap


class _Trace:
    """Energies of the first attempt, as the host has seen them."""

    def __init__(self) -> None:
        self.points: list[int] = []
        self.energies: list[np.ndarray] = []
        self.lowest: list[np.ndarray] = []

    def look(self, state: State) -> None:
        self.points.append(int(np.asarray(state.evaluations)[0]))
        seen = state.observation.energy
        self.energies.append(np.asarray(seen, np.float64))
        self.lowest.append(np.asarray(state.best_energy, np.float64))


class _Walkers:
    """A chunk of walkers: the jitted pieces of an attempt and what they share."""

    def __init__(
        self,
        contestant: Contestant,
        task: Task,
        index: Sequence[int],
        horizon: int,
        seed: int,
        dtype: Any,
        tolerance: float,
    ) -> None:
        target = -np.inf
        if task.reference is not None:
            target = task.reference + TOLERANCE * float(task.potential.scale.energy)
        self.task, self.horizon, self.dtype = task, horizon, dtype
        self.watched = Watched(contestant.optimizer, jnp.asarray(target, dtype))
        # Filled up with copies of the first walker.
        full = [*index, *[index[0]] * (CHUNK - len(index))]
        self.index = jnp.asarray(full, jnp.int32)
        self.starts_from = Domain.TEST.key(seed)
        self.searches_from = Domain.SEARCH.key(seed)
        self.double = jax.dtypes.canonicalize_dtype(jnp.float64)
        self.tolerance = jnp.asarray(tolerance, self.double)

    def begin(self, number: int) -> tuple[State, Key[Array, " b"]]:
        attempt = jnp.asarray(number, jnp.int32)
        starts = _draw(
            self.task.init,
            self.task.potential,
            self.task.n,
            self.starts_from,
            self.index,
            attempt,
            self.dtype,
        )
        return _begin(
            self.watched,
            self.task.potential,
            starts,
            jnp.asarray(self.horizon, jnp.int32),
            self.searches_from,
            self.index,
            attempt,
        )

    def advance(
        self, state: State, steps: int, keys: Key[Array, " b"]
    ) -> tuple[State, np.ndarray]:
        count = jnp.asarray(steps, jnp.int32)
        state, first = _advance(self.watched, self.task.potential, state, count, keys)
        return state, np.asarray(first)

    def polish(self, state: State) -> Any:
        best = state.best_positions.astype(self.double)
        return polish(self.task.potential, best, self.tolerance)

    def compile(self) -> None:
        """Run every program once, so that times are those of the search alone."""
        state, keys = self.begin(0)
        state, _ = self.advance(state, 0, keys)
        jax.block_until_ready(self.polish(state))

    def attempt(
        self,
        number: int,
        progress: Callable[[int], None],
        halt: Callable[[np.ndarray], bool],
    ) -> tuple[dict[str, np.ndarray], np.ndarray, _Trace]:
        """Make one attempt; return its columns, the quenched structures and the trace."""
        state, keys = self.begin(number)
        state, first = self.advance(state, 0, keys)
        trace, taken = _Trace(), 0
        trace.look(state)
        looks = set(milestones(self.horizon)) if number == 0 else {self.horizon}
        stops = looks | set(range(SEGMENT, self.horizon, SEGMENT))
        for stop in sorted(stops):
            if halt(first):
                break
            state, first = self.advance(state, stop - taken, keys)
            taken = stop
            if stop in looks:
                trace.look(state)
            progress(taken)
        relaxed = self.polish(state)
        found = np.asarray(state.best_energy, np.float64)
        # A run that never saw a finite energy has found nothing, at any price.
        energy = np.where(np.isfinite(found), np.asarray(relaxed.energy), np.inf)
        row = {
            "found": found,
            "polished": energy,
            "search": np.asarray(state.evaluations).astype(np.int64),
            "quench": np.asarray(relaxed.evaluations).astype(np.int64),
            "first": first.astype(np.int64),
            "valid": np.asarray(state.valid),
            "quenched": np.asarray(relaxed.converged),
        }
        return row, np.asarray(relaxed.positions), trace
