"""Evaluations a second of other people's searches beside ours, in turns in one process."""

import itertools
import time
from collections.abc import Callable

import jax
import numpy as np

from l2h.domains import Domain
from l2h.optimizers import BasinHopping
from l2h.potentials import LennardJones
from l2h.tasks import Task, get
from pipelines.rivals import RIVALS

from .forces import starts
from .steps import rollouts
from .timing import ratio, shown

SIZES, SECONDS, ROUNDS = (13, 38, 75), 0.5, 5
# As many walkers as the second-level cache of a core holds.
WALKERS, STEPS, BUDGET = 32, 500, 2_000

Work = Callable[[], int]
"""Does some work; returns the evaluations that it took."""


def walkers(task: Task) -> Work:
    """Return plain basin hopping of many walkers at once."""
    x, program = starts(task)[:WALKERS], rollouts(LennardJones(), STEPS)

    def work() -> int:
        jax.block_until_ready(program(BasinHopping.plain(), x))
        return len(x) * (STEPS + 1)

    return work


def searches(name: str, task: Task) -> Work:
    """Return searches by name, one start after the other.

    Raises:
        ImportError: if it is not installed.
    """
    search, numbers = RIVALS[name](task, 0), itertools.count()
    positions = np.asarray(task.draw(0, Domain.TEST, range(32), np.float64).positions)

    def work() -> int:
        k = next(numbers)
        return search(positions[k % len(positions)], BUDGET, k).evaluations

    work()  # compiles, or says that it is not installed
    return work


def rate(work: Work) -> float:
    """Return evaluations per second of the processor, over one turn."""
    begin, count = time.process_time(), 0
    while (spent := time.process_time() - begin) < SECONDS:
        count += work()
    return count / spent


# What is alike: walks between minima, and growth over vacant sites.
CONTESTS: tuple[tuple[str, str, Callable[[Task], Work]], ...] = (
    ("pele", "hopping", walkers),
    ("anneal", "grown", lambda task: searches("grown", task)),
)


def main() -> None:
    """Print the table; peers that are not installed are named."""
    print(f"Searches of others and ours, evaluations a second, {jax.devices()[0]}")
    print("atoms    theirs                   ours                   ours over theirs")
    with jax.enable_x64(True):  # as peers compute; ours hops in single precision
        for peer, name, ours in CONTESTS:
            for n in SIZES:
                task = get(f"lj{n}")
                try:
                    works = searches(peer, task), ours(task)
                except ImportError as error:
                    print(f"absent: {peer} ({error})", flush=True)
                    break
                for work in works:
                    work()
                rates = [[rate(work) for work in works] for _ in range(ROUNDS)]
                their, own = (list(column) for column in zip(*rates, strict=True))
                print(
                    f"{n:5d}    {peer:8} {np.median(their):12,.0f}    "
                    f"{name:8} {np.median(own):12,.0f}    {shown(ratio(own, their))}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
