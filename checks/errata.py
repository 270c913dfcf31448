"""Every entry of docs/errata.md as numbers: the right form has them, the print does not."""

from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from l2h.inits import Harmonic
from l2h.potentials import Gupta, LennardJones, SoftSphere, StillingerWeber, Taper
from l2h.spaces import Periodic

from . import plain, structures
from .base import Context, Row, Skip, check, close, expected, large, small
from .cases import energies, observe, sw_constants
from .minima import coordinates

METALS = ("Au", "Ag", "Pd", "Pt")
# In nearest-neighbour distances; what lies beyond is below 1e-13 of the cohesive energy.
ALL_SHELLS = 6.5
CLEAN = 1e-12


def constants(potential: Gupta, a: int = 0, b: int = 0) -> dict[str, float]:
    """Return the parameters of one pair of species."""
    names = ("A", "xi", "p", "q", "r0")
    return {name: float(getattr(potential, name)[a, b]) for name in names}


@eqx.filter_jit
def crystal(potential: Gupta, scales: jax.Array) -> jax.Array:
    """Return the energies of a one-atom crystal whose cell is stretched."""

    def one(scale: jax.Array) -> jax.Array:
        cell = potential.space.cell * scale
        stretched = eqx.tree_at(
            lambda p: (p.space.cell, p.space.cutoff),
            potential,
            (cell, potential.space.cutoff * scale),
        )
        return stretched(jnp.zeros((1, 3)))

    return jax.lax.map(one, scales)


def fcc(name: str, species: Any) -> Gupta:
    """Return the crystal of a metal at a = sqrt(2) r0, one atom in its cell."""
    row = constants(Gupta.named(name, species), -1, -1)
    cell = structures.fcc_cell(np.sqrt(2) * row["r0"])
    return Gupta.named(name, species, space=Periodic(cell, ALL_SHELLS * row["r0"]))


@check("errata")
def gupta_bulk(context: Context) -> Iterator[Row]:
    table = expected()["gupta_bulk"]
    for metal in METALS:
        potential, row = fcc(metal, 1), table[metal]
        one = constants(potential)
        measured = float(crystal(potential, jnp.ones(1))[0])
        name = f"{metal}, fcc at sqrt(2) r0: eV per atom"
        yield close(name, measured, row["energy"], table["tolerance"], table["source"])
        shells = plain.gupta_fcc(one, np.sqrt(2) * one["r0"])
        name = f"{metal}, fcc: against a sum over sites"
        yield close(name, measured, shells, 1e-11, "plain NumPy", relative=True)
        constant = plain.minimum(
            lambda s, p=potential: float(crystal(p, jnp.array([s]))[0]), 0.95, 1.05
        )
        name = f"{metal}, fcc: lattice constant / sqrt(2) r0"
        yield close(name, constant, 1.0, row["lattice_tolerance"], table["form"])
    other = expected()["gupta_bulk_alloy_gold"]
    measured = float(crystal(fcc("Ag-Au", [1]), jnp.ones(1))[0])
    name = "Au of Ag-Au, fcc: eV per atom"
    yield close(name, measured, other["energy"], other["tolerance"], other["source"])


@check("errata")
def gupta_columns(context: Context) -> Iterator[Row]:
    row = expected()["gupta_swapped"]
    measured = float(crystal(fcc("Au-printed", 1), jnp.ones(1))[0])
    name = "Au with A and xi as headed: eV per atom"
    yield close(name, measured, row["energy"], row["tolerance"], row["source"])
    row = expected()["gupta_experiment"]
    middle = 0.5 * (row["lowest"] + row["highest"])
    width = 0.5 * (row["highest"] - row["lowest"])
    measured = float(crystal(fcc("Au", 1), jnp.ones(1))[0])
    yield close("Au: experimental range", measured, middle, width, row["source"])


@check("errata")
def gupta_rows(context: Context) -> Iterator[Row]:
    table = expected()["gupta_corrected"]
    for name, row in table.items():
        if name == "source":
            continue
        k = name.split("-").index(row["pure"])
        p = np.asarray(Gupta.named(name, [0, 1]).p)
        label = f"{row['pure']} of {name}: p"
        yield close(label, p[k, k], row["p"], CLEAN, table["source"])
        label = f"{name}: mixed p, against the mean of the pure ones"
        mean = 0.5 * (p[0, 0] + p[1, 1])
        yield close(label, p[0, 1], mean, row["mixing_tolerance"], table["source"])


@check("errata")
def gupta_dimers(context: Context) -> Iterator[Row]:
    names = [(m, [0, 0]) for m in METALS]
    names += [(m, [0, 1]) for m in ("Ag-Au", "Ag-Pt", "Pd-Au", "Pd-Pt")]
    for name, species in names:
        potential = Gupta.named(name, species)
        c = constants(potential, species[0], species[1])
        along = np.array([[0.0, 0, 0], [1.0, 0, 0]])
        energy = float(observe(potential, c["r0"] * along).energy)
        goal = 2 * c["A"] - 2 * c["xi"]
        label = f"{name} dimer: E(r0)"
        yield close(label, energy, goal, CLEAN, "2 A - 2 xi", relative=True)
        place = 1 + np.log(c["p"] * c["A"] / (c["q"] * c["xi"])) / (c["p"] - c["q"])
        slope = observe(potential, c["r0"] * place * along).gradient
        slope = float(slope[1, 0]) * c["r0"] / c["xi"]
        yield small(f"{name} dimer: slope at r*", slope, CLEAN, "closed form of r*")
        nearby = [place - 0.01, place, place + 0.01]
        found = [float(observe(potential, c["r0"] * s * along).energy) for s in nearby]
        depth = min(found[0], found[2]) - found[1]
        yield large(f"{name} dimer: rise 1 % beside r*", depth, 1e-5, "a minimum")


@check("errata")
def gupta_order(context: Context) -> Iterator[Row]:
    potential = Gupta.named("Au", 6)
    row = constants(potential)
    moves = np.random.default_rng(6).normal(scale=0.3, size=(6, 3))
    orders = plain.permuted(row["r0"] * structures.octahedron() + moves, 5, 0)
    right = [float(observe(potential, x).energy) for x in orders]
    wrong = [plain.gupta(x, row, printed=True) for x in orders]
    yield small("Au6 in five orders: spread", np.ptp(right), 1e-12, "permutation")
    yield large("Au6, printed j > i sums: spread", np.ptp(wrong), 0.1, "errata: Eq. (6)")
    goal = plain.gupta(orders[0], row)
    yield close("Au6: energy", right[0], goal, CLEAN, "plain NumPy", relative=True)


@check("errata")
def silicon_crystals(context: Context) -> Iterator[Row]:
    row = expected()["silicon"]
    source = row["source"]

    def energy(edge: float, change: Callable[..., Any] = lambda p: p) -> float:
        x, cell = structures.diamond(edge, 2)
        potential = change(StillingerWeber.silicon(cell, "paper"))
        return float(observe(potential, x).energy)

    def a_1_8(potential: StillingerWeber) -> StillingerWeber:
        return eqx.tree_at(lambda p: p.a, potential, jnp.asarray(1.8))

    edge, lowest = row["paper_edge"], row["paper_edge_lowest"]
    tolerance = row["tolerance"]
    name = f"Si64, paper preset, {edge}: eV"
    yield close(name, energy(edge), row["paper"], tolerance, source)
    name = f"Si64, paper preset, {lowest}: eV"
    yield close(name, energy(lowest), row["paper_lowest"], tolerance, source)
    name = f"Si64, paper preset, {row['printed_edge']} as printed: eV"
    measured = energy(row["printed_edge"])
    yield close(name, measured, row["printed"], row["printed_tolerance"], source)
    name = f"Si64, Table 5 with a = 1.8, {edge}: eV"
    yield close(name, energy(edge, a_1_8), row["a_1_8"], row["a_1_8_tolerance"], source)


@check("errata")
def silicon_minimum(context: Context) -> Iterator[Row]:
    row = expected()["silicon"]
    x, cell = structures.diamond(row["lattice"])
    potential = StillingerWeber.silicon(cell)

    @eqx.filter_jit
    def stretched(potential: StillingerWeber, scale: jax.Array) -> jax.Array:
        cell = potential.space.cell * scale
        other = eqx.tree_at(lambda p: p.space.cell, potential, cell)
        return other.observe(x * scale).energy / len(x)

    def slope(scale: float, step: float = 1e-3) -> float:
        # Where a slope changes sign is sharp, where an energy is lowest is not.
        places = [scale + k * step for k in (-2, -1, 1, 2)]
        e = [float(stretched(potential, jnp.asarray(place))) for place in places]
        return e[0] - 8 * e[1] + 8 * e[2] - e[3]

    low, high = 0.99, 1.01
    while high - low > 1e-9:
        middle = 0.5 * (low + high)
        rising = slope(middle) > 0
        low, high = (low, middle) if rising else (middle, high)
    place, source = low * row["lattice"], row["source"]
    name = "diamond, all digits: lattice constant"
    yield close(name, place, row["lattice"], row["lattice_tolerance"], source)
    lowest = float(stretched(potential, jnp.asarray(low)))
    name = "diamond, all digits: eV per atom as quoted"
    yield close(name, lowest, row["cohesion"], row["cohesion_tolerance"], source)
    goal = -2 * float(potential.epsilon)
    name = "diamond, all digits: -2 epsilon per atom"
    yield close(name, lowest, goal, 1e-7, "Stillinger & Weber 1985", relative=True)


