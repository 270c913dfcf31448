"""From network outputs to a displacement."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._leaves import as_array, cast, require_positive


class Head(eqx.Module):
    r"""Weighted directions times an exponential magnitude.

    \[ \Delta = \alpha \exp(\beta m + \gamma) \sum_k w_k v_k \]

    in natural lengths, where the network puts out the weights w and the magnitude m. The
    exponent is kept between -10 and `max_exponent`, and no displacement exceeds `max_step`.

    Arguments:
        alpha, beta, gamma: as in the paper; at zero magnitude steps have scale
            0.1 e^-3 = 0.005.
        max_exponent: largest exponent.
        max_step: largest displacement of one row (atom or coordinate), in natural lengths.

    Reference: Learn2Hop, appendix D.3.
    """

    alpha: Float[Array, ""] = eqx.field(converter=as_array, default=0.1)
    beta: Float[Array, ""] = eqx.field(converter=as_array, default=1.0)
    gamma: Float[Array, ""] = eqx.field(converter=as_array, default=-3.0)
    max_exponent: Float[Array, ""] = eqx.field(converter=as_array, default=0.5)
    max_step: Float[Array, ""] = eqx.field(converter=as_array, default=0.5)

    def __check_init__(self) -> None:
        require_positive(alpha=self.alpha, max_step=self.max_step)

    def __call__(
        self, outputs: Float[Array, "o r"], basis: Float[Array, "c k r"]
    ) -> Float[Array, "c r"]:
        """Return one displacement per row, in natural lengths."""
        p = cast(self, basis.dtype)
        exponent = jnp.clip(p.beta * outputs[-1:] + p.gamma, -10, p.max_exponent)
        combined = jnp.sum(outputs[None, :-1] * basis, axis=1)
        moved = p.alpha * jnp.exp(exponent) * combined
        length = jnp.sqrt(jnp.sum(moved**2, axis=0, keepdims=True) + 1e-24)
        return moved * jnp.minimum(1, p.max_step / length)
