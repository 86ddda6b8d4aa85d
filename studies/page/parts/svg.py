"""Line charts as SVG, with units on both axes; series differ in dash and marker as well as in colour."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from studies import tolerances
from studies.page.parts.html import number, text

INKS = ("#0b5394", "#b45309", "#0f6e4f", "#8e2a6b", "#4b4b4b", "#6b4a00")
DASHES = ("", "7 3", "2 3", "9 3 2 3", "12 4", "4 2")
HUGE = 1e100
"""Beyond it ticks are those of values over a power of ten."""
STEPS = (1, 2, 2.5, 5, 10)
WIDTH, HEIGHT = 560, 260
LEFT, RIGHT, TOP, BOTTOM = 72, 14, 12, 54


@dataclass(frozen=True)
class Series:
    """A line: its name, and its points, from which those without a finite number are left out."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Frame:
    """The plot's ranges on a drawing of `width` x `height`; of a logarithmic (`log`) vertical axis `y` holds powers of ten."""

    x: tuple[float, float]
    y: tuple[float, float]
    width: int = WIDTH
    height: int = HEIGHT
    log: bool = False

    def px(self, value: float) -> float:
        """Horizontal place of a value."""
        return LEFT + _share(value, self.x) * (self.width - LEFT - RIGHT)

    def py(self, value: float) -> float:
        """Vertical place of a value."""
        return self.upward(math.log10(value) if self.log else value)

    def upward(self, at: float) -> float:
        """Vertical place of a value, of a power of ten on a logarithmic axis."""
        return self.height - BOTTOM - _share(at, self.y) * (self.height - TOP - BOTTOM)


def _share(value: float, limits: tuple[float, float]) -> float:
    """Where a value is between the limits, from 0 to 1; of quarters, as the range of any two doubles may be none."""
    low, high = limits[0] / 4, limits[1] / 4
    return (value / 4 - low) / (high - low)


def frame(x: Sequence[float], y: Sequence[float], log: bool = False, width: int = WIDTH, height: int = HEIGHT) -> Frame:
    """The frame that holds these values with a little room; whole powers of ten on a logarithmic axis."""
    across = _range(x, 0.0)
    if log:
        first, last = math.floor(math.log10(min(y))), math.ceil(math.log10(max(y)))
        return Frame(across, (first, max(last, first + 1)), width, height, log)
    return Frame(across, _range(y, 0.06), width, height)


def _range(values: Sequence[float], room: float) -> tuple[float, float]:
    low, high = float(min(values)), float(max(values))
    if high - low <= tolerances.AXIS_FLAT * max(abs(low), abs(high), tolerances.AXIS_NOTHING):
        half = max(abs(low) * 0.05, tolerances.AXIS_HALF)
        return finite_limits(low - half, high + half)
    wide = _finite_double(high - low)
    return finite_limits(low - room * wide, high + room * wide)


def finite_limits(low: float, high: float) -> tuple[float, float]:
    """Limits of an axis as doubles that are finite."""
    return _finite_double(low), _finite_double(high)


def _finite_double(value: float) -> float:
    return min(max(value, -sys.float_info.max), sys.float_info.max)


def axes(shape: Frame, x_label: str, y_label: str) -> str:
    """Grid, ticks and labels."""
    right, floor = shape.width - RIGHT, shape.height - BOTTOM
    parts = [f'<rect class="plot" x="{LEFT}" y="{TOP}" width="{right - LEFT}" height="{floor - TOP}"/>']
    for words, value in _ticks(shape.y, 5, shape.log):
        at = f"{shape.upward(value):.1f}"
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{at}" y2="{at}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{at}" dy="4" text-anchor="end">{words}</text>')
    for words, value in _ticks(shape.x, 8, False):
        at = f"{shape.px(value):.1f}"
        parts.append(f'<line class="grid" x1="{at}" x2="{at}" y1="{floor}" y2="{floor + 4}"/>')
        parts.append(f'<text x="{at}" y="{floor + 21}" text-anchor="middle">{words}</text>')
    middle = (TOP + floor) / 2
    parts.append(
        f'<text x="{(LEFT + right) / 2}" y="{shape.height - 8}" text-anchor="middle">{text(x_label)}</text>'
        f'<text transform="translate(13 {middle}) rotate(-90)" text-anchor="middle">{text(y_label)}</text>'
    )
    return "".join(parts)


