"""All settings of a training run, in one place."""

import dataclasses
import hashlib
import itertools
import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_type_hints

import jax.numpy as jnp

from .._leaves import require_positive
from ..meta import META_OPTIMIZERS, STRATEGIES
from ..optimizers import OPTIMIZERS
from ..optimizers.learned import FEATURES
from ..tasks import Task, expanded, get, require_distinct
from .settings import converted

# Weights that one network may have: a wrong digit in `hidden` would fill the memory.
MOST_WEIGHTS = 10_000_000
# Settings whose defaults depend on the tasks.
OF_TASKS = ("features", "shortest", "longest", "updates", "starts_per_task")


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of a training run; Python, the command line, TOML files and weight cards
    share them.

    Values are checked, and converted to the types of their fields, whenever settings are
    made. Defaults that depend on the tasks come from `TrainingConfig.for_tasks`.

    Raises:
        ValueError: naming a setting, its value and what it should be.
    """

    tasks: tuple[str, ...] = ("lj13",)
    """Names, as `l2h.tasks.get` understands them."""
    seed: int = 0
    """Determines weights, noise and all starts."""
    optimizer: str = "learned"
    """What is trained: a network, or the hyper-parameters of any optimizer by name."""
    preset: Literal["default", "paper"] = "default"
    """How the output layer of a network starts."""
    features: str = "equivariant"
    """What a network reads: equivariant, componentwise, or registered."""
    hidden: tuple[int, ...] = (32, 32)
    """Sizes of the hidden layers of a network."""
    warm_start: str | None = None
    """Trained weights to begin with: a bundled name or a file; None for fresh ones."""
    trains: Literal["network", "all", "size-biases"] = "network"
    """The network; the network and its biases for each number of atoms; these only."""
    sizes: tuple[int, ...] = ()
    """Numbers of atoms with biases of their own; if these are trained and none is named,
    those of the tasks. Only the tasks' own are trained."""
    strategy: str = "normalized-es"
    """How weights are searched: normalized-es, es, esmc, ga, or registered."""
    updates: int = 250
    """Length of the schedule."""
    pairs: int = 32
    """Antithetic pairs per update; a genetic population has two members for each."""
    starts_per_task: int = 2
    """Drawn in every update, shared by all pairs."""
    sigma: float = 0.1
    """Standard deviation of perturbations, at first."""
    final_sigma: float | None = None
    """The last one; None for no change."""
    learning_rate: float = 0.02
    """Of the meta-optimizer, at first."""
    final_learning_rate: float | None = None
    """The last one; None for three tenths of the first."""
    meta_optimizer: str = "adam"
    """What follows the estimate: adam, adamw, lion, rmsprop, sgd, or registered."""
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
    soft: float | None = None
    """Energy (natural) of a soft minimum of the losses over starts; None for their mean."""
    scaling: Literal["energy", "spread"] = "energy"
    """Natural energies, or shifted and scaled per task by their spread."""
    average: float = 0.9
    """Weight of the past in the moving average of the weights that is validated and kept;
    0 for the last weights themselves."""
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
        for name, value in _converted(vars(self)).items():
            object.__setattr__(self, name, value)
        for name in (
            "updates",
            "pairs",
            "starts_per_task",
            "longest",
            "shortest",
            "chunk",
            "validate_every",
            "validation_starts",
            "checkpoint_every",
        ):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name}: {getattr(self, name)} given; it must be at least 1."
                )
        for name in ("sigma", "final_sigma", "learning_rate", "final_learning_rate"):
            if (value := getattr(self, name)) is not None:
                require_positive(**{name: value})
        if self.shortest > self.longest:
            raise ValueError(
                f"shortest: {self.shortest} exceeds longest ({self.longest}); lower it."
            )
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed: {self.seed} given; take one from 0 to 2^32 - 1.")
        if not 0 <= self.average < 1:
            raise ValueError(
                f"average: {self.average} given; the weight of the past lies in [0, 1)."
            )
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience: {self.patience} given; wait for at least one.")
        require_distinct(self.tasks)
        self._require_sizes()
        # Unknown names raise.
        _ = OPTIMIZERS[self.optimizer], FEATURES[self.features]
        _ = STRATEGIES[self.strategy], META_OPTIMIZERS[self.meta_optimizer]

    def _require_sizes(self) -> None:
        for name in ("hidden", "sizes"):
            if any(size < 1 for size in getattr(self, name)):
                raise ValueError(
                    f"{name}: {list(getattr(self, name))} given; each must be at least 1."
                )
        # Inputs and outputs are few beside what would be too many.
        layers = sum(a * b for a, b in itertools.pairwise((1, *self.hidden, 1)))
        if layers > MOST_WEIGHTS:
            raise ValueError(
                f"hidden: {list(self.hidden)} makes {layers:,} weights; {MOST_WEIGHTS:,} "
                "are allowed. Take smaller layers."
            )

    @staticmethod
    def for_tasks(tasks: str | Sequence[str], **settings: Any) -> "TrainingConfig":
        """Return the defaults for these tasks, with `settings` on top.

        Larger clusters are granted more steps, as their landscapes need, and a small one by
        itself few, since what is restarted early costs less; test functions are given the
        component-wise network.

        Arguments:
            tasks: names, or one string in which they are joined by commas; families may
                stand among them.
            settings: fields of `TrainingConfig`.

        Raises:
            ValueError: for an unknown task or setting.
        """
        names = _named(tasks)
        settings = _converted(settings)
        defaults: dict[str, Any] = {}
        # The tasks themselves, which may be somebody else's, are needed for defaults only.
        if set(OF_TASKS) - set(settings):
            problems = [get(name) for name in names]
            learned = settings.get("optimizer", "learned") == "learned"
            if not all(task.potential.space.invariant for task in problems):
                # Neighbours and centroids mean nothing to a test function.
                defaults = {"features": "componentwise"}
            elif max((task.n for task in problems), default=1) > 20:
                defaults = {"shortest": 250, "longest": 1000, "updates": 400}
            elif len(problems) == 1 and problems[0].n <= 15 and learned:
                defaults = {"shortest": 30, "longest": 60, "starts_per_task": 4}
            if len(problems) > 1:
                # Tasks vouch for each other: about as many rollouts per update.
                defaults |= {"starts_per_task": 1}
        return TrainingConfig(tasks=names, **{**defaults, **settings})

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
    def parse(text: str, *, without: Sequence[str] = ()) -> "TrainingConfig":
        """Return the settings that a TOML text names, with defaults for the others.

        Arguments:
            text: TOML.
            without: settings to be left at their defaults.

        Raises:
            ValueError: if it is not TOML, or has an unknown key or a value of the wrong
                type.
        """
        try:
            settings = tomllib.loads(text)
        except RecursionError as error:
            raise ValueError("brackets are nested too deeply") from error
        kept = {name: value for name, value in settings.items() if name not in without}
        return TrainingConfig.for_tasks(_named(kept.pop("tasks", "lj13")), **kept)

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
            return TrainingConfig.for_tasks(tasks or "lj13", **settings)
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
    def digest(self) -> str:
        """A digest of all settings, by which files of a run are known as its own."""
        return hashlib.sha256(self.to_toml().encode()).hexdigest()

    @property
    def dtype(self) -> Any:
        """Floating-point type of rollouts and weights."""
        return jnp.dtype(self.precision)

    def problems(self) -> tuple[Task, ...]:
        """Return the tasks themselves."""
        return tuple(get(name) for name in self.tasks)


def _converted(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings as the types of their fields have them."""
    hints = get_type_hints(TrainingConfig)
    if unknown := sorted(set(settings) - set(hints)):
        raise ValueError(
            f"{', '.join(unknown)}: unknown; known settings are {', '.join(sorted(hints))}."
        )
    return {name: converted(name, value, hints[name]) for name, value in settings.items()}


def _named(tasks: Any) -> tuple[str, ...]:
    """Return the names of tasks that were given as one string or as a list of them."""
    listed = (tasks,) if isinstance(tasks, str) else tasks
    if not isinstance(listed, (list, tuple)) or not all(
        isinstance(name, str) for name in listed
    ):
        raise ValueError(f"tasks: {tasks!r} given; write a list of names, [...].")
    return tuple(task for name in listed for task in expanded(name))
