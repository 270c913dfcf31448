"""Stillinger-Weber silicon: quadratic cost against jax-md's dense three-body sum."""

import math
import statistics
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from l2h.potentials import StillingerWeber
from l2h.tasks import get

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
    return jax.jit(jax.value_and_grad(energy.stillinger_weber(displacement)))


def main() -> None:
    """Print the table and the growth of the cost."""
    print(f"Stillinger-Weber silicon, one structure, float32, {jax.devices()[0]}")
    print("atoms  milliseconds   against grad of jax-md's dense form")
    medians = {}
    for cells in (2, 3, 4):
        cell, x = displaced(cells)
        closed = jax.jit(StillingerWeber.silicon(cell).energy_and_gradient)
        contestants: dict[str, Any] = {"closed": lambda f=closed, x=x: f(x)}
        other = peer(cell) if cells < 4 else None  # its triples no longer fit beyond
        if other is not None:
            contestants["jax-md"] = lambda f=other, x=x: f(x)
        seconds = rounds(contestants, count=15 if cells == 2 else 5)
        medians[len(x)] = statistics.median(seconds["closed"])
        line = shown(ratio(seconds["jax-md"], seconds["closed"])) if other else "not run"
        print(f"{len(x):5d} {1e3 * medians[len(x)]:13.3f}   {line}", flush=True)
    exponent = math.log(medians[512] / medians[64]) / math.log(512 / 64)
    print(f"cost grows as n^{exponent:.2f} from 64 to 512 atoms")
