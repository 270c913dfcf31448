"""What one network does differently for clusters of different size."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .network import Network

# Between about 10 and 100 atoms, a sixth of an octave apart: close enough that two sizes a
# quarter apart, as 31 and 38, share no row.
KNOTS = 2.0 ** np.linspace(10 / 3, 20 / 3, 21)


class Sizes(eqx.Module):
    """Shifts of a network's first and last biases, a function of the number of atoms.

    A table holds one row for each knot; between knots, rows are interpolated linearly in
    the logarithm of the number of atoms, beyond them the last row counts. Sizes can then
    be trained, on a network that is kept, without unlearning each other's tricks.
    """

    table: Float[Array, "k _"]

    @staticmethod
    def none(network: Network) -> "Sizes":
        """Return a table of zeros, which changes nothing.

        Arguments:
            network: whose biases are to be shifted.
        """
        first, last = network.biases[0], network.biases[-1]
        return Sizes(jnp.zeros((len(KNOTS), first.size + last.size), first.dtype))

    def shifted(self, network: Network, n: int) -> Network:
        """Return the network for `n` atoms."""
        logs = np.log(KNOTS)
        hats = [np.interp(np.log(n), logs, row) for row in np.eye(len(KNOTS))]
        row = jnp.sum(jnp.asarray(hats, self.table.dtype)[:, None] * self.table, axis=0)
        first, last = network.biases[0], network.biases[-1]
        biases: Any = (
            first + row[: first.size].astype(first.dtype),
            *network.biases[1:-1],
            last + row[first.size :].astype(last.dtype),
        )
        return eqx.tree_at(lambda net: net.biases, network, biases)
