"""What one network does differently for clusters of different size."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from ..._leaves import trained
from .network import Network


class SizeBiases(eqx.Module):
    """Size-conditional biases: added to a network's first and last, by number of atoms.

    There is one row for each of some numbers of atoms; between them, rows are interpolated
    linearly in the logarithm of the number of atoms, beyond them the outermost counts. A
    size can then be trained, on a network that is kept, without unlearning what others do.

    Arguments:
        rows: what is added to the first biases, then to the last, for each of `atoms`.
        atoms: numbers of atoms that have a row, in rising order; static.
        trained: those whose rows meta-training changes; static. A row without any influence
            on the losses would be changed at random.

    Raises:
        ValueError: if `atoms` are not positive and rising, there is not one row for each,
            or `trained` names others.
    """

    rows: tuple[Float[Array, " s"], ...]
    atoms: tuple[int, ...] = eqx.field(static=True)
    trained: tuple[int, ...] = eqx.field(static=True)

    def __check_init__(self) -> None:
        rising = all(a < b for a, b in zip((0, *self.atoms), self.atoms, strict=False))
        if not self.atoms or not rising or len(self.rows) != len(self.atoms):
            raise ValueError(
                f"atoms: {self.atoms} with {len(self.rows)} rows given; give positive "
                "numbers in rising order, and a row for each."
            )
        if unknown := sorted(set(self.trained) - set(self.atoms)):
            raise ValueError(
                f"trained: {unknown} have no rows; choose from {list(self.atoms)}."
            )

    @staticmethod
    def none(network: Network, atoms: Sequence[int]) -> "SizeBiases":
        """Return rows of zeros, which change nothing, all of them trained.

        Arguments:
            network: whose biases are added to.
            atoms: numbers of atoms that get a row, in any order.
        """
        first, last = network.biases[0], network.biases[-1]
        zero = jnp.zeros(first.size + last.size, first.dtype)
        known = tuple(sorted(set(atoms)))
        return SizeBiases((zero,) * len(known), known, known)

    def row(self, n: int | Int[Array, ""]) -> Float[Array, " s"]:
        """Return what is added for `n` atoms."""
        dtype, logs, hats = self.rows[0].dtype, np.log(self.atoms), np.eye(len(self.atoms))
        if isinstance(n, int):
            at = np.log(n)
            weights = jnp.asarray([np.interp(at, logs, hat) for hat in hats], dtype)
        else:
            at, logs = jnp.log(n.astype(dtype)), logs.astype(dtype)
            weights = jnp.stack([jnp.interp(at, logs, hat.astype(dtype)) for hat in hats])
        return jnp.sum(weights[:, None] * jnp.stack(self.rows), axis=0)

    def applied(self, network: Network, n: int | Int[Array, ""]) -> Network:
        """Return the network for `n` atoms."""
        row, first, last = self.row(n), network.biases[0], network.biases[-1]
        biases: Any = (
            first + row[: first.size].astype(first.dtype),
            *network.biases[1:-1],
            last + row[first.size :].astype(last.dtype),
        )
        return eqx.tree_at(lambda net: net.biases, network, biases)

    def trainable(self) -> PyTree:
        """Declare the rows that are trained, as optimizers do."""
        kinds = tuple("real" if n in self.trained else None for n in self.atoms)
        return trained(self, rows=kinds)
