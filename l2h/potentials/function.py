"""Any differentiable JAX function as a potential."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._leaves import as_array, cast, require_positive
from ..spaces import AbstractSpace, Free
from .base import AbstractPotential, Observation, Scale


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

    Raises:
        ValueError: if `length` or `energy` is not positive and finite.
        TypeError: if `function` is not callable.
    """

    function: Callable[[Float[Array, "n d"]], Float[Array, ""]]
    length: Float[Array, ""] = eqx.field(converter=as_array, default=1.0)
    energy: Float[Array, ""] = eqx.field(converter=as_array, default=1.0)
    space: AbstractSpace = Free(1, invariant=False)

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
        return cast(self, positions.dtype).function(positions)

    def observe(self, positions: Float[Array, "n d"]) -> Observation:
        energy, gradient = jax.value_and_grad(self.__call__)(positions)
        # A black box has no atomic shares but equal ones.
        n = positions.shape[0]
        return Observation(positions, energy, gradient, jnp.broadcast_to(energy / n, (n,)))
