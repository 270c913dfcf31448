"""When an attempt is not worth finishing."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .._leaves import as_array, cast, require_positive
from ..optimizers import State
from ..potentials import AbstractPotential


class Abandonment(eqx.Module):
    r"""When an attempt is hopeless: it would end too far above the best known energy.

    \[ E - \frac{|g|^2}{2 k} > E_\mathrm{best} + w\,|E_\mathrm{best}| \]

    A quadratic well of curvature k has its minimum that far below.

    Arguments:
        window: w, a fraction of the best energy.
        curvature: k, natural energies per squared natural length.
        after: steps of the quench before which nobody is judged; static.

    Raises:
        ValueError: if a number is not positive.
    """

    window: Float[Array, ""] = eqx.field(converter=as_array, default=0.02)
    curvature: Float[Array, ""] = eqx.field(converter=as_array, default=60.0)
    after: int = eqx.field(static=True, default=8)

    def __check_init__(self) -> None:
        require_positive(window=self.window, curvature=self.curvature, after=self.after)

    def narrowed(self, allowance: Float[Array, ""] | float) -> "Abandonment":
        """Return the rule with this fraction of the window."""
        share = jnp.asarray(allowance, self.window.dtype)
        return eqx.tree_at(lambda rule: rule.window, self, self.window * share)

    def expected(self, potential: AbstractPotential, state: State) -> Float[Array, ""]:
        """Return the energy where the quench is expected to end."""
        seen = state.observation
        p, unit = cast((self, potential.scale), seen.energy.dtype)
        natural = seen.gradient * (unit.length / unit.energy)
        return seen.energy - unit.energy * jnp.sum(natural**2) / (2 * p.curvature)

    def hopeless(
        self,
        expected: Float[Array, "..."] | Float[np.ndarray, "..."],
        best: Float[Array, ""] | Float[np.ndarray, ""],
    ) -> Bool[Array, "..."] | Bool[np.ndarray, "..."]:
        """Return whether to give up, on the host or inside a program.

        Arguments:
            expected: where quenches are expected to end; what is not a number is hopeless.
            best: lowest energy known; infinite if none is, and then nobody is given up.
        """
        window: Any = self.window.astype(best.dtype)
        return ~(expected <= best + window * abs(best))
