"""Independent uniform coordinates."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float, PRNGKeyArray

from .._leaves import as_array, require_positive
from ..potentials import AbstractPotential
from .base import AbstractInit, require_draw


class Uniform(AbstractInit):
    """Uniform coordinates in a cube, or in the cell where space has one.

    Arguments:
        edge: edge of the cube; see `scaled`.
        scaled: whether `edge` counts natural lengths times n^(1/d), which gives all sizes
            and materials the same density of starts. If False, `edge` is the edge itself,
            in the potential's unit of length, as in the paper (3.0 for Lennard-Jones, 4.0
            Angstrom for Gupta).

    Raises:
        ValueError: if `edge` is not positive and finite.
    """

    edge: Float[Array, ""] = eqx.field(converter=as_array, default=1.3)
    scaled: bool = eqx.field(static=True, default=True)

    def __check_init__(self) -> None:
        require_positive(edge=self.edge)

    def __call__(
        self, key: PRNGKeyArray, potential: AbstractPotential, n: int, dtype: Any
    ) -> Float[Array, "n d"]:
        require_draw(potential, n, dtype)
        dimension = potential.space.dimension
        edge = self.edge.astype(dtype)
        if self.scaled:
            atoms = potential.space.atoms(n)
            count = atoms if isinstance(atoms, int) else atoms.astype(dtype)
            edge = edge * potential.scale.length.astype(dtype) * count ** (1 / dimension)
        return potential.space.scatter(jax.random.uniform(key, (n, dimension), dtype), edge)
