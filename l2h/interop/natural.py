"""Natural lengths and energies of elements, for potentials that come from elsewhere."""

import csv
from collections.abc import Sequence
from functools import cache
from importlib import resources

import numpy as np
from ase.data import atomic_numbers, covalent_radii, reference_states

from ..potentials import COHESION

# Nearest-neighbour distance in edges of the conventional cell.
CONTACT = {"fcc": 0.5**0.5, "hcp": 1.0, "bcc": 0.75**0.5, "diamond": 0.1875**0.5}


@cache
def cohesive_energies() -> dict[str, float]:
    """Return eV per atom by element (l2h/data/README.md)."""
    text = resources.files("l2h.data").joinpath("cohesive_energies.csv").read_text()
    rows = csv.DictReader(text.splitlines())
    return {row["element"]: float(row["energy_eV"]) for row in rows}


def natural_length(symbols: Sequence[str]) -> float:
    """Return the mean nearest-neighbour distance of the elements in Angstrom.

    That of the crystal, for close-packed metals and diamond; twice the covalent radius for
    others.

    Arguments:
        symbols: one element an atom.
    """
    return float(np.mean([_contact(symbol) for symbol in symbols]))


def natural_energy(symbols: Sequence[str]) -> float:
    """Return the mean cohesive energy of the elements over 8.61, in eV.

    Arguments:
        symbols: one element an atom.

    Raises:
        ValueError: if no cohesive energy of an element is known.
    """
    known = cohesive_energies()
    if unknown := sorted(set(symbols) - set(known)):
        raise ValueError(
            f"energy: no cohesive energy of {', '.join(unknown)} is known; give the "
            f"natural energy: that of the solid, per atom, over {COHESION}."
        )
    return float(np.mean([known[symbol] for symbol in symbols])) / COHESION


def _contact(symbol: str) -> float:
    number = atomic_numbers[symbol]
    state = reference_states[number]
    if state is not None and state.get("symmetry") in CONTACT and "a" in state:
        return CONTACT[state["symmetry"]] * float(state["a"])
    return 2 * float(covalent_radii[number])
