"""All settings of a training run, in one place."""

import dataclasses
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import jax.numpy as jnp

from ..domains import Domain
from ..meta import NormalizedES, Objective, Trainer
from ..optimizers import Learned
from ..tasks import Task, get, mixture


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of a training run; the command line, TOML files and weight cards share it.

    Defaults that depend on the tasks come from `TrainingConfig.for_tasks`.
    """

    tasks: tuple[str, ...] = ("lj13",)
    """Names, as `l2h.tasks.get` understands them."""
    seed: int = 0
    """Determines weights, noise and all starts."""
    preset: Literal["default", "paper"] = "default"
    """How the output layer starts."""
    kind: Literal["equivariant", "componentwise"] = "equivariant"
    """What the network reads."""
    hidden: tuple[int, ...] = (32, 32)
    """Sizes of the hidden layers."""
    updates: int = 250
    """Length of the schedule."""
    pairs: int = 32
    """Antithetic pairs per update."""
    copies: int = 2
    """Starts per task and update, shared by all pairs."""
    sigma: float = 0.1
    """Standard deviation of perturbations."""
    rate: float = 0.02
    """First learning rate."""
    decay: float = 0.3
    """Last learning rate, relative to the first."""
    clip: float = 2.0
    """Largest normalised loss difference."""
    shortest: int = 100
    """Shortest horizon in steps; drawn log-uniformly up to `longest`."""
    longest: int = 500
    """Longest horizon in steps; also that of validation and final evaluation."""
    final: float = 0.5
    """Weight of the last energy in the loss."""
    best: float = 0.5
    """Weight of the lowest energy."""
    mean_best: float = 0.0
    """Weight of the time-averaged lowest energy."""
    chunk: int = 16
    """Members evaluated at once; part of what determines the last bits."""
    precision: Literal["float32", "float64"] = "float32"
    """Of rollouts and weights."""
    validate_every: int = 25
    """Updates between validations."""
    validation_starts: int = 50
    """Starts of a validation, per task."""
    checkpoint_every: int = 5
    """Updates between checkpoints."""

    def __post_init__(self) -> None:
        for name in (
            "updates",
            "longest",
            "shortest",
            "validate_every",
            "validation_starts",
            "checkpoint_every",
        ):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name}: {getattr(self, name)} given; it must be at least 1."
                )
        if self.shortest > self.longest:
            raise ValueError(
                f"shortest: {self.shortest} exceeds longest ({self.longest}); lower it."
            )
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed: {self.seed} given; take one from 0 to 2^32 - 1.")
        mixture(self.tasks)

    @staticmethod
    def for_tasks(tasks: Sequence[str], **settings: Any) -> "TrainingConfig":
        """Return the defaults for these tasks, with `settings` on top.

        Larger clusters are granted more steps, as their landscapes need; test functions are
        given the component-wise network.

        Raises:
            ValueError: for an unknown task or setting.
        """
        problems = [get(name) for name in tasks]
        defaults: dict[str, Any] = {}
        if not all(task.potential.space.invariant for task in problems):
            # Neighbours and centroids mean nothing to a test function.
            defaults = {"kind": "componentwise"}
        elif max((task.n for task in problems), default=1) > 20:
            defaults = {"shortest": 250, "longest": 1000, "updates": 400}
        known = {field.name for field in dataclasses.fields(TrainingConfig)}
        if unknown := sorted(set(settings) - known):
            raise ValueError(
                f"{', '.join(unknown)}: unknown; known settings are "
                f"{', '.join(sorted(known))}."
            )
        return TrainingConfig(tasks=tuple(tasks), **{**defaults, **settings})

    @staticmethod
    def read(path: Path) -> "TrainingConfig":
        """Read a TOML file; settings it does not name take their defaults.

        Raises:
            ValueError: naming the file, if it cannot be read, is not TOML, or has an
                unknown key or a value of the wrong type.
        """
        try:
            return TrainingConfig.parse(path.read_text())
        except (OSError, ValueError) as error:
            raise ValueError(
                f"config: {path}: {error}; give a TOML file such as a run's config.toml."
            ) from error

    @staticmethod
    def parse(text: str) -> "TrainingConfig":
        """Return the settings that a TOML text names, with defaults for the others.

        Raises:
            ValueError: if it is not TOML, or has an unknown key or a value of the wrong
                type.
        """
        settings = tomllib.loads(text)
        hints = get_type_hints(TrainingConfig)
        converted = {
            key: _convert(key, value, hints[key]) if key in hints else value
            for key, value in settings.items()
        }
        return TrainingConfig.for_tasks(converted.pop("tasks", ("lj13",)), **converted)

    @staticmethod
    def choose(
        tasks: str | None, path: Path | None, settings: dict[str, Any]
    ) -> "TrainingConfig":
        """Return the settings of a new run as a command line asks for them.

        Arguments:
            tasks: names joined by commas, or None.
            path: a TOML file, or None.
            settings: what is set explicitly; overrules the file.

        Raises:
            ValueError: if both tasks and a file are given, or either is not usable.
        """
        if path is None:
            return TrainingConfig.for_tasks((tasks or "lj13").split(","), **settings)
        if tasks is not None:
            raise ValueError(
                f"tasks: {tasks!r} given besides --config {path}; name tasks in the file."
            )
        return dataclasses.replace(TrainingConfig.read(path), **settings)

    def to_toml(self) -> str:
        """Return all settings as TOML, in declaration order."""
        lines = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            shown = list(value) if isinstance(value, tuple) else value
            # JSON and TOML agree on strings, numbers and arrays of them.
            text = repr(shown).replace("'", '"')
            lines.append(f"{field.name} = {text}")
        return "\n".join(lines) + "\n"

    @property
    def dtype(self) -> Any:
        """Floating-point type of rollouts and weights."""
        return jnp.dtype(self.precision)

    def problems(self) -> tuple[Task, ...]:
        """Return the tasks themselves."""
        return tuple(get(name) for name in self.tasks)

    def optimizer(self) -> Learned:
        """Return the untrained optimizer."""
        return Learned.create(
            Domain.WEIGHTS.key(self.seed),
            preset=self.preset,
            kind=self.kind,
            hidden=self.hidden,
            dtype=self.dtype,
        )

    def trainer(self, devices: int = 1) -> Trainer:
        """Return the composed meta-update."""
        strategy = NormalizedES(
            pairs=self.pairs,
            sigma=self.sigma,
            rate=self.rate,
            decay=self.decay,
            updates=float(self.updates),
            clip=self.clip,
        )
        objective = Objective(
            final=self.final,
            best=self.best,
            mean_best=self.mean_best,
            shortest=float(self.shortest),
            longest=float(self.longest),
        )
        return Trainer(
            strategy,
            objective,
            self.problems(),
            copies=self.copies,
            chunk=self.chunk,
            devices=devices,
            precision=self.precision,
        )


def _convert(name: str, value: Any, expected: Any) -> Any:
    """Check a TOML value against a field's type; whole numbers may stand for floats."""
    origin, arguments = get_origin(expected), get_args(expected)
    if origin is Literal:
        if value in arguments:
            return value
        raise ValueError(f"{name}: {value!r} given; choose from {list(arguments)}.")
    if origin is tuple:
        if isinstance(value, list):
            return tuple(_convert(name, item, arguments[0]) for item in value)
        raise ValueError(f"{name}: {value!r} given; write a list, [...].")
    assert origin not in (Union, UnionType), "fields have one type each"
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not expected:
        raise ValueError(
            f"{name}: {value!r} given; it must be of type {expected.__name__}."
        )
    return value
