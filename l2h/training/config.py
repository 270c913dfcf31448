"""All settings of a training run, in one place."""

import dataclasses
import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import jax.numpy as jnp

from .._leaves import require_positive
from ..domains import Domain
from ..meta import (
    ES,
    ESMC,
    GA,
    AbstractMetaStrategy,
    Cosine,
    NormalizedES,
    Objective,
    Trainer,
    count,
)
from ..optimizers import Learned
from ..tasks import Task, get, members, mixture


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
    warm_start: str | None = None
    """Trained weights to begin with: a bundled name or a file; None for fresh ones."""
    trains: Literal["network", "all", "sizes"] = "network"
    """The network; the network and its shifts for each number of atoms; the shifts only."""
    sizes: tuple[int, ...] = ()
    """Numbers of atoms with shifts of their own; if shifts are trained and none is named,
    those of the tasks. Only the tasks' own are trained."""
    strategy: Literal["normalized-es", "es", "esmc", "ga"] = "normalized-es"
    """How the population is perturbed and what is learned from its losses."""
    updates: int = 250
    """Length of the schedule."""
    pairs: int = 32
    """Antithetic pairs per update; a genetic population has two members for each."""
    copies: int = 2
    """Starts per task and update, shared by all pairs."""
    sigma: float = 0.1
    """Standard deviation of perturbations, at first."""
    sigma_decay: float = 1.0
    """The last one, relative to the first."""
    rate: float = 0.02
    """First learning rate."""
    decay: float = 0.3
    """Last learning rate, relative to the first."""
    clip: float = 2.0
    """Largest normalised loss difference; of normalized-es only."""
    centre: bool = False
    """Whether normalized-es also clips losses at the unperturbed one, as esmc does."""
    parents: int = 16
    """Best members that a genetic population descends from."""
    elites: int = 2
    """Best members that it keeps unchanged."""
    crossover: float = 0.0
    """Probability of a gene to come from a second parent."""
    shortest: int = 100
    """Shortest horizon in steps."""
    longest: int = 500
    """Longest horizon in steps; also that of validation and final evaluation."""
    horizons: Literal["draw", "grow"] = "draw"
    """Log-uniform draws between the two, or linear growth over the schedule."""
    final: float = 0.5
    """Weight of the last energy in the loss."""
    best: float = 0.5
    """Weight of the lowest energy."""
    mean_best: float = 0.0
    """Weight of the time-averaged lowest energy."""
    bounded: bool = True
    """Whether an exploded rollout counts as one that found nothing, not as worse."""
    quantile: float | None = None
    """Of the losses over starts; None for their mean."""
    scaling: Literal["energy", "spread"] = "energy"
    """Natural energies, or shifted and scaled per task by their spread."""
    average: float | None = None
    """Weight of the past in a moving average of the weights; None for no average."""
    patience: int | None = None
    """Validations without improvement after which training ends; None for no end."""
    chunk: int = 16
    """Members evaluated at once, at most; part of what determines the last bits."""
    precision: Literal["float32", "float64"] = "float32"
    """Of rollouts and weights."""
    validate_every: int = 25
    """Updates between validations."""
    validation_starts: int = 100
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
        if self.average is not None and not 0 <= self.average < 1:
            raise ValueError(
                f"average: {self.average} given; the weight of the past lies in [0, 1)."
            )
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience: {self.patience} given; wait for at least one.")
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
        if len(problems) > 1:
            # Tasks vouch for each other: about the same number of rollouts per update.
            defaults |= {"copies": 1}
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
            tasks: a family, or names joined by commas, or None.
            path: a TOML file, or None.
            settings: what is set explicitly; overrules the file.

        Raises:
            ValueError: if both tasks and a file are given, or either is not usable.
        """
        if path is None:
            return TrainingConfig.for_tasks(members(tasks or "lj13"), **settings)
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
            if value is None:  # which TOML cannot say: what is left out is None
                continue
            shown = list(value) if isinstance(value, tuple) else value
            # JSON and TOML agree on strings, numbers and arrays of them.
            lines.append(f"{field.name} = {json.dumps(shown)}")
        return "\n".join(lines) + "\n"

    @property
    def dtype(self) -> Any:
        """Floating-point type of rollouts and weights."""
        return jnp.dtype(self.precision)

    def within(self, mebibytes: float) -> "TrainingConfig":
        """Return these settings with chunks small enough for a device's memory.

        Raises:
            ValueError: if not even a single member fits.
        """
        weights = count(self.optimizer())
        for chunk in range(self.chunk, 0, -1):
            config = dataclasses.replace(self, chunk=chunk)
            if (needed := config.trainer().memory(weights) / 2**20) <= mebibytes:
                return config
        raise ValueError(
            f"memory: {mebibytes} MiB given, but a single member on {self.copies} starts "
            f"needs about {needed:.1f} MiB; allow more, or lower copies."
        )

    def problems(self) -> tuple[Task, ...]:
        """Return the tasks themselves."""
        return tuple(get(name) for name in self.tasks)

    def optimizer(self) -> Learned:
        """Return the untrained optimizer."""
        return self.prepared(
            Learned.create(
                Domain.WEIGHTS.key(self.seed),
                preset=self.preset,
                kind=self.kind,
                hidden=self.hidden,
                dtype=self.dtype,
            )
        )

    @property
    def _shifted(self) -> set[int]:
        """Numbers of atoms whose shifts are trained."""
        trained = self.problems() if self.trains != "network" else ()
        return {task.n for task in trained}

    def starting_from(self, optimizer: Learned) -> "TrainingConfig":
        """Return these settings with room for all shifts of the weights to begin with."""
        if self.sizes or optimizer.sizes is None:
            return self
        room = self._shifted.union(optimizer.sizes.atoms)
        return dataclasses.replace(self, sizes=tuple(sorted(room)))

    def prepared(self, optimizer: Learned) -> Learned:
        """Return an optimizer as these settings train it.

        Raises:
            ValueError: if `sizes` does not name all numbers of atoms that it has shifts
                for, or that are to be trained.
        """
        own = self._shifted
        has = () if optimizer.sizes is None else optimizer.sizes.atoms
        sizes = self.sizes or tuple(own)
        if missing := sorted(own.union(has) - set(sizes)):
            raise ValueError(
                f"sizes: {list(sizes)} given, but there are, or are to be trained, shifts "
                f"for {missing}; name these in sizes as well."
            )
        if not sizes:
            return optimizer
        frozen = self.trains == "sizes"
        return optimizer.with_sizes(sizes, trained=tuple(own), frozen=frozen)

    def meta_strategy(self) -> AbstractMetaStrategy:
        """Return the meta-strategy."""
        names = ("sigma", "sigma_decay", "rate", "decay")
        require_positive(**{name: getattr(self, name) for name in names})
        shared = {
            "sigma": Cosine(self.sigma, self.sigma_decay, float(self.updates)),
            "rate": Cosine(self.rate, self.decay, float(self.updates)),
        }
        match self.strategy:
            case "normalized-es":
                return NormalizedES(
                    pairs=self.pairs, clip=self.clip, centre=self.centre, **shared
                )
            case "es":
                return ES(pairs=self.pairs, **shared)
            case "esmc":
                return ESMC(pairs=self.pairs, **shared)
            case "ga":
                return GA(
                    members=2 * self.pairs,
                    parents=self.parents,
                    elites=self.elites,
                    crossover=self.crossover,
                    sigma=shared["sigma"],
                )

    def trainer(self, devices: int = 1) -> Trainer:
        """Return the composed meta-update."""
        objective = Objective(
            final=self.final,
            best=self.best,
            mean_best=self.mean_best,
            quantile=self.quantile,
            shortest=float(self.shortest),
            longest=float(self.longest),
            horizons=self.horizons,
            scaling=self.scaling,
            bounded=self.bounded,
        )
        return Trainer(
            self.meta_strategy(),
            objective,
            self.problems(),
            copies=self.copies,
            chunk=self.chunk,
            devices=devices,
            precision=self.precision,
            updates=float(self.updates),
        )


def _convert(name: str, value: Any, expected: Any) -> Any:
    """Check a TOML value against a field's type; whole numbers may stand for floats."""
    if NoneType in get_args(expected):
        (expected,) = (kind for kind in get_args(expected) if kind is not NoneType)
    origin, arguments = get_origin(expected), get_args(expected)
    if origin is Literal:
        if value in arguments:
            return value
        raise ValueError(f"{name}: {value!r} given; choose from {list(arguments)}.")
    if origin is tuple:
        if isinstance(value, list):
            return tuple(_convert(name, item, arguments[0]) for item in value)
        raise ValueError(f"{name}: {value!r} given; write a list, [...].")
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not expected:
        raise ValueError(
            f"{name}: {value!r} given; it must be of type {expected.__name__}."
        )
    return value
