"""From the books of a search to its result: what is shown is polished."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..evaluation.minima import fingerprint
from .crew import Crew
from .ledger import Ledger, Minimum
from .problem import Problem
from .result import Origin, SearchResult

# Root mean square gradient, in natural units, of what is reported.
FINE = 1e-7
# Share of the evaluations that may polish minima beyond the lowest.
POLISHING = 0.1


def conclude(
    problem: Problem,
    crew: Crew,
    ledger: Ledger,
    settings: Mapping[str, Any],
    status: str,
) -> SearchResult:
    """Polish what is to be shown, for a tenth of the evaluations at most, and return it.

    What that takes is counted; the books stay as they are.
    """
    task, books = problem.task, ledger.copy()
    minima, polishing = _polished(crew, books)
    best = minima[0].energy if minima else math.inf
    made = books.evaluations
    progress = [*books.progress, (made, best)] if minima else []
    counts = {
        "evaluations": made + polishing,
        "polishing": books.polishing + polishing,
        "site probes": books.spent.probes,
        "attempts": books.attempts,
    }
    shape = (-1, task.n, task.potential.space.dimension)
    return SearchResult(
        task=task,
        energies=np.array([m.energy for m in minima], float),
        positions=np.array([m.positions for m in minima], float).reshape(shape),
        hits=np.array([m.hits for m in minima], int),
        first_evaluation=np.array([m.first_evaluation for m in minima], int),
        evaluations=made + polishing,
        counts=counts,
        arms=[tally.summary() for tally in books.tallies],
        progress=np.array(progress, float).reshape(-1, 2),
        status=status,
        seed=problem.seed,
        settings=settings,
        origins=[
            Origin(problem.arms[m.arm].name, m.attempt) if m.attempt >= 0 else None
            for m in minima
        ],
    )


def _polished(crew: Crew, books: Ledger) -> tuple[list[Minimum], int]:
    """Return polished minima, lowest first, and the evaluations that this took."""
    allowance, spent = POLISHING * books.evaluations, 0
    rows = sorted([*books.minima, *books.spares], key=lambda row: row.energy)
    shown: list[Minimum] = []
    for number, row in enumerate(rows):
        if number and spent >= allowance:
            # Spares that nobody polished are no minima; what was polished stays.
            shown += [r for r in rows[number:] if isinstance(r, Minimum)]
            break
        (found,) = crew.polish([row.positions], FINE)
        spent += found.evaluations
        if not math.isfinite(found.energy):
            # What cannot be polished further stays as it was polished before.
            shown += [row] if isinstance(row, Minimum) else []
            continue
        x, mark = found.positions, fingerprint(books.task, found.positions)
        who = (row.attempt, row.arm)
        shown.append(Minimum(found.energy, x, row.hits, row.first_evaluation, mark, *who))
    merged = Ledger(books.task, [])
    for row in sorted(shown, key=lambda row: row.energy):
        merged.merge(row)
    return merged.minima, spent
