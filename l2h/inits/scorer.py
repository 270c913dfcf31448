"""A small network that says which vacant sites a growing cluster should fill first."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from .._leaves import cast
from ..lattice import Growing, SiteReading, Sites, read_sites
from ..optimizers.learned.network import Network

# Random numbers of an attempt, by which one network can grow in several ways.
STYLES = 2
# Natural energies that an output of one stands for.
UNIT = 0.25


class Scorer(eqx.Module):
    """Adds to the binding energy of every vacant site what a network makes of it.

    The network runs once for each site and round. What it reads (`SiteReading`) is the same
    for all members of an orbit, so that growth keeps its symmetry. It also reads how much
    noise an attempt has, and two normal random numbers of the attempt: its style.

    Arguments:
        network: from the numbers of a reading, noise and style to one energy.

    Raises:
        ValueError: if the network's layers do not fit.
    """

    network: Network

    def __check_init__(self) -> None:
        first, last = self.network.weights[0], self.network.weights[-1]
        if not (hasattr(first, "shape") and hasattr(last, "shape")):
            return  # a tree of placeholders
        found = first.shape[-1], last.shape[-2]
        if found != (inputs := _inputs(), 1):
            raise ValueError(
                f"network: {found[0]} inputs and {found[1]} outputs, but sites are read by "
                f"{inputs} numbers and scored by one; build it with Scorer.create."
            )

    @staticmethod
    def create(
        key: PRNGKeyArray, *, hidden: Sequence[int] = (16,), dtype: Any = jnp.float32
    ) -> "Scorer":
        """Return an untrained scorer, which adds zero.

        Arguments:
            key: for the hidden weights.
            hidden: sizes of the hidden layers.
            dtype: of the weights.
        """
        return Scorer(Network((_inputs(), *hidden, 1), key=key, dtype=dtype))

    def __call__(
        self,
        cluster: Growing,
        found: Sites,
        operations: Float[Array, "g 3 3"],
        mask: Bool[Array, " g"],
        target: Int[Array, ""],
        noise: Float[Array, ""],
        style: Float[Array, " k"],
    ) -> Float[Array, " s"]:
        """Return what is added to the energies of sites, in natural energies.

        Arguments:
            cluster, found: atoms and their vacant sites, in natural lengths.
            operations, mask: of the point group.
            target: atoms to be reached.
            noise: standard deviation of the noise, in natural energies.
            style: of the attempt.
        """
        reading = read_sites(cluster, found, operations, mask, target)
        shared = jnp.concatenate([reading.shared, 5 * noise[None] - 1, style])
        return UNIT * cast(self.network, found.energies.dtype)(reading.own, shared)[0]


def _inputs() -> int:
    return sum(SiteReading.counts) + 1 + STYLES


def draw_style(key: PRNGKeyArray, dtype: Any) -> Float[Array, " k"]:
    """Draw the style of an attempt."""
    return jax.random.normal(key, (STYLES,), dtype)
