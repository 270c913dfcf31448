"""What a search found, and its file."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from ..io import plain, to_atoms, write_atomically
from ..tasks import Task
from .trajectory import Trajectory

if TYPE_CHECKING:
    from ase import Atoms

FILE = "search.json"
FORMAT, VERSION = "l2h-search", 1
# Found less often, the lowest minimum may still not be the global one.
SURE = 3


@dataclass(frozen=True)
class Origin:
    """The attempt that found a minimum first; with seed and task, it can be made again."""

    arm: str
    attempt: int


@dataclass(frozen=True)
class SearchResult:
    """Minima found by one search, lowest first, and what they cost.

    Raises:
        ValueError: if there is not one row for each minimum, or energies do not rise.
    """

    task: Task
    energies: Float[np.ndarray, " k"]
    """Of the different minima, polished in double precision, in the potential's unit."""
    positions: Float[np.ndarray, "k n d"]
    """The structures, in the potential's unit of length."""
    hits: Int[np.ndarray, " k"]
    """How often each minimum was found."""
    first_evaluation: Int[np.ndarray, " k"]
    """How many evaluations had been made when each was found first."""
    evaluations: int
    """Energy-and-gradient evaluations of the whole search, everything included."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """The same by kind, and site probes, which are not among them."""
    arms: Sequence[Mapping[str, Any]] = ()
    """For each way to search: name, attempts, evaluations, hits and best energy."""
    progress: Float[np.ndarray, "t 2"] = field(default_factory=lambda: np.zeros((0, 2)))
    """Evaluations and the best energy so far, at each improvement and at the end."""
    status: str = ""
    """Why the search ended, in words."""
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    origins: Sequence[Origin | None] = ()
    """For each minimum, the first attempt that found it from a start of its own; empty if
    none is known."""
    trajectory: Trajectory | None = None
    """From a start to the lowest minimum; see `retrace`."""

    def __post_init__(self) -> None:
        rows = {len(getattr(self, name)) for name in _COLUMNS}
        rows |= {len(self.origins)} if self.origins else set()
        if len(rows) != 1:
            raise ValueError(
                f"minima: columns of lengths {sorted(rows)}; give one row each."
            )
        if np.any(np.diff(self.energies) < 0) or not np.all(np.isfinite(self.energies)):
            raise ValueError("energies: not finite or not sorted; put the lowest first.")

    @property
    def lowest(self) -> float | None:
        """The lowest energy found; None if nothing was."""
        return float(self.energies[0]) if len(self.energies) else None

    @property
    def window(self) -> float:
        """How close to the reference an energy is the same minimum."""
        return self.task.window

    @property
    def unit(self) -> str:
        """The unit of all energies: eV or epsilon; empty where none is stated."""
        return self.task.units.energy

    @property
    def hit(self) -> bool | None:
        """Whether the lowest known minimum was found; None where none is known."""
        if self.task.reference is None:
            return None
        return bool(np.any(self.task.is_hit(self.energies)))

    @property
    def evaluations_to_hit(self) -> int | None:
        """Evaluations made when the lowest known minimum was found first."""
        if not self.hit:
            return None
        return int(np.min(self.first_evaluation[self.task.is_hit(self.energies)]))

    @property
    def above(self) -> float:
        """How far the lowest energy lies above the lowest known; NaN without either."""
        if self.task.reference is None or self.lowest is None:
            return np.nan
        return self.lowest - self.task.reference

    @property
    def discovery(self) -> bool:
        """Whether a minimum lies below the lowest known one: a discovery or a bug."""
        return self.above < -self.window

    @property
    def quiet(self) -> float:
        """The fraction of the evaluations after which nothing lower was found."""
        if not len(self.energies) or not self.evaluations:
            return 0.0
        return 1 - int(self.first_evaluation[0]) / self.evaluations

    @property
    def verdict(self) -> str:
        """What was found, in one sentence."""
        if not len(self.energies):
            return "no structure was found"
        times = _times(int(self.hits[0]))
        if self.discovery:
            return (
                f"WARNING: the lowest structure lies {self._said(-self.above, 6)} BELOW "
                f"the lowest known energy, found {times}: a discovery or a bug; look at "
                "the structure"
            )
        if self.hit:
            return f"the lowest structure is the known global minimum, found {times}"
        quiet = f"nothing lower for the last {100 * self.quiet:.0f} % of the evaluations"
        if self.task.reference is None:
            # As long as it is found hardly ever, lower ones may be missed altogether.
            more = "; search longer" if self.hits[0] < SURE else ""
            return (
                f"no global minimum is known; the lowest was found {times}, {quiet}{more}"
            )
        return (
            f"the known global minimum was not found; the lowest structure lies "
            f"{self._said(self.above, 4)} above it, found {times}, "
            f"{quiet}; search longer"
        )

    def _said(self, energy: float, digits: int) -> str:
        return f"{energy:.{digits}f} {self.unit}".rstrip()

    def to_ase(self) -> "list[Atoms]":
        """Return the minima as ASE's Atoms, lowest first, with energies and forces."""
        return [
            to_atoms(
                self.task.potential,
                self.positions[k],
                symbols=self.task.symbols,
                energy=float(self.energies[k]),
                info={
                    "task": self.task.name,
                    "hits": int(self.hits[k]),
                    "first_evaluation": int(self.first_evaluation[k]),
                },
            )
            for k in range(len(self.energies))
        ]

    def summary(self) -> dict[str, Any]:
        """Return all but the structures as plain Python, as `search.json` holds it."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "task": self.task.name,
            "atoms": self.task.n,
            "symbols": list(self.task.symbols) if self.task.symbols else None,
            "unit": self.unit,
            "seed": self.seed,
            "evaluations": self.evaluations,
            "lowest_energy": self.lowest,
            "reference": self.task.reference,
            "hit": self.hit,
            "evaluations_to_hit": self.evaluations_to_hit,
            "verdict": self.verdict,
            "status": self.status,
            "counts": plain(self.counts),
            "arms": plain(self.arms),
            "progress": plain(self.progress),
            "settings": plain(self.settings),
            "minima": [
                {
                    "energy": float(self.energies[k]),
                    "gap": float(self.energies[k] - self.energies[0]),
                    "hits": int(self.hits[k]),
                    "first_evaluation": int(self.first_evaluation[k]),
                    **({} if not self.origins else _origin(self.origins[k])),
                }
                for k in range(len(self.energies))
            ],
        }

    def save(
        self, folder: str | os.PathLike[str], *, notes: Sequence[Mapping[str, Any]] = ()
    ) -> Path:
        """Write `search.json`, structures included; return its path.

        Arguments:
            folder: where; it is made if it does not exist.
            notes: for each minimum, what else is known of it, such as its point group.

        Raises:
            ValueError: if notes are given, but not one a minimum.
            OSError: if the file cannot be written.
        """
        if notes and len(notes) != len(self.energies):
            raise ValueError(f"notes: {len(notes)} for {len(self.energies)} minima.")
        content = self.summary()
        for k, row in enumerate(content["minima"]):
            row.update(plain(notes[k]) if notes else {})
            # All digits: what reads the file again gets the same numbers.
            row["positions"] = self.positions[k].tolist()
        if self.trajectory is not None:
            content["trajectory"] = self.trajectory.plain()
        path = Path(folder) / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(content, separators=(",", ":")) + "\n")
        return path

    @staticmethod
    def load(folder: str | os.PathLike[str], task: Task) -> "SearchResult":
        """Read what `save` has written.

        Arguments:
            folder: of the search.
            task: what was searched; the file knows its name only.

        Raises:
            ValueError: if there is no such file, it is damaged or of another task.
        """
        content = read(folder)
        if content["task"] != task.name or content["atoms"] != task.n:
            raise ValueError(
                f"task: {folder} holds a search for {content['task']} ({content['atoms']} "
                f"atoms), not {task.name} ({task.n} atoms)."
            )
        rows = content["minima"]
        shape = (len(rows), task.n, task.potential.space.dimension)
        return SearchResult(
            task=task,
            energies=np.array([row["energy"] for row in rows], np.float64),
            positions=np.array([r["positions"] for r in rows], np.float64).reshape(shape),
            hits=np.array([row["hits"] for row in rows], np.int64),
            first_evaluation=np.array([row["first_evaluation"] for row in rows], np.int64),
            evaluations=content["evaluations"],
            counts=content["counts"],
            arms=content["arms"],
            progress=np.array(content["progress"], np.float64).reshape(-1, 2),
            status=content["status"],
            seed=content["seed"],
            settings=content["settings"],
            origins=_origins(rows),
            trajectory=Trajectory.read(content.get("trajectory")),
        )


def _origin(origin: Origin | None) -> dict[str, Any]:
    """Return an origin as `search.json` holds it."""
    if origin is None:
        return {"arm": None, "attempt": None}
    return {"arm": origin.arm, "attempt": origin.attempt}


def _origins(rows: Sequence[Mapping[str, Any]]) -> list[Origin | None]:
    if not all("attempt" in row for row in rows):
        return []
    return [
        None if row["attempt"] is None else Origin(row["arm"], row["attempt"])
        for row in rows
    ]


_COLUMNS = ("energies", "positions", "hits", "first_evaluation")


def read(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the content of a folder's `search.json`.

    Raises:
        ValueError: if there is none, it is damaged, foreign or of another version.
    """
    path = Path(folder) / FILE
    try:
        content = json.loads(path.read_text())
    except OSError as error:
        raise ValueError(
            f"folder: {folder} holds no {FILE}; give the folder that a search wrote."
        ) from error
    except ValueError as error:
        raise ValueError(f"folder: {path} is damaged ({error}).") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"folder: {path} is not the file of a search.")
    if content.get("version") != VERSION:
        raise ValueError(
            f"folder: {path} has version {content.get('version')}, but this program reads "
            f"{VERSION}; use the release that wrote it."
        )
    return content


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"
