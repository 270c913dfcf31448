"""The one way in which a method searches a task from many starts."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray

from .._rollout import advance
from ..domains import Domain, Purpose, attempt_keys
from ..optimizers import Quench, State, quench
from ..potentials import AbstractPotential
from ..tasks import Task, chunk_of
from .first_hit import FirstHit
from .method import Method
from .trials import FILL, Trials

# Steps between two looks from the host: short enough for progress and interruption, long
# enough that the looks cost nothing.
SEGMENT = 2000
# Root mean square gradient, in natural units, to which a precision can quench: rounding
# alone leaves 1e-5 to 1e-4 in single precision.
QUENCHED = {"float64": 1e-6, "float32": 1e-3}


def evaluate(
    method: Method,
    task: Task,
    indices: Sequence[int],
    *,
    budget: int,
    seed: int,
    domain: Domain = Domain.TEST,
    dtype: Any = jnp.float32,
    stop_at_hit: bool = False,
    looks: int = 0,
    note: Callable[[float], None] = lambda _: None,
    clock: Callable[[], float] = time.perf_counter,
) -> Trials:
    """Let a method search from each start until its budget is spent.

    From every start it makes attempts: a start, the steps granted, and a quench in double
    precision where JAX has it switched on, else in single. It begins another one, from a
    fresh start, as long as start and steps still fit into the budget beside all that was
    spent. What it takes to draw a start, and to quench, is known afterwards: it is counted,
    and may exceed the budget. Start and randomness depend on seed, domain, index and
    attempt only, so that all methods have the same starts.

    Arguments:
        method: an optimizer and its way to spend a budget.
        task: the search problem.
        indices: numbers of the starts, see `Task.draw`.
        budget: energy-and-gradient evaluations granted to each.
        seed: of the starts and of stochastic optimizers.
        domain: what the starts are for.
        dtype: floating-point type of the search.
        stop_at_hit: whether to stop once every search of a chunk has come within the
            tolerance of the task's reference, which leaves the cost of a hit unchanged.
        looks: number of points, at most, at which energies along the first attempts are
            kept.
        note: told the fraction of the work that is done, many times; what it raises ends
            the search.
        clock: gives the time in seconds; wall-clock by default.

    Raises:
        ValueError: if the budget does not last for one attempt, or there are no starts.
    """
    method.horizon(budget)
    if len(indices) < 1:
        raise ValueError("indices: no starts given; search from at least one.")
    parts = []
    total = -(-len(indices) // task.width)
    task.compile()
    watch = _Stopwatch(clock)
    for number in range(total):
        chunk = _Chunk(method, task, indices, number, budget, seed, domain, dtype, watch)
        parts.append(
            chunk.search(
                stop_at_hit,
                milestones(chunk.horizon, looks),
                lambda done, number=number: note((number + done) / total),
            )
        )
    return Trials.join(parts)


def precise() -> np.dtype:
    """Return the precision of quenches: the highest that JAX has switched on."""
    return jnp.dtype(jax.dtypes.canonicalize_dtype(jnp.float64))


def milestones(horizon: int, count: int) -> list[int]:
    """Return at most so many step numbers at which to look: dense early on, then evenly
    spread, the last one included."""
    if horizon < 1 or count < 2:
        return []
    early = np.geomspace(1, horizon, count // 2)
    even = np.linspace(0, horizon, count // 2)
    points = np.unique(np.round(np.concatenate([early, even])).astype(int))
    return [int(point) for point in points if point > 0]


@eqx.filter_jit
def _begin(
    watched: FirstHit,
    potential: AbstractPotential,
    starts: Float[Array, "b n d"],
    horizon: Int[Array, ""],
    keys: Key[Array, " b"],
) -> State:
    def one(start: Float[Array, "n d"], key: PRNGKeyArray) -> State:
        first = jax.random.fold_in(key, 0)
        return watched.init(potential, start, horizon=horizon, key=first)

    return jax.vmap(one)(starts, keys)


@eqx.filter_jit
def _advance(
    watched: FirstHit,
    potential: AbstractPotential,
    state: State,
    steps: Int[Array, ""],
    keys: Key[Array, " b"],
) -> tuple[State, Int[Array, " b"]]:
    def one(state: State, key: PRNGKeyArray) -> tuple[State, Int[Array, ""]]:
        state = advance(watched, potential, state, steps, key=key)
        return state, watched.first(state)

    return jax.vmap(one)(state, keys)


@eqx.filter_jit
def _polish(
    potential: AbstractPotential,
    positions: Float[Array, "b n d"],
    tolerance: Float[Array, ""],
) -> Quench:
    return jax.vmap(partial(quench, potential, tolerance=tolerance))(positions)


class _Stopwatch:
    """The time of a search, without that in which its programs are compiled.

    They are compiled for the very arguments of their first call, and not run for it: no
    start is drawn twice, and a calculator is called for evaluations that count, only.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._compiling = clock, 0.0
        self._compiled: set[int] = set()

    def read(self) -> float:
        """Return the time so far, in seconds."""
        return self._clock() - self._compiling

    def run(self, program: Any, *arguments: Any) -> Any:
        """Call a jitted program."""
        if id(program) not in self._compiled:
            self._compiled.add(id(program))
            jax.block_until_ready(arguments)  # what still runs is no compilation
            begun = self._clock()
            program.lower(*arguments).compile()
            self._compiling += self._clock() - begun
        return program(*arguments)


