"""A run on disk: what it was told, how it went, where it stands."""

import itertools
import json
import os
from pathlib import Path
from typing import Any

from ..io import load, save, write_atomically
from ..meta import TrainState
from ..optimizers import AbstractOptimizer
from .config import TrainingConfig


class RunFolder:
    """Files of one training run.

    `config.toml` (settings), `metrics.jsonl` (one row per update, no times, identical for
    identical runs), `timings.jsonl` (when), `checkpoint.l2h` (where to go on), `best.l2h`
    (weights that did best on validation starts), `start.l2h` (weights to begin with, if
    they are not fresh ones).

    Every file but the two logs is replaced as a whole. A log may be ahead of the
    checkpoint after a kill; `rewind` drops what the checkpoint does not know.
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

    def save_start(self, optimizer: AbstractOptimizer, evaluations: int) -> None:
        """Keep the weights that a run begins with, and what they have cost."""
        save(self.start, optimizer, {"kind": "start", "evaluations": evaluations})

    def first_optimizer(self, config: TrainingConfig) -> AbstractOptimizer:
        """Return the optimizer before the first update.

        Raises:
            ValueError: if the weights to begin with are missing, damaged or of another
                network.
        """
        fresh = config.optimizer()
        if config.warm_start is None:
            return fresh
        return load(self.start, fresh)[0]

    def save_checkpoint(self, train_state: TrainState) -> None:
        """Replace the checkpoint."""
        save(self.checkpoint, train_state, {"kind": "checkpoint"})

    def load_checkpoint(self, like: TrainState) -> TrainState:
        """Return the saved train_state; `like` if none was saved yet.

        Raises:
            ValueError: if the file is truncated, altered or of another run.
        """
        if not self.checkpoint.exists():
            return like
        train_state, _ = load(self.checkpoint, like)
        return train_state

    def save_best(self, optimizer: AbstractOptimizer, card: dict[str, Any]) -> None:
        """Replace the best weights."""
        save(self.best, optimizer, card)

    def best_optimizer(self, config: TrainingConfig) -> AbstractOptimizer:
        """Return the best weights; those of the checkpoint before the first validation.

        Raises:
            ValueError: if a file is damaged or belongs to another run.
        """
        if self.best.exists():
            return load(self.best, config.optimizer())[0]
        first = config.meta_strategy().init(self.first_optimizer(config), config.seed)
        return self.load_checkpoint(TrainState.begin(first)).candidate

    def append(self, log: Path, row: dict[str, Any]) -> None:
        """Add one row to a log."""
        with log.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def rows(self) -> list[dict[str, Any]]:
        """Return the metrics so far; a last row cut short by a kill is left out."""
        return _rows(self.metrics)

    def rewind(self, update: int) -> None:
        """Drop log rows of updates that the checkpoint does not know."""
        for log in (self.metrics, self.timings):
            kept = [row for row in _rows(log) if row["update"] <= update]
            write_atomically(log, "".join(json.dumps(row) + "\n" for row in kept))


def _rows(log: Path) -> list[dict[str, Any]]:
    if not log.exists():
        return []
    rows = []
    for line in log.read_text().splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows
