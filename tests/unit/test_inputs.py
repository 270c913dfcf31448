"""Bad input is refused before anything is traced, and the message names the argument."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from l2h import advance, rollout
from l2h.inits import Harmonic, Uniform
from l2h.optimizers import LBFGS, Adam, GradientDescent, Learned, quench
from l2h.optimizers.learned import Equivariant, Head, Network
from l2h.potentials import (
    FunctionPotential,
    Gupta,
    LennardJones,
    SoftSphere,
    StillingerWeber,
)
from l2h.spaces import Free
from l2h.tasks import get

KEY = jax.random.key(0)
X = jnp.asarray(np.eye(3))

POSITIVE = [
    (LennardJones, ("length", "energy")),
    (SoftSphere, ("length", "energy", "exponent")),
    (GradientDescent, ("rate",)),
    (Adam, ("rate", "eps")),
    (LBFGS, ("max_step", "rise", "tolerance")),
    (Uniform, ("edge",)),
    (Harmonic, ("diameter",)),
    (Head, ("alpha", "max_step")),
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
    "history": lambda: LBFGS(history=0),
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


@pytest.fixture
def untyped():
    """Switch the run-time type checker off: what a user meets who has none."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


LJ = LennardJones()
ALLOY = Gupta.named("Ag-Au", [0, 1, 1])
SILICON = StillingerWeber.silicon()
CALLS_OF_POTENTIALS = {
    "call": lambda potential, x: potential(x),
    "observe": lambda potential, x: potential.observe(x),
    "forces": lambda potential, x: potential.forces(x),
    "gradient": lambda potential, x: potential.energy_and_gradient(x),
}
WRONG_POSITIONS = {
    "a list": ([[0.0, 0, 0], [1, 1, 1], [2, 2, 2]], "positions: a list given.*asarray"),
    "integers": (jnp.asarray(3 * np.eye(3, dtype=int)), r"positions: int.*astype"),
    "a batch": (np.zeros((4, 3, 3)), r"positions: shape \(4, 3, 3\).*jax\.vmap"),
    "a row": (np.zeros(3), r"positions: shape \(3,\) given; one structure"),
    "a plane": (np.zeros((3, 2)), "positions: 2 coordinates per atom"),
}


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize(("x", "words"), WRONG_POSITIONS.values(), ids=WRONG_POSITIONS)
def test_positions_that_are_none_are_refused_in_words(x, words):
    function = FunctionPotential(lambda y: jnp.sum(y**2), space=Free())
    for potential in (LJ, ALLOY, SILICON, SoftSphere(), function):
        for call in CALLS_OF_POTENTIALS.values():
            with pytest.raises(ValueError, match=words):
                call(potential, x)
    for search in (
        lambda: rollout(LBFGS(), LJ, x, 1, key=KEY),
        lambda: quench(LJ, x),
    ):
        with pytest.raises(ValueError, match=words):
            search()


TASK = get("lj13")
INIT = Uniform()
WRONG_KINDS = {
    "class of optimizer": (
        lambda: rollout(LBFGS, LJ, X, 1, key=KEY),
        r"optimizer: the class LBFGS given; give an instance of it, LBFGS\(",
    ),
    "class of potential": (
        lambda: quench(LennardJones, X),
        "potential: the class LennardJones given",
    ),
    "task": (
        lambda: rollout(LBFGS(), TASK, X, 1, key=KEY),
        "potential: a Task given; give its potential, a LennardJones",
    ),
    "task to quench": (lambda: quench(TASK, X), "potential: a Task given"),
    "name of optimizer": (
        lambda: quench(LJ, X, optimizer="lbfgs"),
        "optimizer: a str given; give an instance of AbstractOptimizer",
    ),
    "positions as state": (
        lambda: advance(LBFGS(), LJ, X, 1, key=KEY),
        "state: a .*given; give an instance of State",
    ),
    "start of a task": (lambda: INIT(KEY, TASK, 13, "float32"), "potential: a Task given"),
    "start of a class": (
        lambda: Harmonic()(KEY, LennardJones, 13, "float32"),
        "potential: the class LennardJones",
    ),
    "atoms of a start": (lambda: INIT(KEY, LJ, 0, "float32"), "n: 0 given"),
    "dtype of a start": (lambda: INIT(KEY, LJ, 13, "int32"), "dtype: 'int32' given"),
}


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize(("call", "words"), WRONG_KINDS.values(), ids=WRONG_KINDS)
def test_arguments_of_another_kind_are_refused_in_words(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.usefixtures("untyped")
def test_integers_are_refused_where_they_are_traced_too():
    with pytest.raises(ValueError, match="positions: int"):
        jax.jit(lambda x: get("Au13").potential(x))(jnp.ones((13, 3), int))
