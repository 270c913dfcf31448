"""Bad input is refused before anything is traced, and the message names the argument."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from l2h import rollout
from l2h.inits import Harmonic, Uniform
from l2h.optimizers import LBFGS, Adam, GradientDescent, Learned, quench
from l2h.optimizers.learned import Equivariant, Head, Network
from l2h.potentials import FunctionPotential, LennardJones, SoftSphere
from l2h.spaces import Free

KEY = jax.random.key(0)
X = jnp.asarray(np.eye(3))

POSITIVE = [
    (LennardJones, ("length", "energy")),
    (SoftSphere, ("length", "energy", "exponent")),
    (GradientDescent, ("rate",)),
    (Adam, ("rate", "eps")),
    (LBFGS, ("longest", "rise", "tolerance")),
    (Uniform, ("edge",)),
    (Harmonic, ("diameter",)),
    (Head, ("alpha", "longest")),
]


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), -2])
@pytest.mark.parametrize(
    ("make", "name"), [(make, name) for make, names in POSITIVE for name in names]
)
def test_positive_numbers(make, name, value):
    with pytest.raises(ValueError, match=rf"^{name}: .*must be positive and finite"):
        make(**{name: value})


@pytest.mark.parametrize("value", [0.0, 1.0, -0.5, float("nan")])
@pytest.mark.parametrize("name", ["b1", "b2"])
def test_fractions(name, value):
    with pytest.raises(ValueError, match=rf"^{name}: .*between 0 and 1"):
        Adam(**{name: value})


CALLS = {
    "memory": lambda: LBFGS(memory=0),
    "dimension": lambda: Free(0),
    "features": lambda: Learned.create(KEY, features="unknown"),
    "preset": lambda: Learned.create(KEY, preset="unknown"),
    "sizes": lambda: Network((3,), key=KEY),
    "network": lambda: Learned(Equivariant(), Network((2, 3), key=KEY)),
    "tolerance": lambda: quench(LennardJones(), X, tolerance=0.0),
    "limit": lambda: quench(LennardJones(), X, limit=0),
    "steps": lambda: rollout(Adam(), LennardJones(), X, -1, key=KEY),
    "trace_every": lambda: rollout(Adam(), LennardJones(), X, 5, key=KEY, trace_every=2),
    "positions": lambda: rollout(
        Adam(), LennardJones(), X.at[1, 2].set(jnp.nan), 1, key=KEY
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_messages_name_the_argument(name):
    # The run-time type checker, on in tests, may be the first to object.
    with pytest.raises((ValueError, TypeError), match=name):
        CALLS[name]()


def test_harmonic_steps():
    with pytest.raises(ValueError, match="steps"):
        Harmonic(steps=-1)


def test_coincident_start():
    with pytest.raises(ValueError, match=r"positions: .*coincide"):
        rollout(Adam(), LennardJones(), jnp.zeros((2, 3)), 1, key=KEY)


def test_wrong_dimension():
    with pytest.raises(ValueError, match=r"positions: 2 coordinates per atom"):
        rollout(Adam(), LennardJones(), X[:, :2], 1, key=KEY)


@pytest.mark.parametrize("positions", [np.zeros(3), np.zeros((2, 2, 3)), "lj13"])
def test_malformed_positions(positions):
    with pytest.raises((ValueError, TypeError)):
        LennardJones().observe(positions)


def test_function_must_be_callable():
    with pytest.raises(TypeError, match="function"):
        FunctionPotential(3.0)
