"""Pictures of structures: balls, seen from where a cluster is widest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from ..spaces import Periodic
from ..tasks import Task

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE = "#56a0d8"
# A little from above and from the side: atoms in line would hide each other.
TILT = np.deg2rad((14.0, -18.0))
RADIUS = 0.47
FAR = np.array([150, 156, 166])


@dataclass(frozen=True)
class Balls:
    """A structure as drawn: discs from back to front, in natural lengths."""

    centres: Float[np.ndarray, "n 2"]
    radii: Float[np.ndarray, " n"]
    colours: tuple[str, ...]
    edges: Float[np.ndarray, "e 2 2"]
    """Edges of the cell, where there is one."""

    @property
    def frame(self) -> tuple[float, float, float, float]:
        """Left, bottom, width and height of all that is drawn."""
        reach = [self.centres - self.radii[:, None], self.centres + self.radii[:, None]]
        points = np.concatenate([*reach, self.edges.reshape(-1, 2)])
        low, high = points.min(0) - 0.06, points.max(0) + 0.06
        return (*map(float, low), *map(float, high - low))  # type: ignore[return-value]


def balls(task: Task, positions: Float[np.ndarray, "n d"]) -> Balls:
    """Return how a structure is drawn.

    Clusters show their widest side, crystals the corner of their cell.

    Arguments:
        task: gives natural length, elements and cell.
        positions: in the potential's unit of length.
    """
    x, corners = seen(task, np.asarray(positions)[None])
    order, shade = _depth(x[0])
    x = x[0]
    colours, sizes = _elements(task)
    return Balls(
        centres=x[order, :2],
        radii=RADIUS * sizes[order],
        colours=tuple(_fade(colours[k], float(shade[k])) for k in order),
        edges=corners[..., :2],
    )


def frames(task: Task, positions: Float[np.ndarray, "t n d"]) -> dict[str, Any]:
    """Return structures as a script draws them, all seen from where the last is widest.

    Arguments:
        task: as in `balls`.
        positions: of atoms that keep their order.

    Returns:
        What `look` does, and "box": left, top, width and height of all; "frames": for
        each, numbers of the atoms from back to front, both coordinates of their centres,
        and nearness from 0 to 1.
    """
    x, corners = seen(task, np.asarray(positions))
    rows = []
    for one in x:
        order, shade = _depth(one)
        row = [order, np.round(one[order, 0], 3), np.round(-one[order, 1], 3)]
        rows.append([part.tolist() for part in (*row, np.round(shade[order], 2))])
    points = np.concatenate([x.reshape(-1, 3), corners.reshape(-1, 3)])[:, :2]
    # Starts may be wide: what is far out may leave the picture, the minimum may not.
    reach = 1.4 * np.abs(x[-1, :, :2]).max() + RADIUS
    reach = min(reach, float(np.abs(points).max()) + RADIUS + 0.06)
    return {
        "box": [round(float(v), 3) for v in (-reach, -reach, 2 * reach, 2 * reach)],
        "frames": rows,
        **look(task),
    }


def look(task: Task) -> dict[str, Any]:
    """Return what atoms look like to a script that draws them.

    Arguments:
        task: gives the elements.

    Returns:
        "colours" as numbers from 0 to 255 and "radii", in natural lengths, atom by atom;
        "far": the colour of what is far.
    """
    colours, sizes = _elements(task)
    return {
        "colours": [[round(float(c)) for c in colour] for colour in colours],
        "radii": np.round(RADIUS * sizes, 3).tolist(),
        "far": FAR.tolist(),
    }


def seen(
    task: Task, positions: Float[np.ndarray, "t n d"]
) -> tuple[Float[np.ndarray, "t n 3"], Float[np.ndarray, "e 2 3"]]:
    """Return positions, in natural lengths, and edges of the cell as they are looked at.

    Arguments:
        task: as in `balls`.
        positions: all are turned as the last one.

    Returns:
        Positions about the middle of cluster or cell, in natural lengths, the third
        coordinate towards who looks; twelve edges, four along each vector of the cell,
        of which the first three times four begin at its corner; none for clusters.
    """
    length = float(task.potential.scale.length)
    x = np.stack([three(np.asarray(one, np.float64)) for one in positions]) / length
    space = task.potential.space
    if isinstance(space, Periodic):
        cell = np.asarray(space.cell, np.float64) / length
        x = np.mod(x @ np.linalg.inv(cell) + 1e-9, 1.0) @ cell
        middle, turn = cell.sum(0) / 2, _tilt()
        return (x - middle) @ turn, (_edges(cell) - middle) @ turn
    x = x - x.mean(axis=1, keepdims=True)
    return x @ widest(x[-1]) @ _tilt(), np.zeros((0, 2, 3))


def _depth(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the order from back to front, and how near each atom is, from 0 to 1."""
    order = np.argsort(x[:, 2], kind="stable")
    span = max(float(np.ptp(x[:, 2])), 1e-9)
    return order, (x[:, 2] - x[:, 2].min()) / span