class _Chunk:
    """Searches that run at the same time: the jitted pieces of an attempt, and what they
    share. Always `Task.width` of them, whoever they are, so that all run the same
    program."""

    def __init__(
        self,
        method: Method,
        task: Task,
        indices: Sequence[int],
        number: int,
        budget: int,
        seed: int,
        domain: Domain,
        dtype: Any,
        watch: _Stopwatch,
    ) -> None:
        target = -np.inf if task.reference is None else task.reference + task.vicinity
        self.task, self.dtype, self.budget = task, jnp.dtype(dtype), budget
        self.watch, self.width = watch, task.width
        self.name, self.horizon = method.name, method.horizon(budget)
        self.watched = FirstHit(method.optimizer, jnp.asarray(target, self.dtype))
        self.seed, self.domain = seed, domain
        self.indices = chunk_of(indices, number * self.width, self.width)
        self.count = min(self.width, len(indices) - number * self.width)
        self.precise = precise()

    def begin(self, attempt: int) -> tuple[State, Key[Array, " b"], Int[np.ndarray, " b"]]:
        task, path = self.task, (attempt, Purpose.SEARCH)
        starts, drawn = task.draw(
            self.seed, self.domain, self.indices.tolist(), self.dtype, attempt
        )
        keys = attempt_keys(
            self.domain.key(self.seed),
            self.indices,
            *(jnp.asarray(x, jnp.int32) for x in path),
        )
        horizon = jnp.asarray(self.horizon, jnp.int32)
        whole = self.watched, task.potential, starts, horizon, keys
        return self.watch.run(_begin, *whole), keys, drawn

    def advance(
        self, state: State, steps: int, keys: Key[Array, " b"]
    ) -> tuple[State, np.ndarray]:
        count = jnp.asarray(steps, jnp.int32)
        whole = self.watched, self.task.potential, state, count, keys
        state, first = self.watch.run(_advance, *whole)
        return state, np.asarray(first)

    def polish(self, state: State) -> Quench:
        best = jnp.asarray(np.asarray(state.best_positions, self.precise))
        tolerance = jnp.asarray(QUENCHED[self.precise.name], self.precise)
        return self.watch.run(_polish, self.task.potential, best, tolerance)

    def search(
        self,
        stop_at_hit: bool,
        looks: Sequence[int],
        note: Callable[[float], None],
    ) -> Trials:
        """Make attempts until the budgets are spent."""
        begun = self.watch.read()
        spent = np.zeros(self.width, int)
        attempts: list[dict[str, np.ndarray]] = []
        lowest = np.full(self.width, np.inf)
        positions: np.ndarray | None = None
        hit = np.zeros(self.width, bool)
        trace: list[State] = []
        while np.any(active := spent + self.horizon + 1 <= self.budget):
            if stop_at_hit and np.all(hit | ~active):
                break

            def progress(steps: int, spent: np.ndarray = spent) -> None:
                note(min(1.0, (int(np.min(spent)) + steps) / self.budget))

            def halt(first: np.ndarray, done: np.ndarray = hit | ~active) -> bool:
                return stop_at_hit and bool(np.all((first > 0) | done))

            row, relaxed, seen = self.attempt(
                len(attempts), looks if not attempts else (), progress, halt
            )
            trace = trace or seen
            for name, fill in FILL.items():
                row[name] = np.where(active, row[name], fill)
            better = row["polished"] < lowest
            positions = relaxed if positions is None else positions
            positions = np.where(better[:, None, None], relaxed, positions)
            lowest = np.where(better, row["polished"], lowest)
            reached = self.task.is_hit(row["polished"])
            hit |= reached
            direct = reached & (row["first"] > 0)
            spent = spent + row["drawn"] + row["search"]
            spent = spent + np.where(direct, 0, row["quench"])
            attempts.append(row)
        assert positions is not None, "a budget lasts for one attempt"
        note(1.0)
        kept = self.count
        columns: dict[str, Any] = {
            name: np.stack([a[name] for a in attempts], 1)[:kept] for name in FILL
        }
        return Trials(
            task=self.task,
            method=self.name,
            steps=self.horizon,
            budget=self.budget,
            stopped=stop_at_hit,
            **columns,
            positions=positions[:kept],
            points=np.array([np.asarray(s.evaluations)[0] for s in trace], np.int64),
            seen=_rows([s.observation.energy for s in trace], self.width)[:kept],
            lowest=_rows([s.best_energy for s in trace], self.width)[:kept],
            seconds=np.asarray(self.watch.read() - begun),
        )

    def attempt(
        self,
        number: int,
        looks: Sequence[int],
        progress: Callable[[int], None],
        halt: Callable[[np.ndarray], bool],
    ) -> tuple[dict[str, np.ndarray], np.ndarray, list[State]]:
        """Make one attempt; return its columns, the quenched structures and the states
        that were looked at."""
        state, keys, drawn = self.begin(number)
        state, first = self.advance(state, 0, keys)
        seen, taken = [state] if looks else [], 0
        stops = {*looks, *range(SEGMENT, self.horizon, SEGMENT), self.horizon} - {0}
        for stop in sorted(stops):
            if halt(first):
                break
            state, first = self.advance(state, stop - taken, keys)
            taken = stop
            if stop in looks:
                seen.append(state)
            progress(taken)
        relaxed = self.polish(state)
        found = np.asarray(state.best_energy, np.float64)
        # A run that never saw a finite energy has found nothing, at any price.
        energy = np.where(np.isfinite(found), np.asarray(relaxed.energy), np.inf)
        row = {
            "found": found,
            "polished": energy.astype(np.float64),
            "drawn": drawn.astype(np.int64),
            "search": np.asarray(state.evaluations).astype(np.int64),
            "quench": np.asarray(relaxed.evaluations).astype(np.int64),
            "first": first.astype(np.int64),
            "valid": np.asarray(state.valid),
            "quenched": np.asarray(relaxed.converged),
        }
        return row, np.asarray(relaxed.positions), seen


def _rows(columns: Sequence[Array], starts: int) -> Float[np.ndarray, "b t"]:
    """Return one row a start from one column a look."""
    if not columns:
        return np.zeros((starts, 0))
    return np.stack([np.asarray(column, np.float64) for column in columns], 1)
