"""The host's loop around the update: resume, log, validate, stop."""

import time
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import jax
import numpy as np

from ..domains import Domain
from ..evaluation import Outcomes, evaluate
from ..meta import Trainer, TrainState, draw_starts, processes
from ..optimizers import AbstractOptimizer
from .config import TrainingConfig
from .folder import RunFolder

Row = dict[str, Any]


def validate(config: TrainingConfig, optimizer: AbstractOptimizer) -> list[Outcomes]:
    """Evaluate on validation starts at the longest horizon, one entry per task."""
    key = Domain.VALIDATION.key(config.seed)
    return [
        evaluate(
            optimizer,
            task,
            draw_starts(task, config.validation_starts, key, config.dtype),
            config.longest,
            key=key,
        )
        for task in config.problems()
    ]


def check(config: TrainingConfig, minutes: float | None, devices: int) -> Trainer:
    """Return the trainer of these settings, or refuse them before anything is written.

    Raises:
        ValueError: naming the setting.
    """
    if minutes is not None and not minutes > 0:
        raise ValueError(f"minutes: {minutes} given; training needs a positive time.")
    trainer = config.trainer(devices)
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
    minutes: float | None = None,
    devices: int = 1,
) -> Iterator[Row]:
    """Train from the folder's checkpoint to the end of the schedule.

    Yields the metrics of each update, after they were written. A run that is killed and
    resumed writes the same metrics and weights, to the bit, as one that was not.

    Of several processes, the first alone reads and writes the folder.

    Arguments:
        config: the run's settings.
        folder: the run's files.
        minutes: stop after this time at the latest, with a checkpoint; the schedule does
            not change.
        devices: local devices of each process that share the population; does not change
            results.

    Raises:
        ValueError: for a damaged folder or one that another process writes to, no time,
            more devices than exist or more processes than chunks.
    """
    trainer = check(config, minutes, devices)
    alone = folder.writing(config) if processes.index() == 0 else nullcontext()
    with alone:
        yield from _updates(config, folder, trainer, minutes)


def _updates(
    config: TrainingConfig, folder: RunFolder, trainer: Trainer, minutes: float | None
) -> Iterator[Row]:
    """Make the updates of `train`."""
    writes = processes.index() == 0
    first = folder.first_optimizer(config) if writes else config.untrained()
    train_state = TrainState.begin(trainer.strategy.init(first, config.seed))
    evaluations = 0
    if writes:
        train_state = folder.load_checkpoint(train_state)
        rows = folder.rewind(int(train_state.meta.update))
        evaluations = rows[-1]["evaluations"] if rows else 0
    train_state = processes.from_first(train_state)
    started = time.monotonic()

    while int(train_state.meta.update) < config.updates and not _exhausted(
        config, train_state
    ):
        meta, info = trainer(train_state.meta)
        train_state = train_state.advance(meta, config.average)
        number = int(meta.update)
        evaluations += trainer.evaluations(int(info["horizon"]))
        row: Row = {
            "update": number,
            **{name: value.item() for name, value in jax.device_get(info).items()},
            "evaluations": evaluations,
        }
        finished = number == config.updates
        if number % config.validate_every == 0 or finished:
            # The others wait: all must judge alike.
            found = _validation(config, train_state.candidate) if writes else {}
            scores = [
                found.get(f"validation/{what}", 0.0) for what in ("success", "energy")
            ]
            success, energy = processes.from_first(np.asarray(scores, np.float32)).tolist()
            train_state = train_state.judge(success, energy)
            row |= found
            if writes and int(train_state.stale) == 0:
                folder.save_best(train_state.candidate, _card(config, row))
        elapsed = time.monotonic() - started
        late = minutes is not None and elapsed > 60 * minutes
        late = bool(processes.from_first(np.asarray(late)))
        if writes:
            timing = {"update": number, "seconds": round(elapsed, 3)}
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


def _exhausted(config: TrainingConfig, train_state: TrainState) -> bool:
    """Whether patience with validations that bring nothing new has run out."""
    return config.patience is not None and int(train_state.stale) >= config.patience


def _validation(config: TrainingConfig, optimizer: AbstractOptimizer) -> Row:
    outcomes = validate(config, optimizer)
    row: Row = {}
    for outcome in outcomes:
        row[f"validation/{outcome.task.name}/success"] = outcome.success.value
        row[f"validation/{outcome.task.name}/energy"] = float(outcome.polished.mean())
    names = [outcome.task.name for outcome in outcomes]
    for what in ("success", "energy"):
        values = [row[f"validation/{name}/{what}"] for name in names]
        row[f"validation/{what}"] = sum(values) / len(values)
    return row


def _card(config: TrainingConfig, row: Row) -> dict[str, Any]:
    return {"kind": "weights", "config": config.to_toml(), "metrics": row}
