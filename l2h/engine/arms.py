"""The arms of a search: what it tries, by name."""

from collections.abc import Callable, Sequence

import equinox as eqx
from jaxtyping import Array, Float

from .. import weights
from .._leaves import as_array, require_fraction, require_positive
from .._registry import Registry
from ..inits import AbstractInit, Grown, Growth, Symmetric
from ..lattice import suits
from ..optimizers import (
    LBFGS,
    AbstractOptimizer,
    BasinHopping,
    Migration,
    Shake,
    Swaps,
)
from ..potentials import Gupta, StillingerWeber, is_alloy
from ..tasks import Task
from .abandonment import Abandonment

# Steps of a walk of hops. Longer ones find as much for the same evaluations, but wait
# longer until their share pays for one (docs/search.md).
HOPS = 400
# Those of exchanges in alloys: short, so that they take their turns from the beginning.
EXCHANGES = 200
# Those of learned hops, which were trained for that many.
LEARNED_HOPS = 1000
# Floors in alloys, whose lowest minimum is a matter of shape and of arrangement.
SHAPES, ARRANGEMENTS = 0.3, 0.5
# Atoms of the pair laws for which growth is learned; nothing is known of larger clusters,
# and metals gain nothing (docs/measurements.md).
GROWN_SIZES = range(31, 81)
# Distance above the best, as a fraction of its binding energy, at which attempts are given
# up: minima of metals lie closer together than those of other laws.
WINDOW, METALLIC = 0.02, 0.006


class Arm(eqx.Module):
    """A way to make attempts: where they start, and how atoms move before the quench.

    Arguments:
        name: by which it is reported; static.
        init: distribution of starts; None begins from low minima that the search has found
            already.
        walk: any optimizer, run before the quench; the best structure that it sees is
            quenched. None quenches the start.
        steps: of the walk; static.
        allowance: how much of the search's window of abandonment attempts are allowed.
        floor: fraction of all evaluations that it gets at least; that of the search's
            shares if None; static.

    Raises:
        ValueError: if `steps` do not go with `walk`, the allowance is not positive, or the
            floor does not lie between 0 and 1.
    """

    name: str = eqx.field(static=True)
    init: AbstractInit | None
    walk: AbstractOptimizer | None = None
    steps: int = eqx.field(static=True, default=0)
    allowance: Float[Array, ""] = eqx.field(converter=as_array, default=1.0)
    floor: float | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        if (self.walk is None) != (self.steps == 0) or self.steps < 0:
            raise ValueError(
                f"steps: {self.steps} given with walk = {type(self.walk).__name__}; give a "
                "positive number of steps with an optimizer, and zero without."
            )
        require_positive(allowance=self.allowance)
        if self.floor is not None:
            require_fraction(floor=self.floor)

    @staticmethod
    def growing(name: str, growth: Growth) -> "Arm":
        """Return the arm of trained growth."""
        return Arm(name, growth.starts, allowance=growth.allowance)

    def least(self, rule: Abandonment) -> int:
        """Return the evaluations that an attempt takes at least."""
        # A walk and a probation both begin with one evaluation of their own.
        return self.steps + (self.steps > 0) + 1 + rule.after


def grown(task: Task) -> Arm:
    """Grow from symmetric cores, with noise: minima with defects, too."""
    return Arm("grown", Grown())


def quiet(task: Task) -> Arm:
    """Grow from symmetric cores, with little noise: symmetric minima."""
    return Arm("grown-quiet", Grown(noise=0.1))


def learned_growth(task: Task) -> Arm:
    """Grow as was learned from Lennard-Jones clusters."""
    return Arm.growing("learned-grown", weights.load(weights.GROWTH))


def symmetric(task: Task) -> Arm:
    """Whole structures with a random symmetry, quenched."""
    return Arm("symmetric", Symmetric.of(task.potential, task.n))


def random(task: Task) -> Arm:
    """Quench the task's own starts."""
    return Arm("random", task.init)


def plain(task: Task) -> Arm:
    """Basin hopping after Wales and Doye."""
    return Arm("bh-plain", task.init, BasinHopping.plain(), HOPS)


def strong(task: Task) -> Arm:
    """Basin hopping with quenches in two phases."""
    return Arm("bh-strong", task.init, BasinHopping.strong(), HOPS)


def onward(task: Task) -> Arm:
    """Basin hopping from low minima found before, cooler than from anywhere, since there is
    less to leave; in metals half by moves of single atoms. In alloys mostly by exchanges
    that cost little, for half of all evaluations: nobody else looks at which atom sits
    where."""
    shake = Shake(0.36, loose=0.4)
    if _alloy(task):
        walk = BasinHopping(
            LBFGS.coarse(),
            Swaps(shake, chance=0.8, heat=0.05),
            temperature=0.1,
            tolerance=0.05,
            target=0.2,
        )
        return Arm("onward", None, walk, EXCHANGES, floor=ARRANGEMENTS)
    hop = Migration(shake) if _metal(task) else shake
    walk = BasinHopping(LBFGS.coarse(), hop, temperature=0.3, target=0.5)
    return Arm("onward", None, walk, HOPS)


