"""Every potential in every space it is made for, with a structure to try it on."""

import dataclasses
import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from l2h.potentials import (
    AbstractPotential,
    FunctionPotential,
    Gupta,
    LennardJones,
    Observation,
    SoftSphere,
    StillingerWeber,
    Taper,
)
from l2h.potentials.functions import Rastrigin
from l2h.spaces import Free, Periodic

from . import structures


@dataclasses.dataclass(frozen=True)
class Case:
    """A potential and positions in its own unit of length."""

    name: str
    potential: AbstractPotential
    positions: np.ndarray
    cell: np.ndarray | None = None
    invariant: bool = True
    """Whether translations and rotations of free space change nothing."""
    brief: bool = True
    """Whether a quick run compiles it in further ways."""

    @property
    def length(self) -> float:
        """Natural length."""
        return float(self.potential.scale.length)


def clear(positions: np.ndarray, cell: np.ndarray, cutoff: float) -> float:
    """Return a cutoff near the given one that no pair of a structure is close to.

    At the cutoff of a periodic space Lennard-Jones energies jump, and so do second
    derivatives at soft-sphere contact: differences across it are not derivatives.
    """
    reach = np.ceil(cutoff / (1 / np.linalg.norm(np.linalg.inv(cell), axis=0)) + 1)
    shifts = [
        np.array([a, b, c]) @ cell
        for a in range(-int(reach[0]), int(reach[0]) + 1)
        for b in range(-int(reach[1]), int(reach[1]) + 1)
        for c in range(-int(reach[2]), int(reach[2]) + 1)
    ]
    vectors = positions[:, None, None] - positions[None, :, None] + np.array(shifts)
    distances = np.unique(np.linalg.norm(vectors, axis=-1))
    near = distances[np.abs(distances / cutoff - 1) < 0.05]
    widest = np.argmax(np.diff(near))
    return float(0.5 * (near[widest] + near[widest + 1]))


def quartic_bonds(positions: jax.Array) -> jax.Array:
    """Return a smooth, invariant black box: a quartic in all distances."""
    differences = positions[:, None, :] - positions[None, :, :]
    return jnp.sum((jnp.sum(differences**2, axis=-1) - 1) ** 2) / 4


@functools.cache
def cases() -> tuple[Case, ...]:
    """Return all cases, small enough to compile and run quickly."""
    cluster = structures.jittered(1)
    # Sheared and compressed: images matter, and no lattice vectors are orthogonal.
    skew = np.array([[2.2, 0.0, 0.0], [0.5, 2.1, 0.0], [-0.4, 0.3, 2.3]])
    end, contact = clear(cluster, skew, 2.5), clear(cluster, skew, 1.2)
    metal = 2.8885 * cluster
    alloy = np.arange(8) % 2
    silicon, cube = structures.diamond(5.428)
    silicon = silicon + np.random.default_rng(2).normal(scale=0.15, size=(8, 3))
    slanted = cube @ np.array([[1.0, 0, 0], [0.2, 1.0, 0], [-0.1, 0.15, 1.05]])
    turned = silicon @ np.linalg.inv(cube) @ slanted
    large, large_cube = structures.diamond(5.428, 2)
    large = large + np.random.default_rng(3).normal(scale=0.15, size=(64, 3))
    line = np.random.default_rng(4).uniform(-2, 2, (5, 1))
    tapered = Gupta.named(
        "Ag-Au", alloy, space=Periodic(2.8885 * skew, 7.0), taper=Taper(5.0, 7.0)
    )
    return (
        Case("LennardJones, free", LennardJones(1.3, 0.7), 1.3 * cluster),
        Case(
            "LennardJones, periodic, triclinic",
            LennardJones(1.3, 0.7, Periodic(1.3 * skew, 1.3 * end)),
            1.3 * cluster,
            1.3 * skew,
        ),
        Case("SoftSphere, free", SoftSphere(1.6, 0.7), 1.3 * cluster),
        Case(
            "SoftSphere, periodic, triclinic",
            SoftSphere(1.3 * contact, 0.7, space=Periodic(1.3 * skew, 1.3 * contact)),
            1.3 * cluster,
            1.3 * skew,
            brief=False,
        ),
        Case("Gupta Au, free", Gupta.named("Au", 8), metal, brief=False),
        Case("Gupta Ag-Au, free", Gupta.named("Ag-Au", alloy), metal),
        Case("Gupta Ag-Au, tapered, triclinic", tapered, metal, 2.8885 * skew),
        Case("StillingerWeber, free", StillingerWeber.silicon(), silicon),
        Case(
            "StillingerWeber, 8-atom cell",
            StillingerWeber.silicon(cube, "paper"),
            silicon,
            cube,
        ),
        Case(
            "StillingerWeber, 8-atom triclinic cell",
            StillingerWeber.silicon(slanted),
            turned,
            slanted,
            brief=False,
        ),
        Case(
            "StillingerWeber, 64-atom cell",
            StillingerWeber.silicon(large_cube),
            large,
            large_cube,
            brief=False,
        ),
        Case(
            "FunctionPotential, bonds",
            FunctionPotential(quartic_bonds, space=Free()),
            cluster,
        ),
        Case(
            "FunctionPotential, Rastrigin",
            Rastrigin().potential(),
            line,
            invariant=False,
        ),
    )


@eqx.filter_jit
def observe(potential: AbstractPotential, positions: jax.Array) -> Observation:
    """Evaluate the closed form; compiled once for each kind of case."""
    return potential.observe(positions)


@eqx.filter_jit
def energies(potential: AbstractPotential, batch: jax.Array) -> jax.Array:
    """Evaluate the textbook form on one structure after the other."""
    return jax.lax.map(lambda x: potential(x), batch)


def magnitude(seen: Observation) -> float:
    """Return the sum of absolute atomic energies: the size that rounding is to be held
    against."""
    return float(np.sum(np.abs(np.asarray(seen.atomic_energies))))


def steepest(seen: Observation) -> float:
    """Return the largest component of the gradient."""
    return float(np.max(np.abs(np.asarray(seen.gradient))))


def sw_constants(potential: StillingerWeber) -> dict[str, float]:
    """Return the constants of Stillinger and Weber's potential by their usual names."""
    names = ("epsilon", "sigma", "A", "B", "p", "q", "a", "gamma")
    found = {name: float(getattr(potential, name)) for name in names}
    return found | {"lambda": float(potential.strength)}
