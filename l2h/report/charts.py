"""Charts as inline SVG, coloured by the page's style: light, dark or printed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from jaxtyping import Float

WIDTH, HEIGHT = 400, 270
# On the left, room for a title and numbers of eight characters; on the right, for half of
# the last label.
LEFT, RIGHT, TOP, BOTTOM = 92, 28, 10, 46
# Of a character, in a wide font, and least space between two labels.
CHARACTER, BETWEEN = 8.3, 6.0


@dataclass(frozen=True)
class Axis:
    """One axis: its range, its title, and whether it is logarithmic."""

    low: float
    high: float
    title: str
    log: bool = False

    def place(self, value: float) -> float:
        """Return where a value lies, from 0 to 1."""
        low, high = self.low, self.high
        if self.log:
            value, low, high = (math.log10(v) for v in (value, low, high))
        return (value - low) / ((high - low) or 1.0)

    def ticks(self) -> list[float]:
        """Return round numbers within the range."""
        if self.log:
            first, last = math.floor(math.log10(self.low)), math.log10(self.high)
            # Within few decades, powers of ten alone say too little.
            digits = (1, 2, 5) if last - first < 2.5 else (1,)
            found = [d * 10.0**k for k in range(first, int(last) + 1) for d in digits]
            return [value for value in found if self.low <= value <= self.high]
        step = _round_step((self.high - self.low) / 5)
        first = math.ceil(self.low / step - 1e-9)
        count = math.floor(self.high / step + 1e-9) - first + 1
        return [round((first + k) * step, 12) for k in range(count)]


def steps(
    points: Float[np.ndarray, "t 2"], x: Axis, y: Axis, mark: float | None, label: str
) -> str:
    """Return a falling staircase: each value holds until the next.

    Arguments:
        points: abscissa and value.
        x, y: axes; what lies outside is drawn at their edge.
        mark: a value that is marked by a dashed line, if within the range.
        label: what the chart shows, for those who cannot see it.
    """
    at = [(_x(x, a), _y(y, b)) for a, b in points]
    path = f"M{at[0][0]:.1f} {at[0][1]:.1f}" if at else ""
    path += "".join(f"H{a:.1f}V{b:.1f}" for a, b in at[1:])
    dots = "".join(f'<circle class="dot" cx="{a:.1f}" cy="{b:.1f}" r="3"/>' for a, b in at)
    line = f'<path class="line" d="{path}"/>' if path else ""
    return _chart(line + dots + _level(y, mark), x, y, label)


def path(points: Float[np.ndarray, "t 2"], x: Axis, y: Axis, label: str, name: str) -> str:
    """Return a line through points, with one dot that a script may move.

    Arguments:
        points: abscissa and value; the dot begins at the last.
        x, y: axes; what lies outside is drawn at their edge.
        label: what the chart shows, for those who cannot see it.
        name: identifies the dot.
    """
    at = places(points, x, y)
    line = "M" + "L".join(f"{a} {b}" for a, b in at)
    a, b = at[-1]
    dot = f'<circle class="here" id="{escape(name)}" cx="{a}" cy="{b}" r="5"/>'
    return _chart(f'<path class="line" d="{line}"/>{dot}', x, y, label)


def places(points: Float[np.ndarray, "t 2"], x: Axis, y: Axis) -> list[list[float]]:
    """Return where points lie in a chart of these axes."""
    return [[round(_x(x, a), 1), round(_y(y, b), 1)] for a, b in points]


def columns(
    edges: Float[np.ndarray, " e"],
    heights: Float[np.ndarray, " b"],
    x: Axis,
    y: Axis,
    label: str,
) -> str:
    """Return a histogram.

    Arguments:
        edges: of the columns, one more than there are columns.
        heights: their values.
        x, y: axes.
        label: what the chart shows, for those who cannot see it.
    """
    floor = _y(y, y.low)
    bars = []
    for left, right, height in zip(edges[:-1], edges[1:], heights, strict=True):
        if height > 0:
            a, b, top = _x(x, left), _x(x, right), _y(y, height)
            bars.append(
                f'<rect class="bar" x="{a:.1f}" y="{top:.1f}" '
                f'width="{max(b - a - 1, 1):.1f}" height="{max(floor - top, 1):.1f}"/>'
            )
    return _chart("".join(bars), x, y, label)


def bars(names: Sequence[str], values: Sequence[float], title: str, label: str) -> str:
    """Return horizontal bars, each with its name and its number.

    Arguments:
        names: of the bars, from above.
        values: not negative.
        title: what the numbers are.
        label: what the chart shows, for those who cannot see it.
    """
    row, most = 34, max([*values, 1e-12])
    height = row * len(names) + 30
    parts = []
    for k, (name, value) in enumerate(zip(names, values, strict=True)):
        y = k * row
        width = (WIDTH - 60) * value / most
        parts.append(
            f'<text class="name" x="0" y="{y + 12}">{escape(name)}</text>'
            f'<rect class="bar" x="0" y="{y + 17}" height="12" width="{width + 1:.1f}"/>'
            f'<text class="number" x="{width + 6:.1f}" y="{y + 28}">{value:,.0f}</text>'
        )
    parts.append(f'<text class="title" x="0" y="{height - 8}">{escape(title)}</text>')
    return _svg("".join(parts), height, label)


def _chart(inside: str, x: Axis, y: Axis, label: str) -> str:
    floor, parts = HEIGHT - BOTTOM, []
    ticks = x.ticks()
    parts += [f'<path class="grid" d="M{_x(x, t):.1f} {TOP}V{floor}"/>' for t in ticks]
    parts += [
        f'<text class="tick" text-anchor="middle" x="{_x(x, value):.1f}" '
        f'y="{floor + 18}">{number(value)}</text>'
        for value in _labelled(x, ticks)
    ]
    for value in y.ticks():
        at = _y(y, value)
        parts.append(
            f'<path class="grid" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>'
            f'<text class="tick" text-anchor="end" x="{LEFT - 8}" y="{at + 4:.1f}">'
            f"{number(value)}</text>"
        )
    parts.append(
        f'<text class="title" text-anchor="middle" x="{(LEFT + WIDTH - RIGHT) / 2}" '
        f'y="{HEIGHT - 8}">{escape(x.title)}</text>'
        f'<text class="title" text-anchor="middle" transform="translate(15 '
        f'{(TOP + floor) / 2}) rotate(-90)">{escape(y.title)}</text>'
    )
    return _svg("".join(parts) + inside, HEIGHT, label)


def _labelled(x: Axis, ticks: Sequence[float]) -> list[float]:
    """Return those ticks that have room for their numbers; powers of ten come first."""
    reach = {v: CHARACTER * len(number(v)) / 2 for v in ticks}
    chosen: list[float] = []
    for a in sorted(ticks, key=lambda v: x.log and not math.log10(v).is_integer()):
        if all(abs(_x(x, a) - _x(x, b)) > reach[a] + reach[b] + BETWEEN for b in chosen):
            chosen.append(a)
    return sorted(chosen)


def _svg(inside: str, height: int, label: str) -> str:
    return (
        f'<svg class="chart" role="img" viewBox="0 0 {WIDTH} {height}" '
        f'aria-label="{escape(label)}">{inside}</svg>'
    )


def _level(y: Axis, value: float | None) -> str:
    if value is None or not y.low <= value <= y.high:
        return ""
    at = _y(y, value)
    return f'<path class="mark" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>'


def _x(axis: Axis, value: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * min(max(axis.place(value), 0.0), 1.0)


def _y(axis: Axis, value: float) -> float:
    height = HEIGHT - TOP - BOTTOM
    return TOP + height * (1 - min(max(axis.place(value), 0.0), 1.0))


def _round_step(step: float) -> float:
    if not step > 0:
        return 1.0
    ten = 10.0 ** math.floor(math.log10(step))
    return next(k * ten for k in (1, 2, 5, 10) if k * ten >= step * (1 - 1e-9))


def number(value: float) -> str:
    """Return a number as people write it, with a proper minus sign."""
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.6g}"
    return text.replace("-", "\N{MINUS SIGN}")
