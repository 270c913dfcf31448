"""Standard test functions of global optimization, of any dimension."""

from ..inits import Uniform
from ..potentials.functions import (
    AbstractTestFunction,
    Ackley,
    Griewank,
    Rastrigin,
    Schwefel,
    StyblinskiTang,
)
from .base import Task

# Each with a typical energy, which makes its wells about as stiff, in natural units, as a
# Lennard-Jones bond. Griewank's is lower: its second-best minimum lies at 0.0074, and a
# hundredth of the energy is where a search has arrived at the lowest.
FUNCTIONS: dict[str, tuple[AbstractTestFunction, float]] = {
    "ackley": (Ackley(), 1.0),
    "griewank": (Griewank(), 0.1),
    "rastrigin": (Rastrigin(), 5.0),
    "schwefel": (Schwefel(), 50.0),
    "styblinski-tang": (StyblinskiTang(), 10.0),
}


def function(name: str, n: int) -> Task:
    """Return a test function of `n` dimensions, started anywhere in its usual domain.

    Arguments:
        name: a key of `FUNCTIONS`.
        n: dimension of the function; positions are `"n 1"`.

    Raises:
        ValueError: for an unknown name, or fewer than one dimension.
    """
    if name not in FUNCTIONS:
        raise ValueError(
            f"function: {name!r} is unknown; choose from {', '.join(FUNCTIONS)}."
        )
    if n < 1:
        raise ValueError(f"{name}{n}: {n} dimensions given; take at least 1.")
    chosen, energy = FUNCTIONS[name]
    return Task(
        name=f"{name}{n}",
        potential=chosen.potential(energy),
        init=Uniform(2 * chosen.domain, scaled=False),
        n=n,
        reference=chosen.minimum(n),
    )
