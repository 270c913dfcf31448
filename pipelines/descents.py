"""Learned descent against L-BFGS: equal starts, equal repair, equal counting.

python -m pipelines.descents lj38,lj75 --starts symmetric,random --seeds 30
python -m pipelines.descents Au38 --starts symmetric --learned lj38@60

Each search has one arm and ends at its first hit of the lowest known energy, if one is, or
with its budget. What was searched is kept in a CSV file; the same command goes on.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from l2h.cli.launch import command, prepare

COLUMNS = ("task", "starts", "descent", "window", "budget")
COLUMNS += ("seed", "evaluations", "hit", "lowest")


def main(
    tasks: Annotated[str, tyro.conf.Positional],
    /,
    *,
    starts: str = "symmetric,random",
    learned: str = "lj38@150",
    seeds: int = 30,
    budget: int = 50_000,
    window: float | None = None,
    file: Path = Path("runs/descents.csv"),
) -> None:
    """Compare evaluations per hit of learned and unlearned descents in one search engine.

    Args:
        tasks: Names of tasks, joined by commas; those without a known lowest energy are
            compared by the lowest that searches end with.
        starts: random for a task's own, or names such as symmetric and grown, joined by
            commas.
        learned: Weights, and after @ the steps before the quench.
        seeds: Searches of each kind, counted from 0.
        budget: Evaluations of a search that does not hit.
        window: Of abandonment, as a fraction of the binding energy; what suits the task by
            default.
        file: Where rows are kept.
    """
    prepare()
    import l2h
    from l2h import tasks as problems, weights
    from l2h._registry import listed
    from l2h.engine import Abandonment, Arm
    from l2h.engine.arms import abandonment
    from l2h.inits import STARTS
    from l2h.io import Table

    searched = [problems.get(each) for each in listed("tasks", tasks)]
    kinds = listed("starts", starts)
    name, _, steps = learned.partition("@")
    network = weights.load(name)
    table = Table(file, COLUMNS)
    for task in searched:
        rule = abandonment(task) if window is None else Abandonment(window)
        for kind in kinds:
            init = task.init if kind == "random" else STARTS[kind](task.potential, task.n)
            arms = {
                "lbfgs": Arm("lbfgs", init),
                learned: Arm("learned", init, network, int(steps or 150)),
            }
            for descent, arm in arms.items():
                label = {
                    "task": task.name,
                    "starts": kind,
                    "descent": descent,
                    "window": f"{float(rule.window):g}",
                    "budget": f"{budget}",
                }
                for seed in range(seeds):
                    if table.where(**label, seed=seed):
                        continue
                    found = l2h.search(
                        task,
                        until=None if task.reference is None else "reference",
                        evaluations=budget,
                        seed=seed,
                        arms=[arm],
                        rule=rule,
                    )
                    spent = found.evaluations_to_hit if found.hit else found.evaluations
                    ending = {"evaluations": spent, "hit": int(bool(found.hit))}
                    lowest = "" if found.lowest is None else f"{found.lowest:.6f}"
                    table.add({**label, "seed": seed, **ending, "lowest": lowest})
                words = " ".join(label.values())
                print(f"{words}: {summary(table.where(**label))}")
    print(file)


def summary(rows: Sequence[Mapping[str, str]]) -> str:
    """Return evaluations per hit, hits, and the mean of the lowest energies with its
    standard error, in words; searches that found nothing have no energy.

    Arguments:
        rows: of one descent from one kind of starts; at least one.
    """
    from l2h.evaluation.statistics import cost_per_hit

    spent, hit = (
        np.asarray([int(row[column]) for row in rows]) for column in ("evaluations", "hit")
    )
    lowest = np.asarray([float(row["lowest"]) for row in rows if row["lowest"]])
    count, cost = len(lowest), cost_per_hit(spent, hit.astype(bool))
    words = f"{cost:,.0f}, {hit.sum()} of {len(rows)}"
    if not count:
        return f"{words}, nothing found"
    error = np.std(lowest, ddof=1) / np.sqrt(count) if count > 1 else np.nan
    return f"{words}, mean {lowest.mean():.4f} ({error:.4f}), lowest {lowest.min():.4f}"


if __name__ == "__main__":
    command(main)
