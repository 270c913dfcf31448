"""Search clusters of many sizes from several seeds, and keep one row for each search.

python -m pipelines.sweep lj5..lj150 --arms grown,grown-quiet --output sweep.csv
python -m pipelines.sweep Au13,Au38 --evaluations 50000 --exhaust --output metals.csv

A search ends at the lowest known energy, or when its evaluations are spent. The same
command again goes on where it was interrupted: what has its row is not searched again.
Sizes in one multiple of eight share their compiled programs.

The last three columns are what was asked for; files of l2h/data are without them. One from
before there were any is gone on with once they are added, such as

sed '1s/$/,arms,budget,exhaust/; 2,$s/$/,"grown,grown-quiet",1000000,0/' old.csv > new.csv
"""

import itertools
import re
import time
from pathlib import Path
from typing import Annotated, Any

import tyro

from l2h.cli.launch import command, prepare

COLUMNS: tuple[str, ...] = (
    "task",
    "seed",
    "evaluations_to_lowest",
    "evaluations",
    "seconds",
    "lowest",
    "reference",
    "hit",
    "hits",
    "point_group",
    "arms",
    "budget",
    "exhaust",
)


def spanned(tasks: str) -> list[str]:
    """Return names of tasks, where `lj5..lj150` stands for all sizes between.

    Raises:
        ValueError: for a range that is none, or a name that is missing or there twice.
    """
    from l2h._registry import listed
    from l2h.tasks import require_distinct

    names: list[str] = []
    for part in listed("tasks", tasks):
        if ".." not in part:
            names.append(part)
            continue
        match = re.fullmatch(r"([A-Za-z]+)(\d+)\.\.\1(\d+)", part)
        if match is None or int(match[2]) > int(match[3]):
            raise ValueError(f"tasks: {part!r} is no range; write lj5..lj150.")
        names += [f"{match[1]}{n}" for n in range(int(match[2]), int(match[3]) + 1)]
    require_distinct(names)
    return names


def searched(
    name: str, seed: int, budget: int, exhaust: bool, arms: list[str] | None
) -> dict[str, Any]:
    """Search a task from a seed; return its row, but for what was asked for.

    Cells are empty where nothing was found.

    Arguments:
        name: of the task.
        seed: of the search.
        budget: evaluations of one search.
        exhaust: whether to go on where the lowest known energy was found.
        arms: what is tried; what suits the task by default.
    """
    import l2h
    from l2h import tasks
    from l2h.report.point_groups import point_groups

    task = tasks.get(name)
    until = "reference" if task.reference is not None and not exhaust else None
    begun = time.perf_counter()
    found = l2h.search(
        task, evaluations=budget, until=until, seed=seed, arms=arms, devices=1
    )
    seconds = time.perf_counter() - begun
    lowest: dict[str, Any] = {"evaluations_to_lowest": "", "lowest": "", "point_group": ""}
    if found.lowest is not None:
        lowest = {
            "evaluations_to_lowest": int(found.first_evaluation[0]),
            "lowest": f"{found.lowest:.6f}",
            "point_group": "".join(point_groups(found, 1)[:1]),
        }
    return {
        "task": name,
        "seed": seed,
        "evaluations": found.evaluations,
        "seconds": round(seconds, 2),
        "reference": "" if task.reference is None else f"{task.reference:.6f}",
        "hit": "" if found.hit is None else int(found.hit),
        "hits": int(found.hits[0]) if len(found.hits) else 0,
        **lowest,
    }


def main(
    tasks: Annotated[str, tyro.conf.Positional],
    /,
    *,
    output: Path,
    seeds: int = 5,
    evaluations: int = 1_000_000,
    exhaust: bool = False,
    arms: str = "",
) -> None:
    """Search many tasks from several seeds.

    Args:
        tasks: Names joined by commas; lj5..lj150 stands for all sizes between.
        output: A CSV file, to which rows are added.
        seeds: How many searches for each task.
        evaluations: Most evaluations of one search.
        exhaust: Whether a search goes on after it has found the lowest known energy.
        arms: Ways to search, joined by commas; what suits the task by default.
    """
    prepare()
    from l2h._registry import listed
    from l2h.io import Table

    names, chosen = spanned(tasks), listed("arms", arms) if arms else None
    table = Table(output, COLUMNS)
    asked = {"arms": arms, "budget": evaluations, "exhaust": int(exhaust)}
    for seed, name in itertools.product(range(seeds), names):
        if table.where(task=name, seed=seed, **asked):
            continue
        row = searched(name, seed, evaluations, exhaust, chosen)
        table.add(row | asked)
        print(*table.rows[-1].values(), flush=True)
    rows = table.where(**asked)
    hits = sum(row["hit"] == "1" for row in rows)
    print(f"{output}: {len(rows)} searches as asked for, {hits} of them with a hit")


if __name__ == "__main__":
    command(main)
