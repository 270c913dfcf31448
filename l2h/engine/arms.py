"""The arms of a search: what it tries, by name."""

from collections.abc import Callable, Sequence

from ..inits import Grown
from ..lattice import suits
from ..optimizers import LBFGS, BasinHopping, Shake, Swaps
from ..tasks import Task
from .attempt import Arm

# Steps of a walk that begins anywhere, and of one that begins from a low minimum.
HOPS, ONWARD = 1000, 400


def _grown(task: Task) -> Arm:
    return Arm("grown", Grown())


def _quiet(task: Task) -> Arm:
    return Arm("grown-quiet", Grown(noise=0.1))


def _symmetric(task: Task) -> Arm:  # noqa
    raise NotImplementedError


def _random(task: Task) -> Arm:
    return Arm("random", task.init)


def _plain(task: Task) -> Arm:
    return Arm("bh-plain", task.init, BasinHopping.plain(), HOPS)


def _onward(task: Task) -> Arm:
    # Cooler than a walk from anywhere: there is less to leave.
    hop = Swaps(Shake(0.36, loose=0.4))
    walk = BasinHopping(LBFGS(0.36, memory=4), hop, temperature=0.3, target=0.5)
    return Arm("onward", None, walk, ONWARD)


def _strong(task: Task) -> Arm:
    return Arm("bh-strong", task.init, BasinHopping.strong(), HOPS)


ARMS: dict[str, Callable[[Task], Arm]] = {
    "grown": _grown,
    "grown-quiet": _quiet,
    # SYM
    "random": _random,
    "bh-plain": _plain,
    "bh-strong": _strong,
    "onward": _onward,
}


def default(task: Task) -> tuple[str, ...]:
    """Return the names of the arms that make sense for a task, the best bet first."""
    space = task.potential.space
    if suits(task.potential):
        return ("grown", "grown-quiet", "bh-strong", "random")
    if space.invariant and space.dimension == 3:
        return ("bh-strong", "random")
    return ("bh-plain", "random")


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
            if arm not in ARMS:
                raise ValueError(
                    f"arms: {arm!r} is unknown; choose from {', '.join(ARMS)}."
                )
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
