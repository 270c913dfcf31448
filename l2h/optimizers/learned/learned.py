"""The learned optimizer."""

from collections.abc import Sequence
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from ..._leaves import cast
from ...potentials import AbstractPotential, Observation
from ..base import AbstractOptimizer, State, untrained
from .base import AbstractFeatures
from .componentwise import Componentwise
from .equivariant import Equivariant
from .head import Head
from .network import Network
from .sizes import Sizes

Preset = Literal["default", "paper"]
Kind = Literal["equivariant", "componentwise"]


class Learned(AbstractOptimizer[Any]):
    """A network that reads features and weighs directions, once per atom and step.

    Arguments:
        features: what the network reads and which directions it weighs.
        network: from `features.inputs` to `features.directions + 1` outputs.
        head: from outputs to a displacement.
        sizes: how the network changes with the number of atoms; not at all if None.
        frozen: whether meta-training keeps the network and changes `sizes` only; static.

    Raises:
        ValueError: if the network is frozen without sizes to train, or its layers do not
            fit the features.
    """

    features: AbstractFeatures
    network: Network
    head: Head = eqx.field(default_factory=Head)
    sizes: Sizes | None = None
    frozen: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        if self.frozen and self.sizes is None:
            raise ValueError(
                "frozen: nothing would be left to train; give sizes, or train the network."
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
        kind: Kind = "equivariant",
        hidden: Sequence[int] = (32, 32),
        dtype: Any = jnp.float32,
    ) -> "Learned":
        """Return an untrained learned optimizer.

        Arguments:
            key: for the hidden weights.
            preset: "paper" has a zero output layer, so its first update is zero; "default"
                starts as a plain descent with momentum and a slight compression (an
                output bias), which makes meta-training reliable.
            kind: "equivariant", or "componentwise" as in the paper.
            hidden: sizes of the hidden layers.
            dtype: of the weights.

        Raises:
            ValueError: for an unknown preset or kind.
        """
        kinds = {"equivariant": Equivariant(), "componentwise": Componentwise()}
        if kind not in kinds:
            raise ValueError(f"kind: {kind!r} is unknown; choose from {sorted(kinds)}.")
        features = kinds[kind]
        warm = {
            # gradient, momenta at 0.5, 0.9, 0.99, 0.999, offset, two shells | magnitude
            "equivariant": (-0.3, -0.3, -0.3, 0.0, 0.0, -0.3, 0.0, 0.0, 1.5),
            "componentwise": (0.0, 0.0),
        }
        biases = {"default": warm[kind], "paper": None}
        if preset not in biases:
            raise ValueError(
                f"preset: {preset!r} is unknown; choose from {sorted(biases)}."
            )
        sizes = (features.inputs, *hidden, features.directions + 1)
        network = Network(sizes, key=key, output_bias=biases[preset], dtype=dtype)
        # In the dtype of the weights whatever JAX's default is, so that weights which were
        # saved with 64-bit switched on load without it.
        return Learned(features, network, cast(Head(), dtype))

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
        if self.sizes is not None:
            network = self.sizes.shifted(network, len(x))
        outputs = cast(network, x.dtype)(reading.inputs)
        moved = self.features.arrange(self.head(outputs, reading.basis), x.shape)
        return x + moved * potential.scale.length.astype(x.dtype), memory

    def with_sizes(
        self, atoms: Sequence[int], *, trained: Sequence[int] | None = None, frozen: bool
    ) -> "Learned":
        """Return this optimizer with shifts for these numbers of atoms.

        Arguments:
            atoms: all that are to have shifts of their own; new ones are interpolated
                between those that there are, zero if there are none.
            trained: those whose shifts meta-training changes; None for all.
            frozen: whether it keeps the network.

        Raises:
            ValueError: if this optimizer has shifts for other numbers of atoms, which would
                be lost, or `trained` names others.
        """
        sizes = Sizes.none(self.network, atoms)
        if self.sizes is not None:
            if lost := sorted(set(self.sizes.atoms) - set(atoms)):
                raise ValueError(
                    f"atoms: {list(atoms)} given, but there are shifts for {lost} already; "
                    "name these as well."
                )
            rows = tuple(self.sizes.row(n) for n in sizes.atoms)
            sizes = Sizes(rows, sizes.atoms, sizes.atoms)
        if trained is not None:
            sizes = Sizes(sizes.rows, sizes.atoms, tuple(sorted(set(trained))))
        return Learned(self.features, self.network, self.head, sizes, frozen)

    def trainable(self) -> PyTree:
        names, values = [], []
        if not self.frozen:
            names.append("network")
            values.append(jax.tree.map(lambda _: "real", self.network))
        if self.sizes is not None:
            names.append("sizes")
            values.append(self.sizes.trainable())
        return eqx.tree_at(
            lambda tree: [getattr(tree, name) for name in names],
            untrained(self),
            values,
            is_leaf=lambda leaf: leaf is None,
        )
