"""Compare optimizers on the same starts, every evaluation counted.

l2h evaluate lj13 --optimizers adam,lbfgs,lj13@35 --budget 1000
l2h evaluate lj38 --optimizers bh-strong,lj38@150 --budget 20000 --stop-at-hit
l2h evaluate Au38 --optimizers bh-plain,runs/au38/best.l2h --starts 50 --budget 50000

The same command again goes on where it was interrupted, or shows the results once more.
"""

import os
import shlex
import sys
from typing import Annotated

import tyro

from .compared import Compared
from .launch import prepare


def main(
    *,
    compared: Annotated[Compared, tyro.conf.OmitArgPrefixes],
    optimizers: str = "adam,fire,lbfgs,bh-plain",
    budget: int = 1000,
    stop_at_hit: bool = False,
    devices: int | None = None,
    x64: bool = False,
) -> None:
    """Compare optimizers on the same held-out starts.

    Args:
        compared: On what, and where results are kept.
        optimizers: Names joined by commas; NAME:RATE sets a rate, NAME@STEPS makes
            attempts of so many steps from fresh starts.
        budget: Energy-and-gradient evaluations granted to each start.
        stop_at_hit: End early where all starts have hit.
        devices: Devices that share the work, all by default; processor cores, if there is
            no accelerator.
        x64: Search in double precision.
    """
    import jax

    shared = prepare(devices)
    from .. import methods
    from ..competition import Competition, compete, occupy
    from ..report.competition import competition_table, write_competition
    from ..report.meter import meter

    competition = Competition(
        tasks=tuple(compared.problems()),
        methods=tuple(methods.several(optimizers)),
        starts=compared.starts,
        budget=budget,
        seed=compared.seed,
        precision="float64" if x64 else "float32",
        stop_at_hit=stop_at_hit,
    )
    folder = compared.folder or competition.folder()
    occupy(folder, competition)
    print(f"folder: {folder}")
    with meter(len(competition.units()), "evaluating") as note:
        parts = compete(competition, folder, devices=shared, note=note)
    results = competition.results(parts)
    circumstances = {
        "command": shlex.join(["l2h", "evaluate", *sys.argv[1:]]),
        "settings": competition.settings(),
        "device": str(jax.devices()[0].device_kind),
        "cores": os.cpu_count(),
        "seconds": "wall-clock seconds of one device, without compilation",
    }
    paths = write_competition(folder, results, circumstances)
    print(f"\n{competition_table(results)}\n")
    print("\n".join(str(path) for path in paths))
