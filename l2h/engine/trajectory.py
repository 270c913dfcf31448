"""The way of one attempt, from its start to the minimum that it found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

# Digits after the point: more than a picture shows.
DIGITS = 4
# Stage of a start whose walk, made again, led elsewhere and is left out.
UNSEEN = "start"


@dataclass(frozen=True)
class Trajectory:
    """Structures along the way to a minimum, the start first, the minimum last.

    Raises:
        ValueError: if there is not one row for each structure, or there are none.
    """

    arm: str
    """The way to search."""
    minimum: int
    """Place of the minimum among those that the search found, from 0."""
    stages: Sequence[str]
    """What was going on, structure by structure."""
    steps: Int[np.ndarray, " t"]
    """Evaluations since the start."""
    energies: Float[np.ndarray, " t"]
    """In the potential's unit."""
    positions: Float[np.ndarray, "t n d"]
    """In the potential's unit of length; atoms keep their order."""

    def __post_init__(self) -> None:
        columns = (self.stages, self.steps, self.energies, self.positions)
        if len({len(column) for column in columns}) != 1 or not len(self.steps):
            raise ValueError(
                f"trajectory: columns of lengths {[len(c) for c in columns]}; give one row "
                "for each structure."
            )

    def plain(self) -> dict[str, Any]:
        """Return it as plain Python, as `search.json` holds it."""
        return {
            "arm": self.arm,
            "minimum": self.minimum,
            "stages": list(self.stages),
            "steps": self.steps.tolist(),
            "energies": [round(float(e), 6) for e in self.energies],
            "positions": np.round(self.positions, DIGITS).tolist(),
        }

    @staticmethod
    def read(content: Mapping[str, Any] | None) -> "Trajectory | None":
        """Return what `plain` has written; None where there is none."""
        if content is None:
            return None
        return Trajectory(
            arm=content["arm"],
            minimum=content["minimum"],
            stages=content["stages"],
            steps=np.array(content["steps"], np.int64),
            energies=np.array(content["energies"], np.float64),
            positions=np.array(content["positions"], np.float64),
        )
