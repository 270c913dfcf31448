"""Reference minima, found again from random starts and nothing else."""

from collections.abc import Iterator

import l2h
from l2h import tasks
from l2h.domains import Domain
from l2h.evaluation import Method, evaluate
from l2h.optimizers import BasinHopping

from .base import Context, Row, check, close, large

SOURCE = "l2h/data/lennard_jones_minima.csv, see group minima"
# Sizes of clusters: in a hurry, always, and with `--full`.
QUICK, USUAL, FULL = (5, 13), range(3, 61), range(3, 151)
# Evaluations after which a search has failed; the dearest sizes take some 10^5.
BUDGET = 1_000_000
ARMS = "grown", "grown-quiet"
# Basin hopping, which knows nothing of symmetry and growth.
WALKERS, HOPPED = 64, {13: 500, 38: 8000}
PEER = "two-phase compiled, l2h/data/searches.csv"


@check("search")
def grown(context: Context) -> Iterator[Row]:
    sizes = QUICK if context.quick else FULL if context.full else USUAL
    for n in sizes:
        task = tasks.get(f"lj{n}")
        found = l2h.search(task, until="reference", evaluations=BUDGET, arms=ARMS)
        assert task.reference is not None
        name = f"LJ{n}: lowest of a search of {found.evaluations:,} evaluations"
        yield close(name, found.lowest, task.reference, 1e-6, SOURCE)


@check("search")
def hopped(context: Context) -> Iterator[Row]:
    method = Method("bh-strong", BasinHopping.strong())
    for n, steps in HOPPED.items():
        if context.quick and n > max(QUICK):
            continue
        task, budget = tasks.get(f"lj{n}"), steps + 1
        trials = evaluate(
            method, task, range(WALKERS), budget=budget, seed=0, domain=Domain.SEARCH
        )
        assert task.reference is not None
        walks = f"{WALKERS} walks of {budget} evaluations"
        lowest = trials.energies.min()
        yield close(f"LJ{n}: lowest of {walks}", lowest, task.reference, 1e-6, SOURCE)
        if n == 38:
            hits = trials.success.value
            # At the 4,546 evaluations a hit of the compiled one, 83 % of the walks would.
            yield large(f"LJ{n}: share that hits, {walks}", hits, 0.5, PEER)
