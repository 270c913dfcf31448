"""Methods against each other, on disk: units of work, kept as they finish."""

import io
import json
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ._digest import digest
from .evaluation import Method, Trials, compared, evaluate
from .evaluation.harness import precise
from .io import write_atomically
from .tasks import Task, chunk

# Goes up whenever the same settings begin to give other results.
EDITION = 4
# Points of the energy along the first attempts.
LOOKS = 60

Note = Callable[[float, str], None]


@dataclass(frozen=True)
class Competition:
    """Who competes where, and what each is granted."""

    tasks: tuple[Task, ...]
    methods: tuple[Method, ...]
    starts: int = 150
    budget: int = 1000
    seed: int = 0
    precision: str = "float32"
    stop_at_hit: bool = False

    def __post_init__(self) -> None:
        if not self.tasks:
            raise ValueError("tasks: none given; name at least one, such as lj13.")
        if not self.methods:
            raise ValueError("optimizers: none given; name at least one, such as adam.")
        if self.starts < 1:
            raise ValueError(f"starts: {self.starts} given; at least 1 is needed.")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed: {self.seed} given; take one from 0 to 2^32 - 1.")
        if self.budget >= 2**31:
            raise ValueError(f"budget: {self.budget} given; it must be below 2^31.")
        for method in self.methods:
            method.horizon(self.budget)
        unknown = [task.name for task in self.tasks if task.reference is None]
        if self.stop_at_hit and unknown:
            raise ValueError(
                f"stop-at-hit: no reference energy of {', '.join(unknown)} is known, so no "
                "hit would be noticed; leave it out."
            )

    def settings(self) -> dict[str, Any]:
        """Return all that determines the results, as plain Python."""
        # Marks tell what has the same name: another version's potential, weights that were
        # trained anew, an edited file of the user.
        return {
            "edition": EDITION,
            "quenches": precise().name,
            "tasks": [task.name for task in self.tasks],
            "task_marks": [digest(task) for task in self.tasks],
            "optimizers": [method.name for method in self.methods],
            "optimizer_marks": [digest(method) for method in self.methods],
            "starts": self.starts,
            "budget": self.budget,
            "seed": self.seed,
            "precision": self.precision,
            "stop_at_hit": self.stop_at_hit,
            "chunk": chunk(),
            "jax": jax.__version__,
        }

    def folder(self) -> Path:
        """Return the default folder: the same for the same settings, and for no others."""
        names = "-".join(task.name for task in self.tasks[:4])
        return Path("runs") / f"evaluate-{names}-{digest(self.settings())[:10]}"

    def units(self) -> list["Unit"]:
        """Return the pieces of work, in the order in which they are done."""
        size = chunk()
        return [
            Unit(t, m, first // size, range(first, min(first + size, self.starts)))
            for t in range(len(self.tasks))
            for m in range(len(self.methods))
            for first in range(0, self.starts, size)
        ]

    def results(self, parts: dict["Unit", Trials]) -> list[list[Trials]]:
        """Return the trials of all methods, task by task, read against one reference."""
        return [
            compared(
                [
                    Trials.join(
                        [r for u, r in parts.items() if (u.task, u.method) == (t, m)]
                    )
                    for m in range(len(self.methods))
                ]
            )
            for t in range(len(self.tasks))
        ]


@dataclass(frozen=True)
class Unit:
    """One method on one task from one chunk of starts."""

    task: int
    method: int
    chunk: int
    index: range

    @property
    def file(self) -> str:
        """Name of its file."""
        return f"{self.task:02d}-{self.method:02d}-{self.chunk:04d}.npz"


def occupy(folder: Path, competition: Competition) -> None:
    """Make a folder for a competition, or find the one that was begun there.

    Raises:
        ValueError: if it holds something else, or cannot be written.
    """
    settings = competition.settings()
    file = folder / "settings.json"
    try:
        (folder / "parts").mkdir(parents=True, exist_ok=True)
        if file.exists():
            _require_same(file, settings)
            return
        others = sorted(path.name for path in folder.iterdir() if path.name != "parts")
        if others:
            raise ValueError(
                f"folder: {folder} holds other files ({others[0]}); choose another."
            )
        write_atomically(file, json.dumps(settings, indent=1) + "\n")
    except OSError as error:
        raise ValueError(
            f"folder: {folder} cannot be written ({error}); choose another."
        ) from error


def _require_same(file: Path, settings: dict[str, Any]) -> None:
    try:
        found = json.loads(file.read_text())
    except ValueError as error:
        raise ValueError(f"folder: {file} is damaged; choose another folder.") from error
    for name, value in settings.items():
        if found.get(name) != value:
            raise ValueError(
                f"folder: {file.parent} holds results with {name} = {found.get(name)}, "
                f"but {value} is asked for; choose another folder."
            )


def compete(
    competition: Competition,
    folder: Path,
    *,
    devices: int = 1,
    note: Note = lambda done, what: None,
) -> dict[Unit, Trials]:
    """Do all units of a competition that are not done yet, and return all of them.

    Each device takes whole units and runs the same program on them: results do not
    depend on the number of devices, nor on interruptions.

    Arguments:
        competition: what to do.
        folder: where finished units are kept.
        devices: number of local devices that share the work.
        note: told the number of units done, parts of units included, and what goes on; may
            be called from several threads, one at a time. What it raises ends the work.

    Raises:
        ValueError: if more devices are asked for than exist, or a file is damaged.
    """
    check_devices(devices)
    occupy(folder, competition)
    units = competition.units()
    done = {
        unit: _read(folder / "parts" / unit.file, competition, unit)
        for unit in units
        if (folder / "parts" / unit.file).exists()
    }
    todo = [unit for unit in units if unit not in done]
    ledger = _Ledger(len(done), note)
    free = jax.local_devices()[:devices]

    def work(unit: Unit, device: Any) -> tuple[Unit, Trials, Any]:
        method = competition.methods[unit.method]
        task = competition.tasks[unit.task]
        what = f"{task.name}: {method.name}, starts {unit.index.start + 1} to "
        what += f"{unit.index.stop} of {competition.starts}"
        ledger.note(unit, 0.0, f"{what} (compiling)")
        with jax.default_device(device):
            trials = evaluate(
                method,
                task,
                unit.index,
                budget=competition.budget,
                seed=competition.seed,
                dtype=np.dtype(competition.precision),
                stop_at_hit=competition.stop_at_hit,
                looks=LOOKS,
                note=lambda fraction: ledger.note(unit, fraction, what),
            )
        write_atomically(folder / "parts" / unit.file, _bytes(trials))
        ledger.finish(unit, what)
        return unit, trials, device

    with ThreadPoolExecutor(devices) as pool:
        running: set[Any] = set()
        try:
            while todo or running:
                while todo and free:
                    running.add(pool.submit(work, todo.pop(0), free.pop(0)))
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    unit, trials, device = future.result()
                    done[unit] = trials
                    free.append(device)
        finally:
            # Whatever ends this loop early ends the other threads at their next look.
            ledger.stop()
    return {unit: done[unit] for unit in units}


def check_devices(devices: int) -> None:
    """Raise unless so many devices exist.

    Raises:
        ValueError: naming the argument.
    """
    if not 1 <= devices <= jax.local_device_count():
        raise ValueError(
            f"devices: {devices} asked for, {jax.local_device_count()} present; ask for "
            "1 or more, and no more than these."
        )


class _Stopped(Exception):
    """Work was given up since another part of it failed or was interrupted."""


class _Ledger:
    """Adds up the progress of units that run at the same time."""

    def __init__(self, done: int, note: Note) -> None:
        self._lock = threading.Lock()
        self._fractions: dict[Unit, float] = {}
        self._done, self._note, self._stopped = done, note, False

    def note(self, unit: Unit, fraction: float, what: str) -> None:
        with self._lock:
            if self._stopped:
                raise _Stopped
            self._fractions[unit] = fraction
            self._note(self._done + sum(self._fractions.values()), what)

    def finish(self, unit: Unit, what: str) -> None:
        with self._lock:
            self._fractions.pop(unit)
            self._done += 1
            if not self._stopped:
                self._note(self._done + sum(self._fractions.values()), what)

    def stop(self) -> None:
        with self._lock:
            self._stopped = True


def _bytes(trials: Trials) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer, **{name: getattr(trials, name) for name in trials.columns()}
    )
    return buffer.getvalue()


def _read(path: Path, competition: Competition, unit: Unit) -> Trials:
    method = competition.methods[unit.method]
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            columns: dict[str, Any] = {name: file[name] for name in Trials.columns()}
        return Trials(
            task=competition.tasks[unit.task],
            method=method.name,
            steps=method.horizon(competition.budget),
            budget=competition.budget,
            stopped=competition.stop_at_hit,
            **columns,
        )
    except Exception as error:
        raise ValueError(
            f"{path}: damaged ({error}); delete it, and it will be computed again."
        ) from error