def _ticks(limits: tuple[float, float], most: int, log: bool) -> list[tuple[str, float]]:
    """Words and values of the ticks, all with the decimals that their step needs; whole between whole ends (hours, iterations).

    Values of a logarithmic axis are powers of ten.
    """
    low, high = limits
    if log:
        first, last = round(low), round(high)
        every = max(1, math.ceil((last - first) / most))
        return [(f"1e{power}", float(power)) for power in range(first, last + 1, every)]
    largest = max(abs(low), abs(high))
    if largest > HUGE:
        # What matplotlib computes would be beyond what a double holds
        power = math.floor(math.log10(largest))
        size = 10.0**power
        return [(f"{words}e{power}", value * size) for words, value in _ticks((low / size, high / size), most, False)]
    # Loaded where ticks are made: matplotlib takes longer to load than a small case to solve
    from matplotlib.ticker import MaxNLocator

    room = tolerances.AXIS_TICK * (high - low)
    whole = float(low).is_integer() and float(high).is_integer()
    values = MaxNLocator(most, steps=STEPS, integer=whole).tick_values(low, high)
    digits = next((k for k in range(12) if np.allclose(values, np.round(values, k), rtol=0, atol=room)), 12)
    return [(f"{v:.{digits}f}" if abs(v) < 1e6 else number(v, 4), v) for v in values if low - room <= v <= high + room]


def lines(
    series: Sequence[Series], title: str, x_label: str, y_label: str, step: bool = False, log: bool = False
) -> str:
    """A chart with its legend below; `step` holds every value until the next x, and the last one for as long as the one before.

    A logarithmic axis leaves out values that are not positive.  Empty where nothing is left to draw.
    """
    kept = [_finite(one, log) for one in series]
    if not any(len(one.x) for one in kept):
        return ""
    if step:
        kept = [_stepped(one) for one in kept]
    shape = frame([v for one in kept for v in one.x], [v for one in kept for v in one.y], log)
    body = axes(shape, x_label, y_label) + "".join(_line(shape, one, k) for k, one in enumerate(kept) if len(one.x))
    legend = "".join(f"<li>{_swatch(k)}{text(one.name)}</li>" for k, one in enumerate(kept))
    drawing = f'<svg viewBox="0 0 {shape.width} {shape.height}" role="img" aria-label="{text(title)}">{body}</svg>'
    return f'<figure><figcaption>{text(title)}</figcaption>{drawing}<ul class="legend">{legend}</ul></figure>'


def _finite(one: Series, log: bool) -> Series:
    x, y = np.asarray(one.x, float), np.asarray(one.y, float)
    good = np.isfinite(x) & np.isfinite(y) & ((y > 0) | (not log))
    return Series(one.name, x[good].tolist(), y[good].tolist())


def _stepped(one: Series) -> Series:
    if not len(one.x):
        return one
    last = _finite_double(one.x[-1] + (one.x[-1] - one.x[-2] if len(one.x) > 1 else 1.0))
    x = [*np.repeat(one.x, 2).tolist()[1:], last]
    return Series(one.name, x, np.repeat(one.y, 2).tolist())


def _line(shape: Frame, one: Series, k: int) -> str:
    points = " ".join(f"{shape.px(x):.1f},{shape.py(y):.1f}" for x, y in zip(one.x, one.y, strict=True))
    mark = ""
    if len(one.x) == 1:
        mark = f'<circle cx="{shape.px(one.x[0]):.1f}" cy="{shape.py(one.y[0]):.1f}" r="3" fill="{_ink(k)}"/>'
    return f'<polyline class="line" stroke="{_ink(k)}" stroke-dasharray="{_dash(k)}" points="{points}"/>{mark}'


def _swatch(k: int) -> str:
    line = f'<line class="line" x1="1" x2="27" y1="5" y2="5" stroke="{_ink(k)}" stroke-dasharray="{_dash(k)}"/>'
    return f'<svg viewBox="0 0 28 10" width="28" height="10" aria-hidden="true">{line}</svg>'


def _ink(k: int) -> str:
    return INKS[k % len(INKS)]


def _dash(k: int) -> str:
    return DASHES[k % len(DASHES)]