@check("errata")
def silicon_displaced(context: Context) -> Iterator[Row]:
    x, cell = structures.diamond(expected()["silicon"]["paper_edge"])
    x = x + np.random.default_rng(8).normal(scale=0.5, size=x.shape)
    skew = cell @ np.array([[1.0, 0, 0], [0.2, 1.0, 0], [-0.1, 0.15, 1.05]])
    turned = x @ np.linalg.inv(cell) @ skew
    systems = (("8-atom cell", x, cell), ("8-atom triclinic cell", turned, skew))
    for name, positions, vectors in systems:
        potential = StillingerWeber.silicon(vectors, "paper")
        row = sw_constants(potential)
        measured = float(observe(potential, positions).energy)
        textbook = float(energies(potential, jnp.asarray(positions)[None])[0])
        loop = plain.stillinger_weber(positions, row, vectors)
        source = "plain triple loop over explicit images"
        label = f"displaced {name}, closed form: eV"
        yield close(label, measured, loop, CLEAN, source, relative=True)
        label = f"displaced {name}, textbook form: eV"
        yield close(label, textbook, loop, CLEAN, source, relative=True)
        many, repeated = structures.tile(positions, vectors, 2)
        tiled = float(observe(StillingerWeber.silicon(repeated, "paper"), many).energy)
        label = f"displaced {name}, tiled 2 x 2 x 2: eV / 8"
        yield close(label, tiled / 8, measured, CLEAN, "extensivity", relative=True)
        wrong = plain.stillinger_weber(positions, row, vectors, nearest=True)
        label = f"displaced {name}, nearest images only: off by eV/atom"
        yield large(label, abs(wrong - loop) / 8, 0.01, "errata: A.3")


@check("errata")
def theta_3(context: Context) -> Iterator[Row]:
    potential = StillingerWeber.silicon()
    row = sw_constants(potential)
    x, _ = structures.diamond(5.431)
    x = x + np.random.default_rng(9).normal(scale=0.2, size=x.shape)
    orders = plain.permuted(x, 5, 1)
    right = [float(observe(potential, y).energy) for y in orders]
    wrong = [plain.stillinger_weber(y, row, legs=1) for y in orders]
    yield small("Si8 in five orders: spread", np.ptp(right), 1e-11, "permutation")
    name = "Si8, one exponential as printed: spread"
    yield large(name, np.ptp(wrong), 0.1, "errata: Eq. (7)")

    # An angle of 90 degrees whose second leg leaves the cutoff.
    end = row["a"] * row["sigma"]

    def angle(leg: float) -> np.ndarray:
        return np.array([[0.0, 0, 0], [1.1 * row["sigma"], 0, 0], [0, leg, 0]])

    inside, outside = angle(end - 1e-3), angle(end + 1e-3)
    here, there = observe(potential, inside), observe(potential, outside)
    yield small("Si3 across the cutoff: jump", here.energy - there.energy, 1e-12, "limit")
    jump = np.max(np.abs(here.gradient - there.gradient))
    # The other two atoms move apart by 2e-3 as well; their force stays, being beyond.
    yield small("Si3 across the cutoff: jump of the gradient", jump, 1e-12, "limit")
    jump = plain.stillinger_weber(inside, row, legs=1)
    jump -= plain.stillinger_weber(outside, row, legs=1)
    name = "Si3, one exponential as printed: jump"
    yield large(name, abs(jump), 0.01, "errata: Eq. (7)")