def three(x: np.ndarray) -> Float[np.ndarray, "n 3"]:
    """Return positions with a third coordinate, zero where there was none."""
    return np.concatenate([x, np.zeros((len(x), 3 - x.shape[1]))], axis=1)


def draw(axes: "Axes", task: Task, positions: Float[np.ndarray, "n d"]) -> None:
    """Draw a structure into axes, which are emptied of everything else.

    Arguments:
        axes: of matplotlib.
        task, positions: as in `balls`.
    """
    from matplotlib.collections import LineCollection
    from matplotlib.patches import Circle

    shown = balls(task, positions)
    axes.set_axis_off()
    axes.set_aspect("equal")
    lines: Any = list(shown.edges)
    axes.add_collection(LineCollection(lines, colors="0.6", linewidths=0.8))
    for (cx, cy), r, colour in zip(shown.centres, shown.radii, shown.colours, strict=True):
        axes.add_patch(
            Circle((cx, cy), r, facecolor=colour, edgecolor="0.2", linewidth=0.5)
        )
        gleam = (cx - 0.3 * r, cy + 0.33 * r)
        axes.add_patch(Circle(gleam, 0.28 * r, facecolor="white", alpha=0.45, linewidth=0))
    left, bottom, width, height = shown.frame
    axes.set(xlim=(left, left + width), ylim=(bottom, bottom + height))


def svg(task: Task, positions: Float[np.ndarray, "n d"], label: str) -> str:
    """Return a structure as an inline SVG.

    Arguments:
        task, positions: as in `balls`.
        label: what it shows, for those who cannot see it; escaped here.
    """
    from html import escape

    shown = balls(task, positions)
    left, bottom, width, height = shown.frame
    parts = [
        f'<line x1="{a[0]:.3f}" y1="{-a[1]:.3f}" x2="{b[0]:.3f}" y2="{-b[1]:.3f}"/>'
        for a, b in shown.edges
    ]
    for (cx, cy), r, colour in zip(shown.centres, shown.radii, shown.colours, strict=True):
        parts.append(
            f'<circle cx="{cx:.3f}" cy="{-cy:.3f}" r="{r:.3f}" fill="{colour}"/>'
            f'<circle class="gleam" cx="{cx - 0.3 * r:.3f}" cy="{-cy - 0.33 * r:.3f}" '
            f'r="{0.28 * r:.3f}"/>'
        )
    box = f"{left:.3f} {-bottom - height:.3f} {width:.3f} {height:.3f}"
    return (
        f'<svg class="balls" role="img" viewBox="{box}" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def widest(x: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "3 3"]:
    """Return the rotation after which the third axis is the shortest.

    Arguments:
        x: centred positions.
    """
    _, axes = np.linalg.eigh(x.T @ x)
    turn = axes[:, ::-1]
    # Signs are free: largest component positive, and no reflection.
    turn = turn * np.sign(turn[np.argmax(np.abs(turn), axis=0), range(3)])
    turn[:, 2] *= np.sign(np.linalg.det(turn))
    return turn


def _tilt() -> np.ndarray:
    (ca, cb), (sa, sb) = np.cos(TILT), np.sin(TILT)
    about_x = np.array([[1, 0, 0], [0, ca, -sa], [0, sa, ca]])
    about_y = np.array([[cb, 0, sb], [0, 1, 0], [-sb, 0, cb]])
    return about_y @ about_x


def _edges(cell: np.ndarray) -> np.ndarray:
    ends = []
    for axis in range(3):
        others = [cell[k] for k in range(3) if k != axis]
        for a in (0, 1):
            for b in (0, 1):
                start = a * others[0] + b * others[1]
                ends.append([start, start + cell[axis]])
    return np.array(ends)


def _elements(task: Task) -> tuple[list[np.ndarray], np.ndarray]:
    """Return colour and relative size of each atom."""
    if task.symbols is None:
        rgb = np.array([int(BLUE[k : k + 2], 16) for k in (1, 3, 5)])
        return [rgb] * task.n, np.ones(task.n)
    from ase.data import atomic_numbers, covalent_radii
    from ase.data.colors import jmol_colors

    numbers = [atomic_numbers[symbol] for symbol in task.symbols]
    radii = covalent_radii[numbers]
    return [255 * jmol_colors[k] for k in numbers], radii / radii.mean()


def _fade(colour: Sequence[float] | np.ndarray, near: float) -> str:
    mixed = np.asarray(colour) + 0.45 * (1 - near) * (FAR - np.asarray(colour))
    return "#" + "".join(f"{round(float(c)):02x}" for c in mixed)
