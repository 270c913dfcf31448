"""Trained optimizers, and growth, that come with the library; cards in
l2h/weights/README.md."""

import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import equinox as eqx
import jax

from ..inits import Growth
from ..io import load as _load, read_metadata
from ..training import TrainingConfig, pieces

# Growth that is bundled, and what its card calls it: no optimizer.
GROWTH = "growth"
_FOLDER = resources.files(__name__)


def names() -> tuple[str, ...]:
    """Return the names of the bundled optimizers; bundled growth is `GROWTH`."""
    files = {file.name for file in _FOLDER.iterdir()} - {f"{GROWTH}.l2h"}
    return tuple(sorted(n.removesuffix(".l2h") for n in files if n.endswith(".l2h")))


def load(name: str | os.PathLike[str]) -> Any:
    """Return a trained optimizer, or trained growth (`inits.Growth`).

    Arguments:
        name: one of `names()`, `GROWTH`, or the path of a run's `best.l2h` (that of
            growth is called `growth.l2h`).

    Raises:
        ValueError: if there is no such optimizer, or its file cannot be read, is damaged,
            or holds something else.
    """
    with _file(name) as path:
        # Shapes only, until the file is known to have these.
        return _load(path, _shapes(path, read_metadata(path)), finite=True)[0]


def card(name: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what a file of weights says of itself.

    Arguments:
        name: as for `load`.

    Raises:
        ValueError: if there is no such file, or it cannot be read.
    """
    with _file(name) as path:
        return read_metadata(path)


def trained_on(name: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the names of the tasks that weights were trained on.

    Arguments:
        name: as for `load`.

    Raises:
        ValueError: as `card`.
    """
    settings = tomllib.loads(str(card(name).get("config", "")))
    return tuple(settings.get("tasks", ()))


@contextmanager
def _file(name: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the path of a bundled name or of a file; say in words why it is not read."""
    choices = f"give one of {', '.join(names())}, or the path of a run's best.l2h."
    if not isinstance(name, (str, os.PathLike)):
        raise ValueError(f"name: a {type(name).__name__} given; {choices}")
    try:
        if isinstance(name, str) and not name.endswith(".l2h"):
            with resources.as_file(_bundled(name)) as bundled:
                yield os.fspath(bundled)
        else:
            yield os.fspath(name)
    except OSError as error:
        reason = error.strerror or error
        raise ValueError(f"name: {name} cannot be read ({reason}); {choices}") from error


def _bundled(name: str) -> Traversable:
    """Return the file of a bundled name."""
    if name not in (*names(), GROWTH):
        raise ValueError(
            f"name: {name!r} is unknown; choose from {', '.join(names())}, or give the "
            "path of a run's best.l2h."
        )
    return _FOLDER / f"{name}.l2h"


def _shapes(path: str, card: dict[str, Any]) -> Any:
    """Return what a file holds, with shapes in place of arrays."""
    if card.get("kind") != GROWTH:
        return pieces.shapes(_settings(path, card))
    try:
        hidden = tomllib.loads(str(card.get("config", "")))["hidden"]
        return eqx.filter_eval_shape(Growth.create, jax.random.key(0), hidden=hidden)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: its card does not say how large its network is; give a file that "
            "pipelines.attempts has written."
        ) from error


def _settings(path: str, card: dict[str, Any]) -> TrainingConfig:
    """Return the settings that a weight file was made with."""
    text = card.get("config")
    if card.get("kind") != "weights" or not isinstance(text, str):
        raise ValueError(f"{path}: holds no weights; give a run's best.l2h.")
    try:
        # How weights were searched does not matter to those who use them.
        return TrainingConfig.parse(text, without=("strategy", "meta_optimizer"))
    except ValueError as error:
        raise ValueError(f"{path}: its settings cannot be used: {error}") from error


def settings(name: str | os.PathLike[str]) -> TrainingConfig:
    """Return the settings that weights were trained with.

    Arguments:
        name: as for `load`; not that of growth.

    Raises:
        ValueError: as `card`, or if the file holds no weights of an optimizer.
    """
    with _file(name) as path:
        return _settings(path, read_metadata(path))


def training_evaluations(name: str | os.PathLike[str]) -> int:
    """Return the energy-and-gradient evaluations that training has cost, as far as the
    card says: those of the weights that it began with included.

    Arguments:
        name: as for `load`.

    Raises:
        ValueError: as `card`.
    """
    return int(card(name).get("metrics", {}).get("evaluations", 0))
