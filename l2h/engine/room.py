"""Arrays with room for more atoms, so that one program serves many sizes."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .._leaves import concrete
from ..lattice import suits
from ..potentials import AbstractPotential, potential_with
from ..spaces import Partial, padded


class Room(eqx.Module):
    """A potential over an array of rows, of which the first `n` are the atoms.

    Clusters that can be grown get whole multiples of eight rows, which is what pairs are
    padded to anyway: 33 to 40 atoms share their programs. All others get a row an atom.
    """

    potential: AbstractPotential
    """Over all rows; absent atoms pair with nobody."""
    rows: int = eqx.field(static=True)

    @staticmethod
    def of(potential: AbstractPotential, n: int) -> "Room":
        """Return the room for `n` atoms of a potential."""
        species = getattr(potential, "species", None)
        kinds = concrete(0 if species is None else species)
        if not suits(potential) or kinds is None or len(np.unique(kinds)) > 1:
            return Room(potential, n)
        rows = padded(n)
        if species is not None:
            species = jnp.pad(species, (0, rows - n), mode="edge")
        # NumPy makes the mask: a comparison on a device would be compiled for each size.
        present = jnp.asarray(np.arange(rows) < n)
        return Room(potential_with(potential, Partial(present=present), species), rows)

    def filled(self, positions: Float[np.ndarray, "b n d"]) -> Float[np.ndarray, "b m d"]:
        """Return structures with rows for absent atoms added."""
        extra = int(self.rows - positions.shape[1])
        absent = np.zeros((len(positions), extra, positions.shape[2]), positions.dtype)
        return np.concatenate([positions, absent], axis=1)
