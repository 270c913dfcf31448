"""The examination at the end of a run: held-out starts and tasks, against tuned Adam."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..domains import Domain
from ..evaluation import (
    KnownSearch,
    Method,
    Trials,
    cheapest,
    compared,
    evaluate,
    strongest,
)
from ..optimizers import AbstractOptimizer
from ..tasks import Task, get, held_out
from .config import TrainingConfig
from .tuning import candidates
from .validation import horizons, per_hit

STARTS = 150
# Horizons from which learned and unlearned optimizers choose on validation starts, as
# fractions of the longest.
FRACTIONS = (0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0)
# Points of the energy along the way.
LOOKS = 60


@dataclass(frozen=True)
class Examined:
    """One optimizer on held-out starts."""

    full: Trials
    """At the longest horizon of training."""
    economical: Trials
    """At the horizon with the fewest evaluations per hit on validation starts."""


@dataclass(frozen=True)
class Assessment:
    """What a trained optimizer does on one task, on starts it has never seen."""

    task: Task
    trained: bool
    """Whether the task was trained on; otherwise its family keeps it apart."""
    learned: Examined
    adam: Examined
    """Adam from the same starts: what did best on validation starts, at a horizon that
    was chosen in the same way."""
    training_evaluations: int
    """Validations, and the training of weights that the run began with, included."""

    @property
    def trials(self) -> tuple[Trials, ...]:
        """All trials on held-out starts, the learned optimizer's first."""
        both = (self.learned, self.adam)
        return tuple(t for who in both for t in (who.full, who.economical))

    @property
    def opponent(self) -> KnownSearch | None:
        """The strongest unlearned search known to us; None where none is."""
        return strongest(self.task.name)

    @property
    def pays_after(self) -> float | None:
        """Searches after which training has cost less than it saved over the strongest
        unlearned search; None where that is unknown, infinite where it never will."""
        if self.opponent is None:
            return None
        cost = per_hit(self.learned.economical)
        saved = self.opponent.cost.value - (math.inf if cost is None else cost)
        return self.training_evaluations / saved if saved > 0 else math.inf

    def summary(self) -> dict[str, Any]:
        """Return the numbers that are reported, as plain Python; without times, so that
        the same run writes the same file."""
        rival = self.opponent
        return {
            "trained": self.trained,
            "learned": _timeless(self.learned.full),
            "learned_economical": _timeless(self.learned.economical),
            "adam": _timeless(self.adam.full),
            "adam_economical": _timeless(self.adam.economical),
            "training_evaluations": self.training_evaluations,
            "strongest_unlearned": None if rival is None else rival.method,
            "strongest_unlearned_evaluations_per_hit": None
            if rival is None
            else rival.cost.value,
            "pays_after_searches": self.pays_after,
        }


def _timeless(trials: Trials) -> dict[str, Any]:
    numbers = trials.summary()
    return {k: v for k, v in numbers.items() if not k.startswith("seconds")}


def expected_evaluations(config: TrainingConfig) -> int:
    """Return about how many evaluations of the learned optimizer an examination takes."""
    steps = horizons(config.longest, FRACTIONS)
    tasks = len(config.tasks) + len(held_out(config.tasks))
    # The horizons, two on held-out starts; Adam's, which are cheaper, and the quenches.
    return int(1.5 * tasks * STARTS * (sum(steps) + 2 * config.longest))


def assess(
    config: TrainingConfig,
    optimizer: AbstractOptimizer,
    training_evaluations: int,
    *,
    deadline: float | None = None,
    note: Callable[[float, str], None] = lambda _, __: None,
) -> list[Assessment]:
    """Examine an optimizer on every task of a run, and on those that its family keeps
    apart.

    Arguments:
        config: the run's settings.
        optimizer: what was trained.
        training_evaluations: what training has cost.
        deadline: on the clock of `time.monotonic`, in seconds: tasks that are not finished
            by then are left out.
        note: told the fraction that is done, and what goes on.

    Returns:
        One assessment for each task, in order, as far as time allowed.
    """
    names = (*config.tasks, *held_out(config.tasks))
    results: list[Assessment] = []

    def say(done: float, what: str) -> None:
        if deadline is not None and time.monotonic() > deadline:
            raise _OutOfTimeError
        note((len(results) + done) / len(names), what)

    for name in names:
        try:
            say(0.0, name)
            learned, adam = _examine(config, optimizer, get(name), say)
        except _OutOfTimeError:
            break
        results.append(
            Assessment(
                task=learned.full.task,
                trained=name in config.tasks,
                learned=learned,
                adam=adam,
                training_evaluations=training_evaluations,
            )
        )
    return results


class _OutOfTimeError(Exception):
    """The deadline of an examination has passed."""


def _examine(
    config: TrainingConfig,
    optimizer: AbstractOptimizer,
    task: Task,
    say: Callable[[float, str], None],
) -> tuple[Examined, Examined]:
    """Choose on validation starts, then search from held-out ones."""
    steps = horizons(config.longest, FRACTIONS)
    adams = candidates("adam", task.name)
    # Steps in all, so that progress is even.
    total = 2 * (sum(steps) + 2 * config.longest) + len(adams) * config.longest
    done = 0

    def run(method: Method, horizon: int, domain: Domain, what: str) -> Trials:
        nonlocal done
        trials = evaluate(
            method,
            task,
            range(STARTS),
            budget=horizon + 1,
            seed=config.seed,
            domain=domain,
            dtype=config.dtype,
            looks=LOOKS if domain is Domain.TEST else 0,
            note=lambda part: say((done + part * horizon) / total, f"{task.name}: {what}"),
        )
        done += horizon
        return trials

    def choose(method: Method) -> int:
        what = f"choosing the horizon of {method.name} on {STARTS} validation starts"
        tried = [run(method, h, Domain.VALIDATION, what) for h in steps]
        return cheapest(tried).steps

    what = "choosing Adam's rate"
    rates = [
        run(Method(which, adam), config.longest, Domain.VALIDATION, what)
        for which, adam in adams.items()
    ]
    which = min(rates, key=lambda trials: float(np.mean(trials.energies))).method
    methods = (Method("learned", optimizer), Method(f"Adam, {which}", adams[which]))
    trials = []
    for method in methods:
        for horizon in (config.longest, choose(method)):
            what = f"{method.name}, {STARTS} held-out starts"
            trials.append(run(method, horizon, Domain.TEST, what))
    a, b, c, d = compared(trials)
    return Examined(a, b), Examined(c, d)
