"""The small network, run once per atom and step."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..._platform import matmul


class Network(eqx.Module):
    """Fully connected network with tanh between its layers.

    Weights are drawn LeCun-normal (variance 1 / inputs), biases are zero; the output
    layer is zero, so that an untrained network puts out exactly its output bias.

    Arguments:
        sizes: inputs, hidden layers, outputs.
        key: for the hidden weights.
        output_bias: what the untrained network puts out; zeros by default.

    Raises:
        ValueError: if fewer than two sizes are given or one is not positive.

    Reference: LeCun et al. 2012, doi:10.1007/978-3-642-35289-8_3; Learn2Hop, appendix D.3.
    """

    weights: tuple[Float[Array, "_ _"], ...]
    biases: tuple[Float[Array, " _"], ...]

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        key: PRNGKeyArray,
        output_bias: Sequence[float] | None = None,
        dtype: Any = jnp.float32,
    ) -> None:
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(
                f"sizes: {list(sizes)} given; name inputs, hidden layers and outputs, "
                "each at least 1."
            )
        layers = list(zip(sizes[:-1], sizes[1:], strict=True))
        keys = jax.random.split(key, len(layers))
        hidden = [
            jax.random.normal(k, (outs, ins), dtype) / np.sqrt(ins).astype(dtype)
            for k, (ins, outs) in zip(keys[:-1], layers[:-1], strict=True)
        ]
        last = jnp.zeros((sizes[-1], sizes[-2]), dtype)
        bias = jnp.zeros(sizes[-1], dtype)
        if output_bias is not None:
            bias = bias + jnp.asarray(output_bias, dtype)
        self.weights = (*hidden, last)
        self.biases = (*(jnp.zeros(outs, dtype) for _, outs in layers[:-1]), bias)

    def __call__(
        self, inputs: Float[Array, "f r"], shared: Float[Array, " g"] | None = None
    ) -> Float[Array, "o r"]:
        """Return the outputs of each row.

        Arguments:
            inputs: the first inputs, row by row.
            shared: the last ones, where all rows have them in common: a bias, in effect.
        """
        first, own = self.weights[0], len(inputs)
        bias = self.biases[0]
        if shared is not None:
            bias = bias + matmul(first[:, own:], shared)
        values = matmul(first[:, :own], inputs) + bias[:, None]
        for weight, bias in zip(self.weights[1:], self.biases[1:], strict=True):
            values = matmul(weight, jnp.tanh(values)) + bias[:, None]
        return values
