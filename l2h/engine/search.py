"""One call from a task to its lowest minima: rounds of attempts, cheap ones first."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..domains import Domain
from ..inits import Spent
from ..potentials import AbstractPotential
from ..tasks import Task
from .abandonment import Abandonment
from .arms import Arm
from .attempt import Begun
from .bandit import Shares, Tally
from .conclusion import conclude
from .crew import Crew, End
from .ledger import Ledger
from .problem import Limits, Problem, devices_of, target_of, task_of
from .result import SearchResult

# Attempts of one round at most. Rounds grow, so that a small budget is not spent in one go.
FIRST_ROUND, ROUND = 8, 32
# Larger rounds of walks take no more than this fraction of the evaluations before them.
RISK = 0.1
# A finished structure this close to the best, in natural energies, is polished at once, to
# this root mean square gradient.
NEAR, SOUND = 0.1, 1e-3
# Two energies of one structure, in natural energies, differ by no more.
SAME = 1e-3
# Probability that an attempt which begins from known minima takes the lowest, and the next
# if it does not take that.
LOW = 0.3
FILE = "search.l2h"
# Seconds between two writings of the books.
PAUSE = 5.0
# So many failed attempts in a row, and something is wrong with the potential.
FAILURES = 3
# Of the engine's ways, on which results depend: books of another one are not continued.
EDITION = 8


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
    task = task_of(task, n)
    limits = Limits(evaluations, minutes, target_of(task, until))
    problem = Problem.of(task, arms, rule, shares, seed)
    problem.affords(evaluations)
    where = None if folder is None else Path(folder)
    hunt = _Search(problem, limits, devices_of(devices), where)
    status = hunt.run(on_progress or (lambda _: None))
    return conclude(problem, hunt.crew, hunt.ledger, hunt.settings, status)


@eqx.filter_jit
def _energy(
    potential: AbstractPotential, positions: Float[Array, "n d"]
) -> Float[Array, ""]:
    return potential.observe(positions).energy


class _Search:
    """The host's loop around the pure parts."""

    def __init__(
        self,
        problem: Problem,
        limits: Limits,
        devices: list[Any],
        folder: Path | None,
    ) -> None:
        self.problem, self.limits, self.task = problem, limits, problem.task
        self.rules = [
            jax.device_get(problem.rule.narrowed(arm.allowance)) for arm in problem.arms
        ]
        task = self.task
        self.crew = Crew(task.potential, task.n, problem.rule, problem.seed, devices)
        self.settings = problem.settings() | {
            "round": [self.crew.lanes, ROUND, self.crew.group],
            "edition": EDITION,
        }
        self.file = None if folder is None else folder / FILE
        tallies = [
            Tally(arm.name, arm.least(problem.rule), floor=arm.floor)
            for arm in problem.arms
        ]
        self.ledger = Ledger(task, tallies)
        if self.file is not None and self.file.exists():
            self.ledger = Ledger.read(self.file, task, self.settings)
            self._recognise(self.file)
        self.between = self.ledger
        self.begun_at = time.monotonic()
        self.searching_since: float | None = None
        self.written_at = self.begun_at

    def _recognise(self, file: Path) -> None:
        """Raise ValueError if the books are those of another potential: what a calculator
        computes, nothing else tells."""
        for known in self.ledger.minima[:1]:
            again = float(_energy(self.task.potential, jnp.asarray(known.positions)))
            if not abs(again - known.energy) <= SAME * self.ledger.unit:
                raise ValueError(
                    f"folder: {file} holds a structure with the energy {known.energy:.6f}, "
                    f"to which this potential gives {again:.6f}; choose another folder, or "
                    "the same potential."
                )

    def run(self, note: Callable[[Progress], None]) -> str:
        """Go on until a limit is reached; return which, in words."""
        status = self._over()
        try:
            if status is None:
                which = self._choice()
                self.crew.compile_ahead(self.problem.arms[which], self.rules[which])
            while status is None:
                # What is written is the state between two rounds, from which the search
                # goes on in the same way however it ended.
                self._write(PAUSE)
                status = self._round(note)
        except KeyboardInterrupt:
            status = "it was interrupted"
        self._write(0.0)
        return status

    def _over(self) -> str | None:
        """Return why the search ends, if it does."""
        books, limits = self.ledger, self.limits
        if limits.target is not None and books.minima:
            if books.minima[0].energy <= limits.target + self.task.window:
                return "the energy asked for was found"
        if books.failing >= FAILURES:
            return (
                f"{FAILURES} attempts in a row met an energy or a gradient that is not "
                "finite; look at the potential"
            )
        if books.evaluations >= limits.budget:
            return f"the budget of {limits.evaluations:,} evaluations is spent"
        minutes = limits.minutes
        if minutes is not None and self._searching() >= 60 * minutes:
            return f"the time of {minutes:g} minutes is over"
        return None

    def _progress(self, arm: str) -> Progress:
        books = self.ledger
        elapsed = time.monotonic() - self.begun_at
        spent, minima = books.evaluations, len(books.minima)
        searching = self._searching()
        return Progress(spent, books.attempts, minima, books.best, arm, elapsed, searching)

    def _searching(self) -> float:
        """Return the seconds since the first attempts were finished."""
        since = self.searching_since
        return 0.0 if since is None else time.monotonic() - since

    def _size(self, arm: Arm, tally: Tally) -> int:
        """Return how many attempts the next round makes."""
        books = self.ledger
        size = min(ROUND, FIRST_ROUND * 2 ** max(0, books.rounds - 1))
        if arm.walk is not None:
            # Walks are dear: what one round risks follows what was spent before.
            share = math.ceil(RISK * books.evaluations / tally.cost)
            size = min(size, max(FIRST_ROUND, share))
        if math.isfinite(self.limits.budget):
            left = self.limits.budget - books.evaluations
            size = min(size, max(1, math.ceil(left / tally.cost)))
        return size

    def _choice(self) -> int:
        """Return which arm makes the next round."""
        books, problem = self.ledger, self.problem
        which = problem.shares.choose(books.tallies, problem.seed, books.rounds)
        if problem.arms[which].init is None and not math.isfinite(books.best):
            return 0
        return which

    def _round(self, note: Callable[[Progress], None]) -> str | None:
        """Make one round; return why the search ends, if it does."""
        books, problem = self.ledger, self.problem
        self.between = books.copy()
        which = self._choice()
        arm, tally = problem.arms[which], books.tallies[which]
        numbers = books.attempts + np.arange(self._size(arm, tally))
        known = None if arm.init is not None else self._known(numbers)
        begun = self.crew.begin(arm, numbers, known)
        expected = np.asarray(begun.expected, np.float64)
        valid = begun.state.valid & np.isfinite(expected)
        status, place = None, 0
        while place < len(numbers):
            group: list[int] = []
            since = place
            best = np.asarray(books.best)
            rule = self.rules[which]
            hopeless = rule.hopeless(self.task.potential, self.task.n, expected, best)
            hopeful = valid & ~np.asarray(hopeless, bool)
            while place < len(numbers) and len(group) < self.crew.group:
                if hopeful[place] and status is None:
                    group.append(place)
                place += 1
            ends = self._finish(rule, begun, group) if group else {}
            # In the order of attempts, as if they had been made one by one; also those
            # that are given up, and those that come too late.
            for k in range(since, place):
                books.attempts += 1
                tally.attempts += 1
                spent = jax.tree.map(lambda leaf, k=k: int(leaf[k]), begun.spent)
                books.spend(tally, spent)
                if k in ends:
                    self._enter(arm, tally, *ends[k])
                elif not valid[k]:
                    books.fail(tally)
                else:
                    books.failing = 0
            if self.searching_since is None:
                self.searching_since = time.monotonic()
            if status is None:
                status = self._over()
                note(self._progress(arm.name))
        books.rounds += 1
        if status is None:
            self.between = books
        return status

    def _known(self, numbers: np.ndarray) -> Float[np.ndarray, "b n d"]:
        """Return a low structure for each attempt, the lower the more likely."""
        pool = sorted([*self.ledger.minima, *self.ledger.spares], key=lambda m: m.energy)
        drawn, seed = Domain.ONWARD.generator, self.problem.seed
        draws = [drawn(seed, int(i)).geometric(LOW) for i in numbers]
        return np.stack([pool[min(k, len(pool)) - 1].positions for k in draws])

    def _finish(
        self, rule: Abandonment, begun: Begun, group: list[int]
    ) -> dict[int, tuple[End, int | None]]:
        """Finish a group of attempts, and polish what is low; return how each ended, and
        the evaluations of its polishing, if there was any."""
        ends = self.crew.finish(rule, begun, group, self.ledger.best)
        done = [end.energy for end in ends.values() if end.finished]
        near = min([self.ledger.best, *done]) + NEAR * self.ledger.unit
        low = [k for k, end in ends.items() if end.finished and end.energy <= near]
        relaxed = self.crew.polish([ends[k].positions for k in low], SOUND)
        results: dict[int, tuple[End, int | None]] = {k: (ends[k], None) for k in group}
        for k, found in zip(low, relaxed, strict=True):
            polished = ends[k]._replace(energy=found.energy, positions=found.positions)
            results[k] = polished, found.evaluations
        return results

    def _enter(self, arm: Arm, tally: Tally, end: End, polishing: int | None) -> None:
        """Enter how an attempt ended, and what that cost."""
        books = self.ledger
        books.polishing += polishing or 0
        books.spend(tally, end.spent + Spent(polishing or 0, 0))
        if not math.isfinite(end.energy):
            books.fail(tally)
            return
        books.failing = 0
        tally.finished += int(end.finished)
        found = arm.init is not None
        if polishing is not None:
            books.enter(tally, end.energy, end.positions, independent=found)
        elif end.finished:
            books.set_aside(tally, end.energy, end.positions, independent=found)

    def _write(self, pause: float) -> None:
        now = time.monotonic()
        if self.file is None or now - self.written_at < pause:
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.between.write(self.file, self.settings)
        self.written_at = now
