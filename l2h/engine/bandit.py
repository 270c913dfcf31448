"""Which arm gets the next round: Thompson sampling on re-discoveries of the best."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..domains import Domain
from ..inits import Spent

# Every arm gets this share of all evaluations, at least.
FLOOR = 0.02
# What is believed of an arm before it was tried: so many finds in so many evaluations.
PRIOR_FINDS, PRIOR_EVALUATIONS = 0.3, 5_000.0


@dataclass
class Tally:
    """What one arm has spent and found."""

    name: str
    least: int = 1
    """Evaluations that one attempt takes at least."""
    attempts: int = 0
    spent: Spent = field(default_factory=lambda: Spent(0, 0))
    finished: int = 0
    """Attempts that were neither given up nor failed."""
    failed: int = 0
    """Attempts that met an energy or gradient that was not finite."""
    finds: int = 0
    """Attempts that ended in the lowest minimum known now."""
    best: float = np.inf
    """Lowest energy."""
    floor: float | None = None
    """Fraction of all evaluations that it gets at least; that of the shares if None."""

    @property
    def cost(self) -> float:
        """Evaluations an attempt, as far as is known."""
        spent = int(self.spent.evaluations)
        return spent / self.attempts if self.attempts else float(self.least)

    def summary(self) -> dict[str, Any]:
        """Return what is reported, as plain Python."""
        return {
            "name": self.name,
            "attempts": self.attempts,
            "evaluations": self.spent.evaluations,
            "finished": self.finished,
            "failed": self.failed,
            "hits": self.finds,
            "best": self.best if np.isfinite(self.best) else None,
        }


@dataclass(frozen=True)
class Shares:
    """A rule that shares the budget among arms.

    With `adaptive`, an arm's finds of the lowest minimum per evaluation have a Gamma
    distribution; each arm draws from its own, and the highest number wins the round. An arm
    that lies behind its floor by more than one attempt comes first. Otherwise, all get the
    same share.

    Arguments:
        adaptive: whether what pays gets more.
        floor: fraction of all evaluations that every arm gets at least, unless it has a
            floor of its own.

    Reference: Thompson 1933, doi:10.1093/biomet/25.3-4.285.
    """

    adaptive: bool = True
    floor: float = FLOOR

    def choose(self, tallies: Sequence[Tally], seed: int, number: int) -> int:
        """Return the arm of a round.

        Arguments:
            tallies: of all arms, the one that is tried first in front.
            seed: of the search.
            number: of the round; same tallies, seed and number, same arm.
        """
        spent = np.array([t.spent.evaluations for t in tallies], float)
        total = spent.sum()
        if len(tallies) == 1 or total == 0:
            return 0
        if not self.adaptive:
            return int(np.argmin(spent))
        costs = np.array([t.cost for t in tallies])
        floors = np.array([self.floor if t.floor is None else t.floor for t in tallies])
        # In attempts, so that a dear arm is not tried before its floor has paid for it.
        lacking = (floors * total - spent) / costs
        if lacking.max() > 1:
            return int(np.argmax(lacking))
        random = Domain.SHARES.generator(seed, number)
        finds = np.array([t.finds for t in tallies]) + PRIOR_FINDS
        rates = random.gamma(finds) / (spent + PRIOR_EVALUATIONS)
        # An arm never tried has but its prior; it is tried by its floor alone.
        rates[spent == 0] = -1.0
        return int(np.argmax(rates))
