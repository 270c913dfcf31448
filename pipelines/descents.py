"""Learned descent against L-BFGS: equal starts, equal repair, equal counting.

python -m pipelines.descents lj38,lj75 --starts symmetric,random --seeds 30
python -m pipelines.descents Au38 --starts symmetric --learned lj38@60

Each search has one arm and ends at its first hit of the lowest known energy, or with its
budget. What was searched is kept in a CSV file; the same command goes on.
"""

import csv
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import tyro

from l2h.cli.launch import command

COLUMNS = ("task", "starts", "descent", "window", "seed", "evaluations", "hit", "lowest")


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
        tasks: Names of tasks with a known lowest energy, joined by commas.
        starts: random for a task's own, or names such as symmetric and grown, joined by
            commas.
        learned: Weights, and after @ the steps before the quench.
        seeds: Searches of each kind, counted from 0.
        budget: Evaluations of a search that does not hit.
        window: Of abandonment, as a fraction of the best energy; what suits the task by
            default.
        file: Where rows are kept.
    """
    jax.config.update("jax_enable_x64", True)
    import l2h
    from l2h import tasks as problems, weights
    from l2h.engine import Abandonment, Arm
    from l2h.engine.arms import abandonment
    from l2h.inits import STARTS

    name, _, steps = learned.partition("@")
    network = weights.load(name)
    rows = _read(file)
    for task in (problems.get(each) for each in tasks.split(",")):
        rule = abandonment(task) if window is None else Abandonment(window)
        for kind in starts.split(","):
            init = task.init if kind == "random" else STARTS[kind](task.potential, task.n)
            arms = {
                "lbfgs": Arm("lbfgs", init),
                learned: Arm("learned", init, network, int(steps or 150)),
            }
            for descent, arm in arms.items():
                width = f"{float(rule.window):g}"
                label = (task.name, kind, descent, width)
                done = {row[4] for row in rows if tuple(row[:4]) == label}
                for seed in range(seeds):
                    if str(seed) in done:
                        continue
                    found = l2h.search(
                        task,
                        until="reference",
                        evaluations=budget,
                        seed=seed,
                        arms=[arm],
                        rule=rule,
                    )
                    spent = found.evaluations_to_hit if found.hit else found.evaluations
                    row = [*label, str(seed), str(spent), str(int(bool(found.hit)))]
                    rows.append([*row, f"{found.lowest:.6f}"])
                    _append(file, rows[-1])
                print(_line(label, [row for row in rows if tuple(row[:4]) == label]))
    print(file)


def _line(label: tuple[str, ...], rows: list[list[str]]) -> str:
    """Return evaluations per hit, their interval, hits and the lowest energy, in words."""
    from l2h.evaluation.statistics import cost_per_hit

    spent, hit = (np.asarray([int(row[k]) for row in rows]) for k in (5, 6))
    best = min(float(row[7]) for row in rows)
    cost = cost_per_hit(spent, hit.astype(bool))
    return f"{' '.join(label)}: {cost:,.0f}, {hit.sum()} of {len(rows)}, lowest {best:.4f}"


def _read(file: Path) -> list[list[str]]:
    if not file.exists():
        return []
    with file.open(newline="") as lines:
        return list(csv.reader(lines))[1:]


def _append(file: Path, row: list[Any]) -> None:
    fresh = not file.exists()
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", newline="") as lines:
        csv.writer(lines).writerows([COLUMNS, row] if fresh else [row])


if __name__ == "__main__":
    command(main)
