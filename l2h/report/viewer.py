"""What the viewer of a page, chemiscope, is given: its own code, and the minima."""

import importlib.metadata
import importlib.util
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..engine import SearchResult
from ..potentials import METAL
from ..spaces import Periodic
from . import structure
from .point_groups import SHOWN

VIEWER = "chemiscope"
# How long a natural length is in the viewer, which thinks in Angstrom.
BOND = 2.8
# Radius of its balls; degrees that it sees, less a margin; where it stands at zoom zero.
BALL, FIELD, CAMERA = 0.5, 35.0, 150.0
# Neighbours up to so many natural lengths are joined.
REACH = 1.25


def viewer_code() -> tuple[str, str] | None:
    """Return JavaScript and licence of the viewer; None if it is not installed."""
    # Without importing it, which would ask for the whole of Jupyter.
    found = importlib.util.find_spec(VIEWER)
    if found is None or not found.submodule_search_locations:
        return None
    base = Path(next(iter(found.submodule_search_locations)))
    script = base / "sphinx" / "static" / "chemiscope.min.js"
    if not script.is_file():
        return None
    files = importlib.metadata.files(VIEWER) or []
    texts = [str(f.read_text()) for f in files if f.name == "LICENSE"]
    return script.read_text(encoding="utf-8"), "\n".join(texts)


def minima(result: SearchResult) -> dict[str, Any]:
    """Return the minima as chemiscope reads them, and how pictures show them."""
    task, count = result.task, min(len(result.energies), SHOWN)
    angstrom = task.units.length == METAL.length
    scale = float(task.potential.scale.length) if angstrom else BOND
    names = list(task.symbols) if task.symbols else ["X"] * task.n
    frames, reach, corner = [], 0.0, np.zeros(3)
    for positions in result.positions[:count]:
        seen, edges = structure.seen(task, np.asarray(positions)[None])
        x = scale * seen[0]
        frame: dict[str, Any] = {"size": task.n, "names": names}
        reach = max(reach, float(np.max(np.linalg.norm(x, axis=1))))
        if len(edges):
            # Chemiscope draws the cell from where coordinates vanish.
            corner = scale * edges[0, 0]
            cell = scale * (edges[::4, 1] - edges[::4, 0])
            frame["cell"] = [round(float(c), 5) for c in cell.ravel()]
            reach = max(reach, float(np.max(np.linalg.norm(scale * edges, axis=-1))))
        near = np.linalg.norm(x[:, None] - x, axis=-1) < REACH * scale
        first, second = np.nonzero(np.triu(near, 1))
        frame["bonds"] = [[int(a), int(b), 1] for a, b in zip(first, second, strict=True)]
        for axis, column in zip("xyz", (x - corner).T, strict=True):
            frame[axis] = [round(float(c), 4) for c in column]
        frames.append(frame)
    gaps = result.energies[:count] - result.energies[:1]
    middle = [round(float(c), 4) for c in corner]
    dataset = {
        "meta": {"name": task.name},
        "structures": frames,
        "properties": {
            "energy above the lowest": {
                "target": "structure",
                "values": [round(float(gap), 6) for gap in gaps],
                "units": result.unit,
            }
        },
        "settings": {
            "target": "structure",
            "structure": [
                {
                    "spaceFilling": False,
                    "bonds": True,
                    "unitCell": isinstance(task.potential.space, Periodic),
                    "keepOrientation": True,
                    "camera": _camera(middle, reach + BALL),
                }
            ],
        },
    }
    return {"dataset": dataset, "scale": scale, "middle": middle, **structure.look(task)}


def _camera(middle: Sequence[float], radius: float) -> dict[str, Any]:
    """Return from where a sphere is seen as a whole: chemiscope begins too near."""
    distance = radius / math.sin(math.radians(FIELD / 2))
    x, y, z = middle
    return {
        "center": {"x": x, "y": y, "z": z},
        "eye": {"x": x, "y": y, "z": z + 1},
        "up": {"x": 0, "y": 1, "z": 0},
        "zoom": round(CAMERA - distance, 2),
    }
