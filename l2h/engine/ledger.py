"""What a search has found and spent so far, and its file."""

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..evaluation.minima import ENERGY_WINDOW, LENGTH_WINDOW, fingerprint
from ..inits import Spent
from ..io import load, read_metadata, save
from ..tasks import Task
from .bandit import Tally

# Finished structures that were not worth polishing at once, kept until the end.
SPARE = 50
# Loosely quenched energies closer than this, in natural units, are taken for the same.
ALIKE = 0.02
COUNTS = ("rounds", "attempts", "polishing", "failing")


@dataclass
class Minimum:
    """A polished minimum."""

    energy: float
    positions: np.ndarray
    hits: int
    first_evaluation: int
    mark: np.ndarray
    """Its fingerprint, by which it is known again."""
    attempt: int = -1
    """Number of the first attempt that found it from a start of its own; -1: none did."""
    arm: int = -1
    """Which arm made that attempt."""


@dataclass
class Spare:
    """A finished structure that is not polished yet."""

    energy: float
    positions: np.ndarray
    hits: int
    first_evaluation: int
    attempt: int = -1
    arm: int = -1


@dataclass
class Ledger:
    """The books of one search; equal books go on in the same way, to the bit."""

    task: Task
    tallies: list[Tally]
    rounds: int = 0
    attempts: int = 0
    spent: Spent = field(default_factory=lambda: Spent(0, 0))
    polishing: int = 0
    """Those of the evaluations that polished structures."""
    failing: int = 0
    """Attempts that have failed since one that has not."""
    minima: list[Minimum] = field(default_factory=list)
    spares: list[Spare] = field(default_factory=list)
    progress: list[tuple[int, float]] = field(default_factory=list)

    @property
    def unit(self) -> float:
        """Natural energy of the task."""
        return self.task.unit

    @property
    def best(self) -> float:
        """Lowest energy of a finished structure; infinite before there is one."""
        lowest = [m.energy for m in self.minima[:1]] + [s.energy for s in self.spares[:1]]
        return min(lowest, default=math.inf)

    def copy(self) -> "Ledger":
        """Return books that later entries into these do not change."""
        fresh = {
            name: [dataclasses.replace(row) for row in getattr(self, name)]
            for name in ("tallies", "minima", "spares")
        }
        return dataclasses.replace(self, **fresh, progress=list(self.progress))

    def spend(self, tally: Tally, spent: Spent) -> None:
        """Enter evaluations and site probes that an arm has caused."""
        tally.spent += spent
        self.spent += spent

    @property
    def evaluations(self) -> int:
        """All that were made."""
        return int(self.spent.evaluations)

    def fail(self, tally: Tally) -> None:
        """Enter an attempt that met an energy or a gradient that is not finite."""
        tally.failed += 1
        self.failing += 1

    def merge(self, found: Minimum) -> None:
        """Add a minimum, or its hits to those of the same one."""
        gap = ENERGY_WINDOW * self.unit
        for known in self.minima:
            near = abs(known.energy - found.energy) <= gap
            if near and np.max(np.abs(known.mark - found.mark)) <= LENGTH_WINDOW:
                _add(known, found)
                return
        self.minima.append(found)
        self.minima.sort(key=lambda m: m.energy)

    def enter(
        self, tally: Tally, energy: float, positions: np.ndarray, *, independent: bool
    ) -> None:
        """Enter a polished structure.

        Arguments:
            tally: of the arm that found it.
            energy, positions: the structure.
            independent: whether it was found without knowledge of others. Coming back to
                where one has started is no find.
        """
        tally.best = min(tally.best, energy)
        mark = fingerprint(self.task, positions)
        who = self._who(tally, independent)
        first = self.evaluations
        self.merge(Minimum(energy, positions, 1, first, mark, *who))
        gap = ENERGY_WINDOW * self.unit
        lower = energy < self._lowest() - gap
        if lower:
            self.progress.append((self.evaluations, energy))
            # Finds of what was the best until now say nothing any more.
            for other in self.tallies:
                other.finds = 0
        if lower or (independent and abs(energy - self._lowest()) <= gap):
            tally.finds += 1

    def _who(self, tally: Tally, independent: bool) -> tuple[int, int]:
        """Return number and arm of the attempt that is being entered."""
        return (self.attempts - 1, self.tallies.index(tally)) if independent else (-1, -1)

    def _lowest(self) -> float:
        return self.progress[-1][1] if self.progress else math.inf

    def set_aside(
        self, tally: Tally, energy: float, positions: np.ndarray, *, independent: bool
    ) -> None:
        """Keep a finished structure that is not worth polishing now; see `enter`."""
        tally.best = min(tally.best, energy)
        who, gap = self._who(tally, independent), ALIKE * self.unit
        found = Spare(energy, positions, 1, self.evaluations, *who)
        for spare in self.spares:
            if abs(spare.energy - energy) <= gap:
                _add(spare, found)
                return
        self.spares.append(found)
        self.spares.sort(key=lambda s: s.energy)
        del self.spares[SPARE:]

    def write(self, path: Path, settings: dict[str, Any]) -> None:
        """Write the books to one file, atomically."""
        counts = {name: getattr(self, name) for name in COUNTS}
        tallies = []
        for tally in self.tallies:
            best = None if math.isinf(tally.best) else tally.best
            # Field by field: each row as it stands.
            row = {f.name: getattr(tally, f.name) for f in dataclasses.fields(tally)}
            tallies.append(row | {"spent": _numbers(tally.spent), "best": best})
        tree = {
            "minima": _columns(self.minima, self.task),
            "spares": _columns(self.spares, self.task),
            "progress": np.array(self.progress, float).reshape(-1, 2),
        }
        sizes = [len(self.minima), len(self.spares), len(self.progress)]
        save(
            path,
            tree,
            {
                "kind": "search",
                "settings": settings,
                "counts": counts | {"spent": _numbers(self.spent)},
                "arms": tallies,
                "sizes": sizes,
            },
        )

    @staticmethod
    def read(path: Path, task: Task, settings: dict[str, Any]) -> "Ledger":
        """Read the books of a search with the same settings.

        Raises:
            ValueError: if the file is damaged, or another search's.
        """
        known = read_metadata(path)
        if known.get("kind") != "search":
            raise ValueError(f"folder: {path} holds no search; choose another folder.")
        for name, value in settings.items():
            if known["settings"].get(name) != value:
                raise ValueError(
                    f"folder: {path} holds a search with {name} = "
                    f"{known['settings'].get(name)}, but {value} is asked for; choose "
                    "another folder, or the same settings."
                )
        sizes = known["sizes"]
        like = {
            "minima": _blank(sizes[0], task),
            "spares": _blank(sizes[1], task),
            "progress": np.zeros((sizes[2], 2)),
        }
        tree, _ = load(path, like)
        tallies = []
        for row in known["arms"]:
            row["spent"] = Spent(*row["spent"])
            row["best"] = math.inf if row["best"] is None else row["best"]
            tallies.append(Tally(**row))
        total = known["counts"]
        ledger = Ledger(task, tallies, **total | {"spent": Spent(*total["spent"])})
        for e, x, *counts in zip(*tree["minima"], strict=True):
            hits, first, *who = map(int, counts)
            mark = fingerprint(task, x)
            ledger.minima.append(Minimum(float(e), x, hits, first, mark, *who))
        for e, x, *counts in zip(*tree["spares"], strict=True):
            ledger.spares.append(Spare(float(e), x, *map(int, counts)))
        ledger.progress = [(int(n), float(e)) for n, e in tree["progress"]]
        return ledger


def _add(known: Minimum | Spare, found: Minimum | Spare) -> None:
    """Add the hits of what was found again, and who was first to find it unaided."""
    known.hits += found.hits
    known.first_evaluation = min(known.first_evaluation, found.first_evaluation)
    if known.attempt < 0 or 0 <= found.attempt < known.attempt:
        known.attempt, known.arm = found.attempt, found.arm


def _numbers(spent: Spent) -> list[int]:
    return [int(spent.evaluations), int(spent.probes)]


def _blank(k: int, task: Task) -> tuple[np.ndarray, ...]:
    d = task.potential.space.dimension
    whole = np.zeros(k, np.int64)
    return np.zeros(k), np.zeros((k, task.n, d)), whole, whole, whole, whole


def _columns(rows: list[Any], task: Task) -> tuple[np.ndarray, ...]:
    blank = _blank(len(rows), task)
    columns = [
        [r.energy for r in rows],
        [r.positions for r in rows],
        [r.hits for r in rows],
        [r.first_evaluation for r in rows],
        [r.attempt for r in rows],
        [r.arm for r in rows],
    ]
    return tuple(
        np.asarray(column, like.dtype).reshape(like.shape)
        for column, like in zip(columns, blank, strict=True)
    )