def learned(task: Task) -> Arm:
    """Let a learned optimizer run from the task's own starts, then quench; in alloys for
    enough of all evaluations that exchanges have other shapes to begin from."""
    name, steps = _network(task)
    floor = SHAPES if _alloy(task) else None
    return Arm("learned", task.init, weights.load(name), steps, floor=floor)


def learned_symmetric(task: Task) -> Arm:
    """Let a learned optimizer run from symmetric starts, within their symmetry, then
    quench freely."""
    init = Symmetric.of(task.potential, task.n)
    name, steps = _within_symmetry(task)
    return Arm("learned-symmetric", init, weights.load(name), steps)


def hopping(task: Task) -> Arm:
    """Hop by legs of a learned optimizer, with repair."""
    name = "gupta-hopping" if _metal(task) else "lj-hopping"
    return Arm("learned-hopping", task.init, weights.load(name), LEARNED_HOPS)


def _network(task: Task) -> tuple[str, int]:
    """Return the bundled weights that cost least a hit from random starts, and their
    steps (docs/measurements.md). Natural units carry those of 38 atoms to one metal."""
    if _silicon(task):
        return "silicon", 300
    if 36 <= task.n <= 40 and not _alloy(task):
        return "lj38", 150
    if _metal(task):
        return "gupta", 250
    if task.n <= 13:
        return "lj13", 35
    return "lj-family", (80 if task.n <= 20 else 300)


def _within_symmetry(task: Task) -> tuple[str, int]:
    """Return the same from symmetric starts."""
    if _silicon(task):
        return "silicon-symmetric", 10
    if _metal(task) and not _alloy(task):
        return "gupta-symmetric", 20
    return "lj-symmetric", 60


ARMS: Registry[Callable[[Task], Arm]] = Registry(
    "arm",
    {
        "grown": grown,
        "grown-quiet": quiet,
        "learned-grown": learned_growth,
        "symmetric": symmetric,
        "learned": learned,
        "learned-symmetric": learned_symmetric,
        "learned-hopping": hopping,
        "onward": onward,
        "bh-strong": strong,
        "bh-plain": plain,
        "random": random,
    },
)


def _metal(task: Task) -> bool:
    return isinstance(task.potential, Gupta)


def _alloy(task: Task) -> bool:
    return is_alloy(task.potential)


def _silicon(task: Task) -> bool:
    return isinstance(task.potential, StillingerWeber)


def _divides(task: Task) -> bool:
    """Whether structures of the task can have a symmetry: not every cell can be divided."""
    try:
        symmetric(task)
    except ValueError:
        return False
    return True


def default(task: Task) -> tuple[str, ...]:
    """Return the names of the arms that make sense for a task, the best bet first."""
    space = task.potential.space
    if not space.invariant or space.dimension != 3:
        return ("random", "bh-plain")
    if not suits(task.potential):
        others = "random", "onward", "bh-strong"
        if not _divides(task):
            return others
        if _silicon(task):
            return ("learned-symmetric", "symmetric", *others)
        return ("symmetric", *others)
    # A network knows what it was trained on: close-packed clusters of these sizes.
    known = task.n <= 80
    descents = ("learned", "learned-symmetric") if known else ("symmetric",)
    if known and _alloy(task):
        # Which atom sits where decides, which growth leaves open (docs/measurements.md).
        return (*descents, "onward", "learned-hopping", "bh-strong")
    trained = task.n in GROWN_SIZES and not _metal(task)
    growths = ("grown", "grown-quiet", *(("learned-grown",) if trained else ()))
    return (*growths, *descents, "onward", "bh-strong")


def abandonment(task: Task) -> Abandonment:
    """Return the rule by which attempts on a task are given up."""
    return Abandonment(METALLIC if _metal(task) else WINDOW)


def choose(task: Task, names: Sequence[str | Arm] | None) -> tuple[Arm, ...]:
    """Return arms by name, or those given, or the default ones.

    Raises:
        ValueError: for an unknown name, one named twice, or an arm that does not fit.
    """
    asked = default(task) if names is None else tuple(names)
    if not asked:
        raise ValueError(f"arms: none given; choose from {', '.join(ARMS)}.")
    arms = []
    for arm in asked:
        if isinstance(arm, str):
            arm = ARMS[arm](task)
        if isinstance(arm.init, Grown) and not suits(task.potential):
            raise ValueError(
                f"arms: {arm.name} cannot grow {task.name}; leave it out, or register a "
                "law of its potential (l2h.lattice.law)."
            )
        arms.append(arm)
    if arms[0].init is None:
        raise ValueError(
            f"arms: {arms[0].name} begins from minima that others have found; name another "
            "arm before it."
        )
    names_ = [arm.name for arm in arms]
    if len(set(names_)) < len(names_):
        raise ValueError(f"arms: {names_} names one twice; name each once.")
    return tuple(arms)
