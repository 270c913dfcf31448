"""A smooth end of interactions."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._leaves import as_array, concrete, require_positive


class Taper(eqx.Module):
    r"""A factor that falls from one to zero with two continuous derivatives.

    \[ S(r) = 1 - 10 t^3 + 15 t^4 - 6 t^5 = (1 - t)^3 (1 + 3 t + 6 t^2), \quad
       t = \mathrm{clip}\left(\frac{r - r_1}{r_2 - r_1}, 0, 1\right) \]

    Arguments:
        start: r1, up to where nothing changes.
        end: r2, from where on nothing is left.

    Raises:
        ValueError: if an argument is not positive and finite, or `end` not above `start`.
    """

    start: Float[Array, ""] = eqx.field(converter=as_array)
    end: Float[Array, ""] = eqx.field(converter=as_array)

    def __check_init__(self) -> None:
        require_positive(start=self.start, end=self.end)
        start, end = concrete(self.start), concrete(self.end)
        if start is not None and end is not None and not start < end:
            raise ValueError(f"end: {end} given; it must lie above start, {start}.")

    def __call__(
        self, distance: Float[Array, "*r"]
    ) -> tuple[Float[Array, "*r"], Float[Array, "*r"]]:
        """Return the factor and its derivative by distance."""
        width = self.end - self.start
        t = jnp.clip((distance - self.start) / width, 0, 1)
        # Not expanded: rounding would leave 1e-16 at the end, whose root Gupta takes.
        factor = (1 - t) ** 3 * (1 + t * (3 + 6 * t))
        return factor, -30 / width * jnp.square(t * (1 - t))
