"""Table 6 of the paper: trained on one law, tried on another, from the paper's starts.

python -m pipelines.transfer
python -m pipelines.transfer --quick
python -m pipelines.transfer --silicon runs/si64/best.l2h --steps 8000

Beside its rows stand strong unlearned searches, granted as many evaluations. The same
command again goes on where it was interrupted.
"""

import dataclasses
from pathlib import Path
from typing import Any

from l2h.cli.launch import command, prepare
from pipelines.competitions import hold

TASKS = "lj13-paper,lj75-paper,si64-paper"
QUICK = {"steps": 20, "starts": 4}


def main(
    *,
    tasks: str = TASKS,
    lennard_jones: str = "lj-family",
    silicon: str = "silicon",
    others: str = "lbfgs,bh-strong",
    steps: int = 4000,
    starts: int = 150,
    seed: int = 0,
    folder: Path = Path("runs/transfer"),
    devices: int | None = None,
    quick: bool = False,
) -> None:
    """Compare tuned, learned and strong searches, by mean energy from the same starts.

    Args:
        tasks: The columns; Adam and FIRE must have been tuned on each.
        lennard_jones: Weights trained on Lennard-Jones clusters, by name or path.
        silicon: Weights trained on silicon; without them, that row is left out.
        others: Other searches, as `l2h evaluate` takes them.
        steps: Granted to each start; one more evaluation is that of the start.
        starts: Held-out starts for each task.
        seed: Determines the starts.
        folder: Where to write, and to go on from.
        devices: Devices that share the work, all by default; does not change results.
        quick: A short form to try things out: 20 steps from 4 starts.
    """
    shared = prepare(devices)
    from l2h import methods, weights
    from l2h._registry import listed
    from l2h.competition import Competition
    from l2h.report.paper import transfer_figure, transfer_table
    from l2h.tasks import get
    from l2h.training.tuning import paper

    if quick:
        steps, starts = QUICK["steps"], QUICK["starts"]
    # By the names under which the paper's means are stored.
    rows = {"adam": "Adam, tuned", "fire": "FIRE, tuned"}
    rows |= {"lj-family": "learned on Lennard-Jones", "silicon": "learned on silicon"}
    published = {(task, rows[who]): mean for (task, who), mean in paper().items()}
    chosen = {rows["lj-family"]: lennard_jones, rows["silicon"]: silicon}
    if silicon == "silicon" and silicon not in weights.names():
        print("no weights trained on silicon are bundled; give some with --silicon")
        del chosen[rows["silicon"]]

    chosen |= {other: other for other in (listed("others", others) if others else ())}
    competitions = []
    for task in listed("tasks", tasks):
        named = {rows[kind]: f"tuned:{kind}:{task}" for kind in ("adam", "fire")} | chosen
        searches = tuple(
            dataclasses.replace(methods.get(method), name=shown)
            for shown, method in named.items()
        )
        competitions.append(Competition((get(task),), searches, starts, steps + 1, seed))

    def shown(results: Any) -> Any:
        summaries = [trials.summary() for group in results for trials in group]
        return summaries, transfer_figure(results, published)

    results, _ = hold(competitions, folder / "transfer", shared, shown)
    print(f"\n{transfer_table(results, published)}\n")
    print(f"{folder / 'transfer.png'}\n{folder / 'transfer.csv'}")


if __name__ == "__main__":
    command(main)