@check("errata")
def cutoffs(context: Context) -> Iterator[Row]:
    potential = Gupta.named("Au", 2, taper=Taper(5.0, 6.0))
    whole = Gupta.named("Au", 2)
    along = np.array([[0.0, 0, 0], [1.0, 0, 0]])

    def jump(potential: Any, place: float, width: float = 1e-6) -> tuple[float, float]:
        one = observe(potential, (place - width) * along)
        two = observe(potential, (place + width) * along)
        slope = np.max(np.abs(np.asarray(one.gradient - two.gradient)))
        return float(one.energy - two.energy), float(slope)

    for label, place in (("begins", 5.0), ("ends", 6.0)):
        energy, slope = jump(potential, place)
        # Over the small distance a smooth energy changes by no more than its slope.
        bound = 4e-6 * abs(float(observe(whole, 5.0 * along).gradient[1, 0]))
        name = f"Gupta, where the taper {label}: jump"
        yield small(name, energy, bound, "continuity")
        name = f"Gupta, where the taper {label}: jump of the gradient"
        allowed = 10 * bound
        if label == "ends":
            # The root of a cube: gradients vanish as the root of the distance, ten times
            # smaller when a hundred times nearer.
            allowed, (_, slope) = 0.2 * slope, jump(potential, place, 1e-8)
        yield small(name, slope, allowed, "continuity")
    beyond = observe(potential, 6.001 * along)
    yield small("Gupta beyond the taper: energy", beyond.energy, 1e-300, "nothing left")

    energy, slope = jump(SoftSphere(), 1.0)
    yield small("SoftSphere at contact: jump", energy, 1e-11, "continuity")
    yield small("SoftSphere at contact: jump of the gradient", slope, 2e-6, "continuity")


@check("errata")
def soft_sphere(context: Context) -> Iterator[Row]:
    along = np.array([[0.0, 0, 0], [1.0, 0, 0]])
    energy = float(observe(SoftSphere(), 0.5 * along).energy)
    name = "SoftSphere at d = 0.5 (zero if it ended at 0.1)"
    yield close(name, energy, 0.125, 1e-15, "closed form, sigma = 1")
    if context.quick:
        return
    # Starts of 75 atoms as in D.2, spread by the printed 1000 steps of 1e-3.
    row = expected()["soft_sphere"]
    start = eqx.filter_jit(
        lambda init, key: init(key, LennardJones(), 75, np.dtype("float64"))
    )
    keys = jax.random.split(jax.random.key(0), 10)
    found = {"paper": [], "default": []}
    distances = []
    for key in keys:
        for name, init in (("paper", Harmonic.paper()), ("default", Harmonic())):
            x = np.asarray(start(init, key))
            found[name].append(float(observe(SoftSphere(), x).energy))
            if name == "paper":
                i, j = np.triu_indices(75, k=1)
                distances.append(np.linalg.norm(x[i] - x[j], axis=1).min())
    width, source = row["energy_tolerance"], row["source"]
    name = "LJ75 start, paper preset: mean soft energy"
    yield close(name, np.mean(found["paper"]), row["energy"], width, source)
    name = "LJ75 start, paper preset: mean smallest distance"
    width = row["distance_tolerance"]
    yield close(name, np.mean(distances), row["distance"], width, source)
    name = "LJ75 start, default: mean soft energy"
    yield small(name, np.mean(found["default"]), row["relaxed"], "our own default")


@check("errata")
def lennard_jones(context: Context) -> Iterator[Row | Skip]:
    along = np.array([[0.0, 0, 0], [1.3, 0, 0]])
    seen = observe(LennardJones(1.3, 0.7), along)
    name = "LJ dimer at d0: energy / epsilon"
    yield close(name, float(seen.energy) / 0.7, -1.0, 1e-15, "errata: Eq. (5)")
    slope = np.max(np.abs(np.asarray(seen.gradient)))
    yield small("LJ dimer at d0: slope", slope, 1e-14, "errata: Eq. (5)")

    independent = coordinates()
    if independent is None:
        yield Skip("LJ75 with a cutoff", "pyxtal is not installed")
        return
    row, x = expected()["lj75"], independent[75]
    ours = float(observe(LennardJones(), x).energy)
    sigmas = x * 2 ** (1 / 6)
    goal = plain.lennard_jones(sigmas)
    name = "LJ75: without cutoff"
    yield close(name, ours, goal, CLEAN, "plain NumPy, PyXtal's coordinates", relative=True)
    switched = plain.lennard_jones(sigmas, 2.5, 2.0)
    width, source = row["switched_tolerance"], row["source"]
    name = "LJ75: switched off from 2.0 to 2.5 sigma"
    yield close(name, switched, row["switched"], width, source)
    name = "LJ75 so cut: above the paper's mean by"
    yield large(name, switched - row["paper_mean"], 1.0, source)
