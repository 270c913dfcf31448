"""Trained optimizers that come with the library; cards in l2h/weights/README.md."""

from importlib import resources

from ..io import load as _load, read_metadata
from ..optimizers import Learned
from ..training import TrainingConfig

_FOLDER = resources.files(__name__)
# What training has cost in all; cards of their time counted neither validations nor
# earlier stages.
_COSTS = {"lj13": 7_900_000, "lj38": 27_600_000, "lj-family": 175_000_000}


def names() -> tuple[str, ...]:
    """Return the names of the bundled optimizers."""
    files = (file.name for file in _FOLDER.iterdir())
    return tuple(sorted(n.removesuffix(".l2h") for n in files if n.endswith(".l2h")))


def load(name: str) -> Learned:
    """Return a bundled optimizer.

    Arguments:
        name: one of `names()`, or the path of a run's `best.l2h`.

    Raises:
        ValueError: if there is no such optimizer, or its file is damaged.
    """
    if not name.endswith(".l2h"):
        if name not in names():
            raise ValueError(
                f"name: {name!r} is unknown; choose from {', '.join(names())}, or give the "
                "path of a run's best.l2h."
            )
        with resources.as_file(_FOLDER / f"{name}.l2h") as path:
            return load(str(path))
    card = read_metadata(name)
    if card.get("kind") != "weights":
        raise ValueError(f"name: {name} holds no weights; give a run's best.l2h.")
    return _load(name, TrainingConfig.parse(card["config"]).optimizer())[0]


def training_evaluations(name: str) -> int:
    """Return the energy-and-gradient evaluations that training has cost, as far as the
    card says: those of the weights that it began with included.

    Arguments:
        name: as for `load`.

    Raises:
        ValueError: as `load`.
    """
    if name in _COSTS:
        return _COSTS[name]
    card = read_metadata(name)
    return int(card.get("metrics", {}).get("evaluations", 0))
