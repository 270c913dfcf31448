"""The host's loop around the pure update: resume, log, validate, stop."""

import math
import time
from collections.abc import Iterator
from typing import Any

import jax

from ..domains import Domain
from ..evaluation import Outcomes, evaluate
from ..meta import MetaState, Trainer, draw_starts
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


def _score(row: Row) -> tuple[float, float]:
    """Rank validated rows: by success, then by energy."""
    return row["validation/success"], -row["validation/energy"]


def check(config: TrainingConfig, minutes: float | None, devices: int) -> Trainer:
    """Return the trainer of these settings, or refuse them before anything is written.

    Raises:
        ValueError: naming the setting.
    """
    if minutes is not None and not minutes > 0:
        raise ValueError(f"minutes: {minutes} given; training needs a positive time.")
    return config.trainer(devices)


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

    Arguments:
        config: the run's settings.
        folder: the run's files.
        minutes: stop after this time at the latest, with a checkpoint; the schedule does
            not change.
        devices: local devices that share the population; does not change results.

    Raises:
        ValueError: for a damaged checkpoint, no time, or more devices than exist.
    """
    trainer = check(config, minutes, devices)
    state = trainer.strategy.init(config.optimizer(), config.seed)
    state = folder.load_checkpoint(state)
    folder.rewind(int(state.update))
    rows = folder.rows()
    validated = [row for row in rows if "validation/success" in row]
    best = max(map(_score, validated), default=(-math.inf, -math.inf))
    evaluations = max((row["evaluations"] for row in rows), default=0)
    started = time.monotonic()

    while int(state.update) < config.updates:
        state, info = trainer(state)
        number = int(state.update)
        evaluations += trainer.evaluations(int(info["horizon"]))
        row: Row = {
            "update": number,
            **{name: value.item() for name, value in jax.device_get(info).items()},
            "evaluations": evaluations,
        }
        finished = number == config.updates
        if number % config.validate_every == 0 or finished:
            row |= _validation(config, state)
            if _score(row) > best:
                best = _score(row)
                folder.save_best(state.optimizer, _card(config, row))
        folder.append(folder.metrics, row)
        elapsed = time.monotonic() - started
        folder.append(folder.timings, {"update": number, "seconds": round(elapsed, 3)})
        late = minutes is not None and elapsed > 60 * minutes
        if number % config.checkpoint_every == 0 or finished or late:
            folder.save_checkpoint(state)
        yield row
        if late:
            return


def _validation(config: TrainingConfig, state: MetaState) -> Row:
    outcomes = validate(config, state.optimizer)
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
