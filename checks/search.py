"""Reference minima, found again from random starts and nothing else."""

from collections.abc import Iterator

from l2h import tasks
from l2h.domains import Domain
from l2h.evaluation import Method, evaluate
from l2h.optimizers import BasinHopping

from .base import Context, Row, check, close, large

WALKERS = 64
# Steps of each walk, by number of atoms. 38 has two funnels, of which plain searches enter
# the wrong one; compression hides the minimum of 30 (docs/baselines.md).
QUICK = {5: 500, 13: 500}
SIZES = {n: 4000 for n in range(5, 30)} | {30: 40_000, 38: 8000}
SOURCE = "l2h/data/lennard_jones_minima.csv, see group minima"
PEER = "two-phase basin hopping, l2h/data/searches.csv"


@check("search")
def minima(context: Context) -> Iterator[Row]:
    sizes = QUICK if context.quick else SIZES
    method = Method("bh-strong", BasinHopping.strong())
    for n in sizes:
        task, budget = tasks.get(f"lj{n}"), sizes[n] + 1
        trials = evaluate(
            method, task, range(WALKERS), budget=budget, seed=0, domain=Domain.SEARCH
        )
        walks = f"{WALKERS} walks of {budget} evaluations"
        lowest = trials.energies.min()
        yield close(f"LJ{n}: lowest of {walks}", lowest, task.reference, 1e-6, SOURCE)
        if n == 38:
            hits = trials.success.value
            # At the published 4,546 evaluations a hit, 83 % of the walks would.
            yield large(f"LJ{n}: share that hits, {walks}", hits, 0.5, PEER)
