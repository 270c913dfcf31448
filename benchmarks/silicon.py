"""Stillinger-Weber silicon: quadratic cost against jax-md's dense three-body sum."""

import math
import statistics
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from l2h.potentials import StillingerWeber
from l2h.tasks import get

from .forces import repeated
from .timing import ratio, rounds, shown


def displaced(cells: int) -> tuple[np.ndarray, jax.Array]:
    """Return cell and positions of a displaced crystal of 8 cells^3 atoms."""
    task = get(f"si{8 * cells**3}")
    cell = np.asarray(task.potential.space.cell)
    corners = np.array([[0, 0, 0], [0, 2, 2], [2, 0, 2], [2, 2, 0]]) / 4
    basis = np.concatenate([corners, corners + 0.25])
    grid = np.stack(np.meshgrid(*[np.arange(cells)] * 3, indexing="ij"), -1).reshape(-1, 3)
    fractions = (grid[:, None] + basis).reshape(-1, 3) / cells
    noise = np.random.default_rng(0).normal(0, 0.1, fractions.shape)
    return cell, jnp.asarray(fractions @ cell + noise, jnp.float32)


def peer(cell: np.ndarray) -> Any:
    """Return energy and gradient by jax-md, or None where it is not installed."""
    try:
        from jax_md import energy, space
    except ImportError:
        return None
    displacement, _ = space.periodic(jnp.asarray(np.diag(cell), jnp.float32))
    return jax.value_and_grad(energy.stillinger_weber(displacement))


def main() -> None:
    """Print the table and the growth of the cost."""
    print(f"Stillinger-Weber silicon, one structure, float32, {jax.devices()[0]}")
    print("atoms  milliseconds   against grad of jax-md's dense form")
    medians = {}
    # Evaluations in a row, so that calls cost nothing; few for what takes half a second.
    for cells, count, dense in ((2, 50, 50), (3, 20, 2), (4, 10, 0)):
        cell, x = displaced(cells)
        potential = StillingerWeber.silicon(cell)
        contestants = {"closed": repeated(potential.energy_and_gradient, x[None], count)}
        other = peer(cell) if dense else None
        if other is not None:
            contestants["jax-md"] = repeated(other, x[None], dense)
        seconds = rounds(contestants, count=7)
        each = [t / count for t in seconds["closed"]]
        medians[len(x)] = statistics.median(each)
        line = "not run"
        if other is not None:
            line = shown(ratio([t / dense for t in seconds["jax-md"]], each))
        print(f"{len(x):5d} {1e3 * medians[len(x)]:13.3f}   {line}", flush=True)
    exponent = math.log(medians[512] / medians[64]) / math.log(512 / 64)
    print(f"cost grows as n^{exponent:.2f} from 64 to 512 atoms")
