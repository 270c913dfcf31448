"""Figure 8 of the paper: trained on one size or on six, tried on all.

python -m pipelines.sizes
python -m pipelines.sizes --quick
python -m pipelines.sizes --sizes 13,26,38,64,98 --six lj-family

Networks whose weights are not given are trained first. The same command again goes on
where it was interrupted.
"""

from pathlib import Path
from typing import Any

from l2h.cli.launch import command, prepare
from pipelines.competitions import hold, training

SIZES = ",".join(map(str, [*range(5, 81, 5), 98, 102]))
# What two cores train within minutes; about 80 rollouts per update, as in the paper.
SETTINGS: dict[str, Any] = {
    "pairs": 20,
    "shortest": 100,
    "longest": 500,
    "updates": 200,
    "validate_every": 40,
    "validation_starts": 50,
}


def main(
    *,
    sizes: str = SIZES,
    only13: str | None = None,
    only75: str | None = None,
    six: str | None = None,
    updates: int | None = None,
    steps: int = 1000,
    starts: int = 50,
    seed: int = 0,
    folder: Path = Path("runs/sizes"),
    devices: int | None = None,
    quick: bool = False,
) -> None:
    """Compare networks trained on different sizes, with Adam and FIRE, size by size.

    Args:
        sizes: Numbers of atoms to search, joined by commas.
        only13: Weights trained on 13 atoms, by name or path; trained here if not given.
        only75: Weights trained on 75 atoms.
        six: Weights trained on 13, 19, 31, 38, 55 and 75 atoms.
        updates: Meta-updates of each training; 200 unless told otherwise.
        steps: Granted to each start; one more evaluation is that of the start.
        starts: Held-out starts for each size.
        seed: Determines weights, noise and starts.
        folder: Where to write, and to go on from.
        devices: Devices that share the work, all by default; does not change results.
        quick: A short form to try things out: two updates, 5 and 13 atoms, 4 starts.
    """
    shared = prepare(devices)
    from l2h import weights
    from l2h._registry import listed
    from l2h.competition import Competition
    from l2h.evaluation import Method
    from l2h.report import trained
    from l2h.report.paper import above, sizes_figure
    from l2h.tasks import FAMILIES, get
    from l2h.training import TrainingConfig
    from l2h.training.tuning import tuned

    settings = training(SETTINGS, updates, quick)
    if quick:
        sizes, steps, starts = "5,13", 20, 4
    problems = [get(f"lj{n}") for n in listed("sizes", sizes)]

    def network(shown: str, family: str, given: str | None) -> Method:
        if given is not None:
            return Method(f"{shown} ({given})", weights.load(given))
        tasks = FAMILIES[family].tasks
        copies = {"starts_per_task": 2 if len(tasks) == 1 else 1}
        config = TrainingConfig.for_tasks(tasks, seed=seed, **copies, **settings)
        return Method(shown, trained(config, folder / family, shown, shared))

    methods = (
        network("learned on 13 atoms", "lj13", only13),
        network("learned on 75 atoms", "lj75", only75),
        network("learned on six sizes", "lj-family", six),
        Method("Adam, tuned at 75", tuned("adam", "lj75")),
        Method("FIRE, tuned at 75", tuned("fire", "lj75")),
    )
    competitions = [Competition((t,), methods, starts, steps + 1, seed) for t in problems]

    def shown(results: Any) -> Any:
        rows = [
            {"atoms": t.task.n, "above_per_atom": above(t), **t.summary()}
            for group in results
            for t in group
        ]
        return rows, sizes_figure(results)

    _, rows = hold(competitions, folder / "sizes", shared, shown)
    for row in rows:
        who = f"{row['optimizer']:30}"
        print(f"{row['atoms']:4d} {who} {row['above_per_atom']:8.4f} per atom above")
    print(f"{folder / 'sizes.png'}\n{folder / 'sizes.csv'}")


if __name__ == "__main__":
    command(main)
