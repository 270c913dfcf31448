"""Clusters of two metals: trained on some compositions, tried on others and on a new pair.

python -m pipelines.bimetallic
python -m pipelines.bimetallic --quick
python -m pipelines.bimetallic --weights lj38 --counts 6,19,32

The network is trained first, unless weights are given. The same command again goes on
where it was interrupted.
"""

import itertools
from pathlib import Path
from typing import Any

import jax
import numpy as np

from l2h.cli.launch import command, prepare
from pipelines.competitions import hold, training

ATOMS = 38
SEEN, UNSEEN = (("Ag", "Au"), ("Ag", "Pt"), ("Pd", "Au")), ("Pd", "Pt")
TRAINED = tuple(f"{a}{m}{b}{ATOMS - m}" for a, b in SEEN for m in (9, 19, 29))
SETTINGS: dict[str, Any] = {
    "pairs": 16,
    "shortest": 100,
    "longest": 400,
    "updates": 150,
    "validate_every": 30,
    "validation_starts": 25,
}


def pure(pair: tuple[str, str]) -> tuple[float, float]:
    """Return the energies of 38 atoms of each metal (eV), with the alloy's parameters.

    They are those of the truncated octahedron, the lowest structure known of all four
    metals; see l2h/data/gupta_minima.csv.
    """
    from l2h.optimizers import quench
    from l2h.potentials import Gupta

    # The fcc sites around an octahedral hole: three whole shells.
    sites = np.array(list(itertools.product(range(-2, 3), repeat=3)), float)
    sites = sites[(sites.sum(axis=1) % 2 == 1) & ((sites**2).sum(axis=1) <= 5)]
    energies = []
    for species in (0, 1):
        metal = Gupta.named("-".join(pair), np.full(ATOMS, species))
        length = float(metal.r0[species, species])
        found = quench(metal, jax.numpy.asarray(sites * length / np.sqrt(2)))
        energies.append(float(found.energy))
    return energies[0], energies[1]


def main(
    *,
    weights: str | None = None,
    counts: str = "4,9,14,19,24,29,34",
    updates: int | None = None,
    steps: int = 1000,
    starts: int = 50,
    seed: int = 0,
    folder: Path = Path("runs/bimetallic"),
    devices: int | None = None,
    quick: bool = False,
) -> None:
    """Compare a network with Adam and basin hopping, by excess energy and composition.

    Args:
        weights: Of a network, by name or path; trained here if not given.
        counts: Atoms of the first metal, of 38, joined by commas.
        updates: Meta-updates of the training; 150 unless told otherwise.
        steps: Granted to each start; one more evaluation is that of the start.
        starts: Held-out starts for each composition.
        seed: Determines weights, noise and starts.
        folder: Where to write, and to go on from.
        devices: Devices that share the work, all by default; does not change results.
        quick: A short form to try things out: two updates, one composition, 4 starts.
    """
    shared = prepare(devices)
    from l2h import methods, weights as bundled
    from l2h._registry import listed
    from l2h.competition import Competition
    from l2h.evaluation import Method
    from l2h.report import trained
    from l2h.report.paper import excess_figure, excess_rows
    from l2h.tasks import get
    from l2h.training import TrainingConfig

    settings, taught = training(SETTINGS, updates, quick), TRAINED
    if quick:
        counts, steps, starts, taught = "19", 20, 4, TRAINED[1::3]
    pairs, numbers = (*SEEN, UNSEEN), [int(m) for m in listed("counts", counts)]
    alloys = [get(f"{a}{m}{b}{ATOMS - m}") for a, b in pairs for m in numbers]
    if weights is None:
        config = TrainingConfig.for_tasks(taught, seed=seed, **settings)
        network = trained(config, folder / "trained", f"{len(taught)} alloys", shared)
        learned = Method("learned", network)
    else:
        learned = Method(f"learned ({weights})", bundled.load(weights))
    compared = (learned, *methods.several("adam,bh-strong"))
    competitions = [Competition((t,), compared, starts, steps + 1, seed) for t in alloys]
    ends = {"-".join(pair): pure(pair) for pair in pairs}

    def shown(results: Any) -> Any:
        rows = excess_rows(results, ends, taught if weights is None else ())
        return rows, excess_figure(rows)

    _, rows = hold(competitions, folder / "bimetallic", shared, shown)
    for row in rows:
        known = " (trained on)" if row["trained_on"] else ""
        who = f"{row['task']:10} {row['optimizer']:20}"
        print(f"{who} {row['excess_mean']:8.3f} eV in excess, {row['mean']:10.3f}{known}")
    print(f"{folder / 'bimetallic.png'}\n{folder / 'bimetallic.csv'}")


if __name__ == "__main__":
    command(main)
