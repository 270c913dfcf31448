"""One call from a task to its lowest minima: rounds of attempts, cheap ones first."""

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray

from ..domains import Domain
from ..evaluation.minima import fingerprint
from ..inits import Harmonic
from ..optimizers import quench
from ..potentials import AbstractPotential
from ..tasks import Task, get
from .arms import abandonment, choose
from .attempt import Abandonment, Arm, Begun, begin, finish
from .bandit import Shares, Tally
from .ledger import Ledger, Minimum
from .result import Origin, SearchResult

# Attempts of one program, of one round, and of one group that is finished together. They
# decide what an attempt knows of others, hence results; the number of devices does not.
LANES, ROUND, GROUP = 16, 32, 4
# Rounds grow up to ROUND, so that a small budget is not spent in one go.
FIRST_ROUND = 8
# Larger rounds of walks take no more than this fraction of the evaluations before them.
RISK = 0.1
# A finished structure this close to the best, in natural energies, is polished at once.
NEAR = 0.1
# Root mean square gradients, in natural units: to compare minima, and to report them.
SOUND, FINE = 1e-3, 1e-7
# Share of the evaluations that may polish minima beyond the lowest, at the end.
POLISHING = 0.1
# Probability that an attempt which begins from known minima takes the lowest, and the next
# if it does not take that.
LOW = 0.3
SINGLE = jnp.float32
FILE = "search.l2h"
# Seconds between two writings of the books.
PAUSE = 5.0
# So many failed attempts in a row, and something is wrong with the potential.
FAILURES = 3


@dataclass(frozen=True)
class Progress:
    """Where a search stands."""

    evaluations: int
    attempts: int
    minima: int
    best: float
    """Lowest energy, in the potential's unit; infinite at first."""
    arm: str
    seconds: float
    """Since this call began."""
    searching: float = 0.0
    """Of these, since its first attempts were finished: what `minutes` limits."""


@jax.jit
def _keys(root: PRNGKeyArray, numbers: Int[Array, " b"]) -> Key[Array, " b"]:
    return jax.vmap(partial(jax.random.fold_in, root))(numbers)


