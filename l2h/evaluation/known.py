"""What unlearned searches are known to cost: the opponents of a learned one."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources

from .statistics import Interval


@dataclass(frozen=True)
class KnownSearch:
    """Evaluations per hit of one unlearned search on one task."""

    task: str
    method: str
    cost: Interval
    """Evaluations to the first hit; bounds are not numbers where none were stated."""
    source: str


@cache
def known_searches() -> tuple[KnownSearch, ...]:
    """Return all that are known (l2h/data/searches.csv)."""
    text = resources.files("l2h.data").joinpath("searches.csv").read_text()
    return tuple(
        KnownSearch(
            row["task"],
            row["method"],
            Interval(
                *(
                    float(row[name] or "nan")
                    for name in ("evaluations_per_hit", "low", "high")
                )
            ),
            row["source"],
        )
        for row in csv.DictReader(text.splitlines())
    )


def strongest(task: str) -> KnownSearch | None:
    """Return the search with the fewest evaluations per hit on a task; None where no
    search is known.

    Arguments:
        task: its name.
    """
    rivals = (search for search in known_searches() if search.task == task)
    return min(rivals, key=lambda search: search.cost.value, default=None)
