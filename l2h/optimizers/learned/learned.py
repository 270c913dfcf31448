"""The learned optimizer."""

from collections.abc import Sequence
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from ..._leaves import cast, trained
from ...potentials import AbstractPotential, Observation
from ..base import AbstractOptimizer, State
from .base import AbstractFeatures
from .head import Head
from .network import Network
from .registry import FEATURES
from .size_biases import SizeBiases

Preset = Literal["default", "paper"]


class Learned(AbstractOptimizer[Any]):
    """A network that reads features and weighs directions, once per atom and step.

    Arguments:
        features: what the network reads and which directions it weighs.
        network: from `features.inputs` to `features.directions + 1` outputs.
        head: from outputs to a displacement.
        size_biases: how the network changes with the number of atoms; not at all if None.
        frozen: whether meta-training keeps the network and changes `size_biases` only;
            static.

    Raises:
        ValueError: if the network is frozen without size biases to train, or its layers
            do not fit the features.
    """

    features: AbstractFeatures
    network: Network
    head: Head = eqx.field(default_factory=Head)
    size_biases: SizeBiases | None = None
    frozen: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        if self.frozen and self.size_biases is None:
            raise ValueError(
                "frozen: nothing would be left to train; give size_biases, or train the "
                "network."
            )
        expected = (self.features.inputs, self.features.directions + 1)
        first, last = self.network.weights[0], self.network.weights[-1]
        if not (hasattr(first, "shape") and hasattr(last, "shape")):
            return  # a tree of placeholders
        if (found := (first.shape[-1], last.shape[-2])) != expected:
            raise ValueError(
                f"network: {found[0]} inputs and {found[1]} outputs, but "
                f"{type(self.features).__name__} needs {expected[0]} and {expected[1]}; "
                "build it with Learned.create."
            )

    @staticmethod
    def create(
        key: PRNGKeyArray,
        *,
        preset: Preset = "default",
        features: str = "equivariant",
        hidden: Sequence[int] = (32, 32),
        dtype: Any = jnp.float32,
    ) -> "Learned":
        """Return an untrained learned optimizer.

        Arguments:
            key: for the hidden weights.
            preset: "paper" has a zero output layer, so its first update is zero; "default"
                starts as a plain descent with momentum and a slight compression (an
                output bias, of features that have one), which makes meta-training reliable.
            features: what the network reads, by name: "equivariant", "componentwise" as in
                the paper, or registered.
            hidden: sizes of the hidden layers.
            dtype: of the weights.

        Raises:
            ValueError: for an unknown preset or feature set.
        """
        read = FEATURES[features]()
        biases = {"default": read.output_bias, "paper": None}
        if preset not in biases:
            raise ValueError(
                f"preset: {preset!r} is unknown; choose from {sorted(biases)}."
            )
        sizes = (read.inputs, *hidden, read.directions + 1)
        network = Network(sizes, key=key, output_bias=biases[preset], dtype=dtype)
        # In the dtype of the weights whatever JAX's default is, so that weights which were
        # saved with 64-bit switched on load without it.
        return Learned(read, network, cast(Head(), dtype))

    def begin(
        self,
        potential: AbstractPotential,
        observation: Observation,
        *,
        horizon: Int[Array, ""],
        key: PRNGKeyArray,
    ) -> Any:
        return self.features.begin(potential, observation)

    def move(
        self, potential: AbstractPotential, state: State[Any], *, key: PRNGKeyArray
    ) -> tuple[Float[Array, "n d"], Any]:
        x = state.observation.positions
        reading, memory = self.features.read(potential, state)
        network = self.network
        if self.size_biases is not None:
            n = potential.space.atoms(len(x))
            network = self.size_biases.applied(network, n)
        outputs = cast(network, x.dtype)(reading.inputs, reading.shared)
        moved = self.features.arrange(self.head(outputs, reading.basis), x.shape)
        return x + moved * potential.scale.length.astype(x.dtype), memory

    def with_size_biases(
        self, atoms: Sequence[int], *, trained: Sequence[int] | None = None, frozen: bool
    ) -> "Learned":
        """Return this optimizer with biases for these numbers of atoms.

        Arguments:
            atoms: all that are to have biases of their own; new ones are interpolated
                between those that there are, zero if there are none.
            trained: those whose biases meta-training changes; None for all.
            frozen: whether it keeps the network.

        Raises:
            ValueError: if this optimizer has biases for other numbers of atoms, which would
                be lost, or `trained` names others.
        """
        sizes = SizeBiases.none(self.network, atoms)
        if self.size_biases is not None:
            if lost := sorted(set(self.size_biases.atoms) - set(atoms)):
                raise ValueError(
                    f"atoms: {list(atoms)} given, but there are biases for {lost} already; "
                    "name these as well."
                )
            rows = tuple(self.size_biases.row(n) for n in sizes.atoms)
            sizes = SizeBiases(rows, sizes.atoms, sizes.atoms)
        if trained is not None:
            sizes = SizeBiases(sizes.rows, sizes.atoms, tuple(sorted(set(trained))))
        return Learned(self.features, self.network, self.head, sizes, frozen)

    def trainable(self) -> PyTree:
        parts = {}
        if not self.frozen:
            parts["network"] = jax.tree.map(lambda _: "real", self.network)
        if self.size_biases is not None:
            parts["size_biases"] = self.size_biases.trainable()
        return trained(self, **parts)
