"""A calculator outside of JAX as a potential."""

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._leaves import as_array, require_positive
from ..spaces import AbstractSpace, Free
from .base import AbstractPotential, Observation, Scale, Units

Evaluate = Callable[[Float[np.ndarray, "n d"]], tuple[float, Float[np.ndarray, "n d"]]]


class Calls:
    """What became of the calls of one calculator; counts up while programs run."""

    def __init__(self) -> None:
        self.made = 0
        """Calls so far."""
        self.failed = 0
        """Those that raised an error, or returned what is not finite or of wrong shape."""
        self.last_error = ""
        """What was wrong with the last one that failed."""
        self._lock = threading.Lock()

    def note(self, error: str | None) -> None:
        """Count one call, and what went wrong in it, if anything did."""
        with self._lock:
            self.made += 1
            if error is None:
                return
            self.failed += 1
            self.last_error = error
            first = self.failed == 1
        if first:
            logging.getLogger(__name__).warning(
                "A calculator failed; such evaluations count as not finite. %s", error
            )


class Callback(AbstractPotential):
    """Any program that returns energy and gradient, called back on the host.

    It works under `jit`, and under `vmap` one structure at a time. A call that raises an
    error, or returns what is not finite or of wrong shape, becomes an observation that is
    not finite, hence invalid: a search goes on without it. `calls` counts these, and keeps
    the words of the last one.

    The energy can be differentiated once, by the gradient that the calculator returns.

    For example, an ASE calculator of `atoms`:

        def evaluate(positions):
            atoms.positions[:] = positions
            return atoms.get_potential_energy(), -atoms.get_forces()

        potential = Callback(evaluate, length=2.9, energy=0.4, units=METAL)

    Arguments:
        function: from positions `"n d"`, a NumPy array in double precision, to the energy
            and its gradient `"n d"` (minus the forces). It must not call JAX, and must
            depend on nothing else: calls may be left out or repeated.
        length: nearest-neighbour distance, in the calculator's own unit.
        energy: natural energy, likewise; see `Scale`.
        space: where the atoms live.
        separated: energy of atoms far from each other, if known.
        units: what the calculator's lengths and energies are called, if that is known:
            `METAL` is eV and Angstrom.

    Raises:
        ValueError: if `length` or `energy` is not positive and finite.
        TypeError: if `function` is not callable.
    """

    function: Evaluate = eqx.field(static=True)
    length: Float[Array, ""] = eqx.field(converter=as_array)
    energy: Float[Array, ""] = eqx.field(converter=as_array)
    space: AbstractSpace = Free()
    separated: Float[Array, ""] | None = eqx.field(  # pyright: ignore[reportIncompatibleVariableOverride, reportIncompatibleMethodOverride]
        converter=as_array, default=None
    )
    calls: Calls = eqx.field(static=True, default_factory=Calls)
    units: Units = eqx.field(  # pyright: ignore[reportIncompatibleVariableOverride, reportIncompatibleMethodOverride]
        static=True, default=Units()
    )

    def __check_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(
                f"function: {self.function!r} is not callable; give a function of "
                "positions that returns energy and gradient."
            )
        require_positive(length=self.length, energy=self.energy)

    @property
    def scale(self) -> Scale:
        return Scale(length=self.length, energy=self.energy)

    def __call__(self, positions: Float[Array, "n d"]) -> Float[Array, ""]:
        self.like(positions)

        @jax.custom_jvp
        def energy(x: Float[Array, "n d"]) -> Float[Array, ""]:
            return self._called(x)[0]

        @energy.defjvp
        def _(primals, tangents):
            value, gradient = self._called(*primals)
            return value, jnp.sum(gradient * tangents[0])

        return energy(positions)

    def observe(self, positions: Float[Array, "n d"]) -> Observation:
        self.like(positions)
        n = positions.shape[0]
        energy, gradient = self._called(positions)
        return Observation(positions, energy, gradient, jnp.broadcast_to(energy / n, (n,)))

    def _called(
        self, positions: Float[Array, "n d"]
    ) -> tuple[Float[Array, ""], Float[Array, "n d"]]:
        shape, dtype = positions.shape, positions.dtype
        promised = jax.ShapeDtypeStruct((), dtype), jax.ShapeDtypeStruct(shape, dtype)
        safely = partial(_safely, self.function, self.calls)
        return jax.pure_callback(safely, promised, positions, vmap_method="sequential")


def holds_callback(potential: AbstractPotential) -> bool:
    """Return whether a potential is a `Callback`, or has one within.

    Lanes of a batch that are copies, or have converged, go on calling it: whoever counts
    its calls takes batches of one.
    """

    def is_callback(node: Any) -> bool:
        return isinstance(node, Callback)

    return any(map(is_callback, jax.tree.leaves(potential, is_leaf=is_callback)))


def _safely(
    function: Evaluate, calls: Calls, positions: Array | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Call a calculator on the host; whatever goes wrong becomes not a number."""
    error = None
    x = np.array(positions, np.float64)
    energy, gradient = np.asarray(np.nan), np.full(x.shape, np.nan)
    try:
        found, slope = function(x)
        found, slope = np.asarray(found, np.float64), np.asarray(slope, np.float64)
        if found.size != 1 or slope.shape != x.shape:
            error = (
                f"It returned an energy of shape {found.shape} and a gradient of shape "
                f"{slope.shape}, where () and {x.shape} are expected."
            )
        elif not (np.all(np.isfinite(found)) and np.all(np.isfinite(slope))):
            error = "It returned an energy or a gradient that is not finite."
        else:
            energy, gradient = found.reshape(()), slope
    except Exception as raised:
        error = f"{type(raised).__name__}: {raised}"
    calls.note(error)
    with np.errstate(over="ignore"):  # beyond single precision: infinite
        return energy.astype(positions.dtype), gradient.astype(positions.dtype)
