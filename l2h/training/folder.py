"""A run on disk: what it was told, how it went, where it stands."""

import itertools
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..io import load, lock, read_metadata, save, write_atomically
from ..meta import TrainState
from ..optimizers import AbstractOptimizer
from . import pieces
from .config import TrainingConfig


class RunFolder:
    """Files of one training run.

    `config.toml` (settings), `metrics.jsonl` (one row per update, no times, identical for
    identical runs), `timings.jsonl` (when), `checkpoint.l2h` (where to go on), `best.l2h`
    (weights that did best on validation starts), `start.l2h` (weights to begin with, if
    they are not fresh ones).

    Every file but the two logs is replaced as a whole, and carries a digest of the
    settings that it was made with. A log may be ahead of the checkpoint after a kill;
    `rewind` drops what the checkpoint does not know.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.toml"
        self.metrics = path / "metrics.jsonl"
        self.timings = path / "timings.jsonl"
        self.checkpoint = path / "checkpoint.l2h"
        self.best = path / "best.l2h"
        self.start = path / "start.l2h"

    @staticmethod
    def create(path: Path, config: TrainingConfig) -> "RunFolder":
        """Start a new run.

        Raises:
            ValueError: if the folder exists and is not empty, or cannot be written.
        """
        folder = RunFolder(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise ValueError(
                    f"run folder: {path} is not empty; go on with --resume {path}, or "
                    "choose another folder."
                )
            write_atomically(folder.config, config.to_toml())
        except OSError as error:
            raise ValueError(
                f"run folder: {path} cannot be written ({error}); choose another."
            ) from error
        return folder

    @staticmethod
    def fresh(config: TrainingConfig) -> Path:
        """Return the path of a folder for a new run that does not exist yet."""
        name = f"{'-'.join(config.tasks)}-seed{config.seed}"
        candidates = itertools.chain([""], (f"-{i}" for i in itertools.count(2)))
        paths = (Path("runs") / (name + suffix) for suffix in candidates)
        return next(path for path in paths if not path.exists())

    @staticmethod
    def at(path: Path, config: TrainingConfig) -> "RunFolder":
        """Go on with the run of these settings, or start it.

        Raises:
            ValueError: if the folder holds something else, or cannot be written.
        """
        if not (path / "config.toml").exists():
            return RunFolder.create(path, config)
        folder, known = RunFolder.open(path)
        if known != config:
            raise ValueError(
                f"folder: {path} holds a run with other settings; choose another --folder."
            )
        return folder

    @staticmethod
    def open(path: Path) -> tuple["RunFolder", TrainingConfig]:
        """Open an existing run.

        Raises:
            ValueError: if there is none, its settings cannot be read, or it cannot be
                written to.
        """
        folder = RunFolder(path)
        if not folder.config.is_file():
            raise ValueError(
                f"resume: {path} holds no run (no config.toml); give the folder of one."
            )
        if not os.access(path, os.W_OK):
            raise ValueError(f"resume: {path} cannot be written; check its permissions.")
        return folder, TrainingConfig.read(folder.config)

    @contextmanager
    def writing(self, config: TrainingConfig) -> Iterator[None]:
        """Keep other processes from writing while this one does, and tidy up before.

        Arguments:
            config: the settings that the caller goes by.

        Raises:
            ValueError: if another process writes here, or the folder holds a run with
                other settings.
        """
        with lock(self.path):
            if TrainingConfig.read(self.config) != config:
                raise ValueError(
                    f"run folder: {self.path} holds a run with other settings; choose "
                    "another folder."
                )
            # Left behind where a process was killed while it wrote.
            for leftover in self.path.glob(".*.tmp"):
                leftover.unlink(missing_ok=True)
            yield

    def save_start(self, optimizer: AbstractOptimizer, evaluations: int) -> None:
        """Keep the weights that a run begins with, and what they have cost."""
        card = {"kind": "start", "settings": self._digest(), "evaluations": evaluations}
        save(self.start, optimizer, card)

    def first_optimizer(self, config: TrainingConfig) -> AbstractOptimizer:
        """Return the optimizer before the first update.

        Raises:
            ValueError: if the weights to begin with are missing, damaged, of another run
                or another network.
        """
        if config.warm_start is None:
            return pieces.optimizer(config)
        self._require(self.start, config, "the weights that the run began with")
        return load(self.start, pieces.shapes(config), finite=True)[0]

    def save_checkpoint(self, train_state: TrainState) -> None:
        """Replace the checkpoint."""
        card = {"kind": "checkpoint", "settings": self._digest()}
        save(self.checkpoint, train_state, card)

    def load_checkpoint(self, like: TrainState) -> TrainState:
        """Return the saved state; `like` if none was saved yet.

        Raises:
            ValueError: if the file is truncated, altered, or of another run or settings.
        """
        if not self.checkpoint.exists():
            return like
        found, card = load(self.checkpoint, like)
        if card.get("settings") != self._digest():
            raise ValueError(
                f"{self.checkpoint}: of a run with other settings than {self.config}; put "
                "back the file that belongs there."
            )
        return found

    def save_best(self, optimizer: AbstractOptimizer, card: dict[str, Any]) -> None:
        """Replace the best weights."""
        save(self.best, optimizer, {**card, "settings": self._digest()})

    def best_optimizer(self, config: TrainingConfig) -> AbstractOptimizer:
        """Return the best weights; those of the checkpoint before the first validation.

        Raises:
            ValueError: if a file is damaged or belongs to another run.
        """
        if self.best.exists():
            self._require(self.best, config, "the best weights")
            return load(self.best, pieces.shapes(config), finite=True)[0]
        first = pieces.meta_strategy(config).init(self.first_optimizer(config), config.seed)
        return self.load_checkpoint(TrainState.begin(first)).candidate

    def append(self, log: Path, row: dict[str, Any]) -> None:
        """Add one row to a log."""
        with log.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def rows(self) -> list[dict[str, Any]]:
        """Return the metrics so far; a last row cut short by a kill is left out.

        Raises:
            ValueError: if an update is missing, or a row is damaged.
        """
        rows = _rows(self.metrics, "loss", "nonfinite", "evaluations")
        if [row["update"] for row in rows] != list(range(1, len(rows) + 1)):
            raise ValueError(
                f"{self.metrics}: rows are missing or out of order; put back the whole "
                "file."
            )
        return rows

    def rewind(self, update: int) -> list[dict[str, Any]]:
        """Drop log rows of updates that the checkpoint does not know.

        Arguments:
            update: number of updates that it knows.

        Returns:
            The metrics of these updates.

        Raises:
            ValueError: if the metrics of some of them are missing or damaged.
        """
        rows = self.rows()[:update]
        if len(rows) < update:
            raise ValueError(
                f"{self.metrics}: has {len(rows)} of the {update} updates that the "
                "checkpoint knows; put back the whole file."
            )
        times = [row for row in _rows(self.timings) if row["update"] <= update]
        for log, kept in ((self.metrics, rows), (self.timings, times)):
            write_atomically(log, "".join(json.dumps(row) + "\n" for row in kept))
        return rows

    def _digest(self) -> str:
        return TrainingConfig.read(self.config).digest

    def _require(self, file: Path, config: TrainingConfig, what: str) -> None:
        if not file.exists():
            raise ValueError(f"{file}: missing; it holds {what}. Put it back.")
        if read_metadata(file).get("settings") != config.digest:
            raise ValueError(
                f"{file}: of a run with other settings than {self.config}; put back the "
                "file that belongs there."
            )


def _rows(log: Path, *needed: str) -> list[dict[str, Any]]:
    """Read a log; refuse damage anywhere but in a last row without an end."""
    if not log.exists():
        return []
    lines = log.read_bytes().split(b"\n")
    rows = []
    for number, line in enumerate(lines[:-1], start=1):
        try:
            row = json.loads(line)
            good = type(row["update"]) is int and {*needed} <= {*row}
        except (ValueError, TypeError, KeyError, RecursionError):
            good = False
        if not good:
            raise ValueError(
                f"{log}: line {number} is damaged; put back the whole file, or begin "
                "another run with --warm-start and these weights."
            )
        rows.append(row)
    return rows