def _digest(tree: Any) -> str:
    """Return a mark of all numbers in a tree, the same in every process."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_array))]
    content = b"".join(f"{x.dtype}{x.shape}".encode() + x.tobytes() for x in leaves)
    return hashlib.sha256(content).hexdigest()[:16]


@eqx.filter_jit
def _polish(potential: AbstractPotential, positions: Any, tolerance: Any) -> Any:
    relax = partial(quench, potential, tolerance=tolerance, limit=2000)
    return jax.vmap(relax)(positions)


def search(
    task: str | Task | AbstractPotential,
    n: int | None = None,
    *,
    evaluations: int | None = None,
    minutes: float | None = None,
    until: Literal["reference"] | float | None = None,
    seed: int = 0,
    arms: Sequence[str | Arm] | None = None,
    devices: int | None = None,
    rule: Abandonment | None = None,
    shares: Shares | None = None,
    folder: str | Path | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> SearchResult:
    """Search for the structures of lowest energy.

    Attempts are made in rounds. Each starts somewhere, takes a few steps of a quench, and
    is given up if it is hopeless against the best that is known; what is left is quenched,
    repaired by exchange of atoms with vacancies, and polished in double precision if it is
    low. A bandit gives rounds to the arms that find the lowest minimum most cheaply.

    The result depends on task, seed, arms and rules; not on the number of devices, nor on
    interruptions. Every energy-and-gradient evaluation is counted, those of abandoned
    attempts and of clusters with fewer atoms included.

    Arguments:
        task: a task, its name, or a potential.
        n: number of atoms, with a potential.
        evaluations: stop after so many.
        minutes: stop after this time, counted from the end of the first attempts, so that
            compilation before it takes nothing away.
        until: stop once this energy is found (in the potential's unit), or with
            "reference" the lowest known one of the task.
        seed: determines everything random.
        arms: names (`l2h.engine.ARMS`) or arms of your own, the best bet first; what makes
            sense for the task by default.
        devices: how many local devices share the work; all by default.
        rule: when attempts are given up; what suits the task by default.
        shares: how the arms share the budget.
        folder: where the books are kept while the search runs; a search that was killed
            there goes on.
        on_progress: told where the search stands; what it raises ends the search.

    Returns:
        Minima, lowest first, and what was spent. A search that is interrupted from the
        keyboard, or whose potential has failed in three attempts in a row, ends with what
        it has.

    Raises:
        ValueError: for an unknown task or arm, without any limit, for a budget that is
            too small for one attempt, or if `folder` holds another search.
    """
    task = _task(task, n)
    _check(task, evaluations, minutes, until, seed)
    chosen, rule = choose(task, arms), rule or abandonment(task)
    _check_budget(evaluations, chosen, rule)
    count = jax.local_device_count() if devices is None else devices
    if not 1 <= count <= jax.local_device_count():
        raise ValueError(
            f"devices: {devices} asked for, {jax.local_device_count()} present; ask for 1 "
            "or more, and no more than these."
        )
    hunt = _Search(
        task,
        chosen,
        rule,
        shares or Shares(),
        seed,
        jax.local_devices()[:count],
        None if folder is None else Path(folder),
    )
    target = task.reference if until == "reference" else until
    status = hunt.run(evaluations, minutes, target, on_progress or (lambda _: None))
    return hunt.result(status)


def _task(task: str | Task | AbstractPotential, n: int | None) -> Task:
    if isinstance(task, str):
        task = get(task)
    if isinstance(task, AbstractPotential):
        if n is None:
            raise ValueError("n: not given; a potential alone does not say how many atoms.")
        task = Task(type(task).__name__, task, Harmonic(), n)
    elif n is not None:
        raise ValueError(f"n: {n} given, but the task says how many atoms; leave it out.")
    if not isinstance(task, Task):
        raise ValueError(
            f"task: {task!r} given; name a task such as lj38, or give a Task or a "
            "potential."
        )
    if task.n < 2:
        raise ValueError(f"task: {task.name} has {task.n} atoms; search at least 2.")
    return task


def _check(
    task: Task, evaluations: int | None, minutes: float | None, until: Any, seed: int
) -> None:
    if evaluations is None and minutes is None and until is None:
        raise ValueError(
            "evaluations, minutes, until: none given; a search needs a limit, such as "
            "evaluations=100_000."
        )
    if minutes is not None and not minutes > 0:
        raise ValueError(f"minutes: {minutes} given; a search needs a positive time.")
    if until == "reference" and task.reference is None:
        raise ValueError(
            f"until: no lowest energy of {task.name} is known; give an energy, or another "
            "limit."
        )
    if isinstance(until, str) and until != "reference":
        raise ValueError(f'until: {until!r} given; say "reference", or give an energy.')
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed: {seed} given; take one from 0 to 2^32 - 1.")
    if jax.dtypes.canonicalize_dtype(jnp.float64) != jnp.float64:
        raise ValueError(
            "precision: minima are polished in double precision, which JAX has switched "
            'off; before anything else, say jax.config.update("jax_enable_x64", True).'
        )


def _least(arm: Arm, rule: Abandonment) -> int:
    """Return the evaluations that an attempt takes at least."""
    # A walk and a probation both begin with one evaluation of their own.
    return arm.steps + (arm.steps > 0) + 1 + rule.after


def _check_budget(evaluations: int | None, arms: Sequence[Arm], rule: Abandonment) -> None:
    costs = {arm.name: _least(arm, rule) for arm in arms}
    name = min(costs, key=lambda name: costs[name])
    if evaluations is not None and evaluations < costs[name]:
        raise ValueError(
            f"evaluations: {evaluations} given, but one attempt of {name} takes "
            f"{costs[name]:,} or more; give at least that."
        )


class _End(NamedTuple):
    """How an attempt ended that was finished."""

    energy: float
    positions: np.ndarray
    finished: bool
    """Whether its quench came to its end."""
    polished: bool
    evaluations: int
    polishing: int
    probes: int


class _Search:
    """The host's loop around the pure parts."""

    def __init__(
        self,
        task: Task,
        arms: tuple[Arm, ...],
        rule: Abandonment,
        shares: Shares,
        seed: int,
        devices: list[Any],
        folder: Path | None,
    ) -> None:
        self.task, self.arms, self.rule = task, arms, rule
        self.shares, self.seed, self.devices = shares, seed, devices
        self.root = Domain.SEARCH.key(seed)
        self.file = None if folder is None else folder / FILE
        tallies = [Tally(arm.name, _least(arm, rule)) for arm in arms]
        self.ledger = Ledger(task, tallies)
        if self.file is not None and self.file.exists():
            self.ledger = Ledger.read(self.file, task, self.settings())
        self.between = self.ledger
        self.begun_at = time.monotonic()
        self.searching_since: float | None = None
        self.written_at = self.begun_at

    def settings(self) -> dict[str, Any]:
        """Return what determines the result, as plain Python."""
        return {
            "task": self.task.name,
            "atoms": self.task.n,
            "seed": self.seed,
            "arms": [arm.name for arm in self.arms],
            "parameters": _digest((self.task.potential, self.arms, self.rule)),
            "after": self.rule.after,
            "floor": self.shares.floor,
            "adaptive": self.shares.adaptive,
            "round": [LANES, ROUND, GROUP],
        }

    def run(
        self,
        evaluations: int | None,
        minutes: float | None,
        target: float | None,
        note: Callable[[Progress], None],
    ) -> str:
        """Go on until a limit is reached; return which, in words."""
        budget = math.inf if evaluations is None else float(evaluations)

        def stop() -> str | None:
            if target is not None and self._reached(target):
                return "the energy asked for was found"
            if self.ledger.failing >= FAILURES:
                return (
                    f"{FAILURES} attempts in a row met an energy or a gradient that is not "
                    "finite; look at the potential"
                )
            if self.ledger.evaluations >= budget:
                return f"the budget of {evaluations:,} evaluations is spent"
            if minutes is not None and self._searching() >= 60 * minutes:
                return f"the time of {minutes:g} minutes is over"
            return None

        status = stop()
        try:
            while status is None:
                # What is written is the state between two rounds, from which the search
                # goes on in the same way however it ended.
                self._write(PAUSE)
                status = self._round(budget, stop, note)
        except KeyboardInterrupt:
            status = "it was interrupted"
        self._write(0.0)
        return status

    def progress(self, arm: str) -> Progress:
        """Return where the search stands."""
        books = self.ledger
        elapsed = time.monotonic() - self.begun_at
        return Progress(
            books.evaluations,
            books.attempts,
            len(books.minima),
            books.best,
            arm,
            elapsed,
            self._searching(),
        )

    def _searching(self) -> float:
        """Return the seconds since the first attempts were finished."""
        since = self.searching_since
        return 0.0 if since is None else time.monotonic() - since

    def _reached(self, target: float) -> bool:
        minima = self.ledger.minima
        return bool(minima) and minima[0].energy <= target + self.task.window

    def _size(self, arm: Arm, tally: Tally, budget: float) -> int:
        """Return how many attempts the next round makes."""
        books = self.ledger
        size = min(ROUND, FIRST_ROUND * 2 ** max(0, books.rounds - 1))
        if arm.walk is not None:
            # Walks are dear: what one round risks follows what was spent before.
            share = math.ceil(RISK * books.evaluations / tally.cost)
            size = min(size, max(FIRST_ROUND, share))
        if math.isfinite(budget):
            left = math.ceil((budget - books.evaluations) / tally.cost)
            size = min(size, max(1, left))
        return size

    def _round(
        self,
        budget: float,
        stop: Callable[[], str | None],
        note: Callable[[Progress], None],
    ) -> str | None:
        """Make one round; return why the search ends, if it does."""
        books = self.ledger
        self.between = books.copy()
        which = self.shares.choose(books.tallies, self.seed, books.rounds)
        if self.arms[which].init is None and not math.isfinite(books.best):
            which = 0
        arm, tally = self.arms[which], books.tallies[which]
        size = self._size(arm, tally, budget)
        first = books.attempts
        begun = self._begin(arm, np.arange(first, first + size))
        expected = np.asarray(begun.expected, float)[:size]
        valid = np.asarray(begun.state.valid)[:size] & np.isfinite(expected)
        status, place = None, 0
        while place < size:
            group: list[int] = []
            since = place
            while place < size and len(group) < GROUP:
                hopeful = valid[place] and not self._hopeless(expected[place])
                if hopeful and status is None:
                    group.append(place)
                place += 1
            ends = self._finish(begun, group) if group else {}
            # In the order of attempts, as if they had been made one by one; also those
            # that are given up, and those that come too late.
            for number in range(since, place):
                books.attempts += 1
                tally.attempts += 1
                spent, probed = begun.evaluations[number], begun.probes[number]
                books.spend(tally, int(spent), int(probed))
                if number in ends:
                    self._enter(arm, tally, ends[number])
                elif not valid[number]:
                    books.fail(tally)
                else:
                    books.failing = 0
            if self.searching_since is None:
                self.searching_since = time.monotonic()
            if status is None:
                status = stop()
                note(self.progress(arm.name))
        books.rounds += 1
        if status is None:
            self.between = books
        return status

    def _hopeless(self, expected: float) -> bool:
        best = self.ledger.best
        return bool(expected > best + float(self.rule.window) * abs(best))

    def _begin(self, arm: Arm, numbers: np.ndarray) -> Begun:
        """Make the first parts of attempts, chunk by chunk of constant shape."""
        chunks = []
        for k, first in enumerate(range(0, len(numbers), LANES)):
            index = numbers[first : first + LANES]
            known = None if arm.init is not None else self._known(index)
            full = np.concatenate([index, np.full(LANES - len(index), index[0])])
            # All are under way before the first is waited for.
            with jax.default_device(self.devices[k % len(self.devices)]):
                keys = _keys(self.root, jnp.asarray(full, jnp.int32))
                chunks.append(
                    begin(
                        arm,
                        self.rule,
                        self.task.potential,
                        self.task.n,
                        SINGLE,
                        keys,
                        known,
                    )
                )
        return jax.tree.map(lambda *parts: np.concatenate(parts), *chunks)

    def _known(self, numbers: np.ndarray) -> Float[Array, "b n d"]:
        """Return a low structure for each attempt, the lower the more likely."""
        pool = sorted([*self.ledger.minima, *self.ledger.spares], key=lambda m: m.energy)
        places = [
            min(np.random.default_rng([self.seed, int(i)]).geometric(LOW), len(pool)) - 1
            for i in numbers
        ]
        places += [places[0]] * (LANES - len(places))
        return jnp.asarray(np.stack([pool[k].positions for k in places]), SINGLE)

    def _finish(self, begun: Begun, group: list[int]) -> dict[int, _End]:
        """Quench and repair a group of attempts, and polish what is low."""
        books = self.ledger
        full = np.array(group + [group[0]] * (GROUP - len(group)))
        bar = jnp.asarray(books.best, SINGLE)
        some = jax.tree.map(lambda leaf: jnp.asarray(leaf[full]), begun)
        ended = jax.device_get(finish(self.rule, self.task.potential, some, bar))
        energies = ended.energy.astype(float)
        positions = ended.positions.astype(np.float64)
        done = ended.finished & np.isfinite(energies)
        best = min(books.best, float(np.min(energies[done], initial=math.inf)))
        near = best + NEAR * books.unit
        low = [k for k in range(len(group)) if done[k] and energies[k] <= near]
        polished = self._polished(positions, low, SOUND)
        ends = {}
        for k, number in enumerate(group):
            energy, structure, cost = polished.get(k, (energies[k], positions[k], 0))
            ends[number] = _End(
                float(energy),
                structure,
                bool(done[k]),
                k in polished,
                int(ended.evaluations[k]),
                cost,
                int(ended.probes[k]),
            )
        return ends

    def _enter(self, arm: Arm, tally: Tally, end: _End) -> None:
        """Enter how an attempt ended, and what that cost."""
        books = self.ledger
        books.polishing += end.polishing
        books.spend(tally, end.evaluations + end.polishing, end.probes)
        if not math.isfinite(end.energy):
            books.fail(tally)
            return
        books.failing = 0
        tally.finished += int(end.finished)
        found = arm.init is not None
        if end.polished:
            books.enter(tally, end.energy, end.positions, independent=found)
        elif end.finished:
            books.set_aside(tally, end.energy, end.positions, independent=found)

    def _polished(
        self,
        positions: Float[np.ndarray, "b n d"],
        which: list[int],
        tolerance: float,
    ) -> dict[int, tuple[float, np.ndarray, int]]:
        """Quench structures in double precision; return energy, structure and cost."""
        results = {}
        for first in range(0, len(which), GROUP):
            part = which[first : first + GROUP]
            full = part + [part[0]] * (GROUP - len(part))
            relaxed = _polish(
                self.task.potential,
                jnp.asarray(positions[np.array(full)], jnp.float64),
                jnp.asarray(tolerance, jnp.float64),
            )
            for i, k in enumerate(part):
                energy, cost = float(relaxed.energy[i]), int(relaxed.evaluations[i])
                results[k] = energy, np.asarray(relaxed.positions[i]), cost
        return results

    def _write(self, pause: float) -> None:
        now = time.monotonic()
        if self.file is None or now - self.written_at < pause:
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.between.write(self.file, self.settings())
        self.written_at = now

    def result(self, status: str) -> SearchResult:
        """Polish what is to be shown, for a tenth of the evaluations at most, and return
        it. What that takes is counted; the books stay as they are."""
        books = self.ledger.copy()
        allowance = POLISHING * books.evaluations
        spent = 0
        rows = [*books.minima, *books.spares]
        rows.sort(key=lambda row: row.energy)
        shown: list[Minimum] = []
        for number, row in enumerate(rows):
            if number and spent >= allowance:
                # Spares that nobody polished are no minima; what was polished stays.
                shown += [r for r in rows[number:] if isinstance(r, Minimum)]
                break
            found = self._polished(row.positions[None], [0], FINE)
            energy, structure, cost = found[0]
            spent += cost
            if not math.isfinite(energy):
                # What cannot be polished further stays as it was polished before.
                shown += [row] if isinstance(row, Minimum) else []
                continue
            mark = fingerprint(self.task, structure)
            who = (row.attempt, row.arm)
            shown.append(
                Minimum(energy, structure, row.hits, row.first_evaluation, mark, *who)
            )
        merged = Ledger(self.task, [])
        for row in sorted(shown, key=lambda row: row.energy):
            merged.merge(row)
        best = merged.minima[0].energy if merged.minima else math.inf
        progress = [*books.progress, (books.evaluations, best)] if merged.minima else []
        counts = {
            "evaluations": books.evaluations + spent,
            "polishing": books.polishing + spent,
            "site probes": books.probes,
            "attempts": books.attempts,
        }
        shape = (-1, self.task.n, self.task.potential.space.dimension)
        minima = merged.minima
        return SearchResult(
            task=self.task,
            energies=np.array([m.energy for m in minima], float),
            positions=np.array([m.positions for m in minima], float).reshape(shape),
            hits=np.array([m.hits for m in minima], int),
            first_evaluation=np.array([m.first_evaluation for m in minima], int),
            evaluations=books.evaluations + spent,
            counts=counts,
            arms=[tally.summary() for tally in books.tallies],
            progress=np.array(progress, float).reshape(-1, 2),
            status=status,
            seed=self.seed,
            settings=self.settings(),
            origins=[
                Origin(self.arms[m.arm].name, m.attempt) if m.attempt >= 0 else None
                for m in minima
            ],
        )
