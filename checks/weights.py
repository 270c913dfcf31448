"""Bundled weights do what their cards say: one row of each, from other starts."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

import l2h
from l2h import tasks, weights
from l2h.domains import Domain
from l2h.evaluation import Method, evaluate

from .base import Context, Row, check, close

SOURCE = "l2h/weights/README.md"
# Of starts and of searches; so many that their mean scatters by less than a tenth and a
# fifth.
STARTS, SEARCHES = 150, 24


class Card(NamedTuple):
    """A number of a card, and how far off another sample of it may be, relatively."""

    name: str
    task: str
    value: float
    tolerance: float
    steps: int = 0
    """Of an attempt; an arm of a search knows its own."""


# Evaluations per hit of attempts.
COSTS = (
    Card("lj13", "lj13", 38, 0.15, 35),
    Card("lj38", "lj38", 229, 0.3, 150),
    Card("lj-family", "lj38", 423, 0.3, 300),
)
# Mean energy after the quench.
MEANS = (
    Card("gupta", "Ag32Au6", -103.974, 0.001, 1000),
    Card("silicon", "si64-paper", -261.40, 0.002, 500),
    Card("universal", "si64-paper", -259.90, 0.002, 1000),
)
# Evaluations to the first hit of one walk.
HOPPING = (
    Card("lj-hopping", "lj38", 1261, 0.5, 4000),
    Card("gupta-hopping", "Au38", 1389, 0.5, 3000),
)
# Evaluations to the first hit of a search with one arm.
ARMS = (
    Card("lj-symmetric", "lj55", 1447, 0.7),
    Card("gupta-symmetric", "Au38", 593, 0.7),
    Card("silicon-symmetric", "si64-paper", 518, 0.7),
    Card("growth", "lj36", 424, 0.7),
)


@check("weights")
def cards(context: Context) -> Iterator[Row]:
    for card in COSTS[:1] if context.quick else (*COSTS, *MEANS, *HOPPING):
        method, task = Method(card.name, weights.load(card.name)), tasks.get(card.task)
        count = 50 if card in HOPPING else STARTS
        trials = evaluate(
            method,
            task,
            range(count),
            budget=card.steps + 1,
            seed=0,
            domain=Domain.SEARCH,
        )
        if card in MEANS:
            what, found = "mean energy", float(trials.energies.mean())
        elif card in HOPPING:
            what, found = "evaluations to the first hit", trials.to_first_hit.value
        else:
            assert trials.per_hit is not None
            what, found = "evaluations a hit", trials.per_hit.value
        yield _row(card, f"{what}, {count} starts of {card.steps} steps", found)


@check("weights")
def arms(context: Context) -> Iterator[Row]:
    for card in ARMS[-2:-1] if context.quick else ARMS:
        arm = "learned-grown" if card.name == weights.GROWTH else "learned-symmetric"
        # From the seeds behind those of the card.
        spent = [
            l2h.search(
                card.task, until="reference", seed=100 + seed, arms=[arm]
            ).evaluations_to_hit
            for seed in range(SEARCHES)
        ]
        what = f"evaluations to the first hit, {SEARCHES} searches of one arm"
        yield _row(card, what, float(np.mean(np.asarray(spent, float))))


def _row(card: Card, what: str, found: float) -> Row:
    name = f"{card.name}, {card.task}: {what}"
    return close(name, found, card.value, card.tolerance, SOURCE, relative=True)
