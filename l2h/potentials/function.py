"""Any differentiable JAX function as a potential."""

from collections.abc import Callable

import equinox as eqx
from jaxtyping import Array, Float

from .._leaves import as_array, require_positive
from ..spaces import AbstractSpace, Free
from .base import AbstractPotential, Scale


class FunctionPotential(AbstractPotential):
    """A user's own energy, as a function of positions; gradients by automatic
    differentiation.

    Arguments:
        function: maps positions `"n d"` to a scalar. May be an Equinox module, whose
            arrays then are leaves.
        length: typical distance, in the function's own unit, by which learned features
            become dimensionless.
        energy: typical energy per atom, likewise.
        space: `Free(d, invariant=False)` (the default, with d = 1) for functions with an
            absolute origin; `Free()` for atoms.
        separated: energy of atoms far from each other, if the function has one: meta-
            training counts energies up to there, and up to that of the start otherwise.

    Raises:
        ValueError: if `length` or `energy` is not positive and finite.
        TypeError: if `function` is not callable.
    """

    function: Callable[[Float[Array, "n d"]], Float[Array, ""]]
    length: Float[Array, ""] = eqx.field(converter=as_array, default=1.0)
    energy: Float[Array, ""] = eqx.field(converter=as_array, default=1.0)
    space: AbstractSpace = Free(1, invariant=False)
    separated: Float[Array, ""] | None = eqx.field(  # pyright: ignore[reportIncompatibleVariableOverride, reportIncompatibleMethodOverride]
        converter=as_array, default=None
    )

    def __check_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(
                f"function: {self.function!r} is not callable; give a function of "
                "positions that returns a scalar energy."
            )
        require_positive(length=self.length, energy=self.energy)

    @property
    def scale(self) -> Scale:
        return Scale(length=self.length, energy=self.energy)

    def __call__(self, positions: Float[Array, "n d"]) -> Float[Array, ""]:
        return self.like(positions).function(positions)
