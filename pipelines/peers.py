"""Other people's searches side by side with ours: same starts, same counting, one core.

nox -s peers -- lj13
nox -s peers -- lj38 --starts 20 --budget 1000000

Every energy-and-gradient evaluation counts, until the first hit or the end of the budget.
Peers run one start after the other, as they are made to; ours run a chunk of starts at
once, on the same single core. Seconds are those that the core has worked, so that other
programs on the machine do not count. What is not installed is named, and left out.
"""

import json
import os
import time
from pathlib import Path
from typing import Annotated

# The core on which everything runs; before JAX and BLAS start their threads.
if __name__ == "__main__" and hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import tyro

from l2h.cli.launch import command, prepare
from pipelines.rivals import RIVALS


def main(
    task: Annotated[str, tyro.conf.Positional] = "lj13",
    /,
    *,
    optimizers: str = "bh-plain,bh-strong",
    peers: str = ",".join(RIVALS),
    starts: int = 50,
    budget: int = 20_000,
    seed: int = 0,
    output: Path | None = None,
) -> None:
    """Run peers and our optimizers from the same starts, on one core.

    Args:
        task: A Lennard-Jones cluster.
        optimizers: Ours, as in the evaluate command.
        peers: Theirs, joined by commas.
        starts: Number of starts.
        budget: Evaluations granted to each start.
        seed: Determines the starts.
        output: A JSON file for the numbers.
    """
    prepare()
    from l2h import methods, tasks as problems
    from l2h._registry import listed
    from l2h.domains import Domain
    from l2h.evaluation import evaluate
    from l2h.potentials import LennardJones
    from l2h.report.peers import peers_table
    from pipelines.rivals import run

    problem = problems.get(task)
    if not isinstance(problem.potential, LennardJones) or problem.reference is None:
        raise ValueError(
            f"task: {task} given; peers know Lennard-Jones clusters up to 150."
        )
    if starts < 1:
        raise ValueError(f"starts: {starts} given; at least 1 is needed.")
    theirs = listed("peers", peers) if peers else []
    if unknown := sorted(set(theirs) - set(RIVALS)):
        raise ValueError(
            f"peers: {unknown[0]!r} is unknown; known are {', '.join(RIVALS)}."
        )
    own = methods.several(optimizers)
    for method in own:
        method.horizon(budget)
    if problem.draw(seed, Domain.TEST, range(1), "float64").evaluations.any():
        raise ValueError(
            f"task: {task} given, whose starts cost evaluations, which peers do not count; "
            "take other starts."
        )
    results, absent = [], []
    for name in theirs:
        print(f"{name}: {starts} starts", flush=True)
        try:
            results.append(run(name, problem, starts, budget, seed))
        except ImportError as error:
            absent.append(f"absent: {name} ({error})")
    for method in own:
        print(f"{method.name}: {starts} starts", flush=True)
        results.append(
            evaluate(
                method,
                problem,
                range(starts),
                budget=budget,
                seed=seed,
                stop_at_hit=True,
                clock=time.process_time,
            )
        )
    print(f"\n{task}: {starts} starts, {budget:,} evaluations each, one core")
    print("\n".join([peers_table(results), *absent]))
    if output is not None:
        from l2h.io import plain, write_atomically

        rows = plain([trials.summary() for trials in results])
        content = {"task": task, "budget": budget, "rows": rows, "absent": absent}
        write_atomically(output, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    command(main, kept="nothing is kept, as all are measured in one go")
