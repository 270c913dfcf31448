"""The host's loop around the update: resume, log, validate, stop."""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from ..io import read_metadata
from ..meta import Trainer, TrainState, processes
from . import pieces
from .assessment import expected_evaluations
from .config import TrainingConfig
from .folder import RunFolder
from .validation import validate

Row = dict[str, Any]


def check(config: TrainingConfig, minutes: float | None, devices: int) -> Trainer:
    """Return the trainer of these settings, or refuse them before anything is written.

    Arguments:
        config: the run's settings.
        minutes: that the whole run may take, examination included; None for no bound.
        devices: local devices of each process.

    Raises:
        ValueError: naming the setting.
    """
    if minutes is not None and not minutes > 0:
        raise ValueError(f"minutes: {minutes} given; training needs a positive time.")
    trainer = pieces.trainer(config, devices)
    if trainer.chunks < processes.count():
        raise ValueError(
            f"processes: {processes.count()} for {trainer.chunks} chunks of the "
            f"population; start fewer processes, or lower chunk ({config.chunk})."
        )
    return trainer


def train(
    config: TrainingConfig,
    folder: RunFolder,
    *,
    deadline: float | None = None,
    examined: bool = False,
    devices: int = 1,
    note: Callable[[str], None] = lambda _: None,
) -> Iterator[Row]:
    """Train from the folder's checkpoint to the end of the schedule.

    Yields the metrics of each update, after they were written. A run that is killed and
    resumed writes the same metrics and weights, to the bit, as one that was not.
    Evaluations count validations, and the training of weights that the run began with.

    Of several processes, the first alone reads and writes the folder.

    Arguments:
        config: the run's settings.
        folder: the run's files.
        deadline: on the clock of `time.monotonic`, in seconds: stop before it, with a
            checkpoint; the schedule does not change.
        examined: whether to leave time for the examination before the deadline.
        devices: local devices of each process that share the population; does not change
            results.
        note: told what goes on between updates.

    Raises:
        ValueError: for a damaged folder or one that another process writes to, more
            devices than exist or more processes than chunks.
    """
    trainer = check(config, None, devices)
    alone = folder.writing(config) if processes.index() == 0 else nullcontext()
    with alone:
        yield from _updates(config, folder, trainer, deadline, examined, note)


def _updates(
    config: TrainingConfig,
    folder: RunFolder,
    trainer: Trainer,
    deadline: float | None,
    examined: bool,
    note: Callable[[str], None],
) -> Iterator[Row]:
    """Make the updates of `train`."""
    writes = processes.index() == 0
    first = folder.first_optimizer(config) if writes else pieces.optimizer(config)
    train_state = TrainState.begin(trainer.strategy.init(first, config.seed))
    evaluations = 0
    if writes:
        train_state = folder.load_checkpoint(train_state)
        rows = folder.rewind(int(train_state.meta.update))
        evaluations = rows[-1]["evaluations"] if rows else _inherited(folder)
    train_state = processes.from_first(train_state)
    started = time.monotonic()
    pace = _Pace(started, deadline, expected_evaluations(config) if examined else 0)

    while int(train_state.meta.update) < config.updates and not _exhausted(
        config, train_state
    ):
        meta, info = trainer(train_state.meta)
        train_state = train_state.advance(meta, config.average)
        number = int(meta.update)
        evaluations += trainer.evaluations(int(info["horizon"]), int(info["drawn"]))
        row: Row = {
            "update": number,
            **{name: value.item() for name, value in jax.device_get(info).items()},
            "evaluations": evaluations,
        }
        finished = number == config.updates
        if number % config.validate_every == 0 or finished:
            # The others wait: all must judge alike.
            score = np.zeros(train_state.score.shape, np.float32)
            if writes:
                begun = time.monotonic()
                found = validate(
                    config,
                    train_state.candidate,
                    lambda done: note(f"validation: {done:.0%}"),
                )
                pace.learn(found.evaluations, time.monotonic() - begun)
                score = found.score.astype(np.float32)
                evaluations += found.evaluations
                row |= found.row() | {"evaluations": evaluations}
            train_state = train_state.judge(np.asarray(processes.from_first(score)))
            kept = int(train_state.kept) == number
            if writes:
                row["validation/kept"] = kept
            if writes and kept:
                folder.save_best(train_state.candidate, _card(config, row))
        now = time.monotonic()
        late = bool(processes.from_first(np.asarray(pace.late(now))))
        if writes:
            timing = {"update": number, "seconds": round(now - started, 3)}
            folder.append(folder.metrics, row)
            folder.append(folder.timings, timing)
            if (
                number % config.checkpoint_every == 0
                or finished
                or late
                or _exhausted(config, train_state)
            ):
                folder.save_checkpoint(train_state)
        yield row
        if late:
            return


@dataclass
class _Pace:
    """What must be left of the time for what comes after an update."""

    started: float
    deadline: float | None
    """On the same clock as `started`; None for no bound."""
    examination: int
    """Evaluations that an examination takes."""
    validation: float = 0.0
    """Seconds of the last validation."""
    rate: float | None = None
    """Its seconds for an evaluation; None before the first."""

    def learn(self, evaluations: int, seconds: float) -> None:
        self.validation, self.rate = seconds, seconds / evaluations

    def late(self, now: float) -> bool:
        if self.deadline is None:
            return False
        whole = self.deadline - self.started
        needed = 0.0
        if self.examination:
            # Unknown before the first validation; never more than half of the whole.
            guess = 0.25 * whole if self.rate is None else self.rate * self.examination
            needed = min(guess, 0.5 * whole)
        return now + needed + self.validation >= self.deadline


def _inherited(folder: RunFolder) -> int:
    """Return the evaluations that the weights to begin with have cost."""
    if not folder.start.exists():
        return 0
    return int(read_metadata(folder.start).get("evaluations", 0))


def _exhausted(config: TrainingConfig, train_state: TrainState) -> bool:
    """Whether patience with validations that bring nothing new has run out."""
    return config.patience is not None and int(train_state.stale) >= config.patience


def _card(config: TrainingConfig, row: Row) -> dict[str, Any]:
    return {"kind": "weights", "config": config.to_toml(), "metrics": row}
