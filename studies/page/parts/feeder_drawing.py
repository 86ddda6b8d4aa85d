"""A radial feeder as a drawing: buses by depth from left to right, every lateral on a row of its own, no line through a bus."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bilevel.errors import BilevelError
from studies import tolerances
from studies.page.parts.html import text
from studies.results_files.refusals import shown

WIDTH, MARGIN, LEVEL, BAND = 1000, 46, 16, 48
LABELLED = 80
"""The most buses whose names are written beside them; stations always are."""
LETTER = 7.2
"""Width of a letter of a station's name."""
BINS = 5


@dataclass(frozen=True)
class Feeder:
    """Buses in an order in which each comes after its parent; `parent` (position, -1 at the substation), stations by position."""

    buses: tuple[str, ...]
    parent: tuple[int, ...]
    stations: Mapping[int, str]


@dataclass(frozen=True)
class Layout:
    """Depth and row of every bus."""

    depth: tuple[int, ...]
    row: tuple[int, ...]


def layout(feeder: Feeder) -> Layout:
    """Walk the longest way from the substation, then from the last branching that was passed: laterals never cross a row.

    Raises `BilevelError` for what is no radial feeder: a first bus with a parent, another without one, a bus before its
    parent (as in a circle), a name that two buses have.
    """
    _require_radial(feeder)
    children: list[list[int]] = [[] for _ in feeder.buses]
    for k, up in enumerate(feeder.parent):
        if up >= 0:
            children[up].append(k)
    reach = np.zeros(len(feeder.buses), int)
    depth = np.zeros(len(feeder.buses), int)
    for k in range(len(feeder.buses) - 1, 0, -1):
        reach[feeder.parent[k]] = max(reach[feeder.parent[k]], reach[k] + 1)
    for k in range(1, len(feeder.buses)):
        depth[k] = depth[feeder.parent[k]] + 1
    row, waiting, now = np.zeros(len(feeder.buses), int), [0], 0
    while waiting:
        at = waiting.pop()
        while True:
            row[at] = now
            longest_last = sorted(children[at], key=lambda k: int(reach[k]))
            if not longest_last:
                break
            waiting += longest_last[:-1]
            at = longest_last[-1]
        now += 1
    return Layout(tuple(depth.tolist()), tuple(row.tolist()))


def _require_radial(feeder: Feeder) -> None:
    for k, up in enumerate(feeder.parent):
        if not (up == -1 if k == 0 else 0 <= up < k):
            raise BilevelError(
                f"bus {shown(feeder.buses[k])} has the parent {up} at place {k}: give the substation first, with parent -1, and "
                "every other bus after its parent"
            )
    if len(set(feeder.buses)) < len(feeder.buses):
        twice = next(bus for k, bus in enumerate(feeder.buses) if bus in feeder.buses[:k])
        raise BilevelError(f"bus {shown(twice)} stands twice: give every bus a name of its own")


def edges(values: Sequence[float]) -> list[float]:
    """Limits of the classes of colour: BINS equal ones between the lowest and the highest value, one where all are equal."""
    low, high = min(values), max(values)
    if high - low < tolerances.ONE_COLOUR_PU:
        return [low, high]
    # Of quarters, as the range itself may be beyond what a double holds
    return [4 * float(quarter) for quarter in np.linspace(low / 4, high / 4, BINS + 1)]


def shade(value: float, limits: Sequence[float]) -> int:
    """The class of a value, 0 the lowest."""
    return int(np.clip(np.searchsorted(limits[1:-1], value, side="right"), 0, len(limits) - 2))


def drawing(feeder: Feeder, lowest_pu: Sequence[float] | None, limits: Sequence[float], title: str) -> str:
    """The feeder as SVG, buses coloured by their lowest voltage (pu) where it is known."""
    found = layout(feeder)
    step = (WIDTH - 2 * MARGIN) / max(1, *found.depth)
    radius = max(3.0, min(9.0, 0.28 * step))
    levels, tops, height = _rows(feeder, found, step)
    x = [MARGIN + step * depth for depth in found.depth]
    y = [tops[row] for row in found.row]
    parts = [
        f'<path class="branch" d="M{x[up]:.1f} {y[up]:.1f}H{x[k] - step / 2:.1f}V{y[k]:.1f}H{x[k]:.1f}"/>'
        for k, up in enumerate(feeder.parent)
        if up >= 0
    ]
    for k, bus in enumerate(feeder.buses):
        value = None if lowest_pu is None else lowest_pu[k]
        parts.append(_bus(bus, value, limits, (x[k], y[k], radius)))
        if len(feeder.buses) <= LABELLED:
            below = y[k] + radius + (16 if k in feeder.stations else 13)
            parts.append(f'<text x="{x[k]:.1f}" y="{below:.1f}" text-anchor="middle">{text(bus)}</text>')
    parts += [_station(feeder, k, (x[k], y[k], radius), levels[k]) for k in feeder.stations]
    return f'<svg class="feeder" viewBox="0 0 {WIDTH} {height:.0f}" role="group" aria-label="{text(title)}">{"".join(parts)}</svg>'


def _rows(feeder: Feeder, found: Layout, step: float) -> tuple[dict[int, int], list[float], float]:
    """Level of every station's name above its row, so that names do not overlap; height of the rows, and of all."""
    levels: dict[int, int] = {}
    taken: dict[tuple[int, int], float] = {}
    for k in sorted(feeder.stations, key=lambda k: found.depth[k]):
        half = LETTER * len(feeder.stations[k]) / 2
        middle = _middle(MARGIN + step * found.depth[k], half)
        level = 0
        while taken.get((found.row[k], level), -1e9) > middle - half - 6:
            level += 1
        levels[k] = level
        taken[found.row[k], level] = middle + half
    above = [
        max([1 + levels[k] for k in levels if found.row[k] == row], default=0) for row in range(max(found.row) + 1)
    ]
    tops = [BAND * 0.6 + LEVEL * above[0]]
    for _, count in pairwise(above):
        tops.append(tops[-1] + BAND + LEVEL * count)
    return levels, tops, tops[-1] + BAND * 0.8


def _middle(x: float, half: float) -> float:
    """Where a name is centred so that it stays on the drawing."""
    return min(max(x, half + 2), WIDTH - half - 2)


def _bus(bus: str, value: float | None, limits: Sequence[float], at: tuple[float, float, float]) -> str:
    x, y, radius = at
    said = f"bus {bus}" if value is None else f"bus {bus}: lowest voltage {value:.4f} pu"
    kind = "unknown" if value is None else f"v{shade(value, limits)}"
    name, told = f'data-bus="{text(bus)}"', f'data-tip="{text(said)}"'
    return f'<circle class="bus {kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" {name} {told}/>'


def _station(feeder: Feeder, k: int, at: tuple[float, float, float], level: int) -> str:
    """A square around the bus, and the name above it with a line between them."""
    x, y, radius = at
    name, side = feeder.stations[k], radius + 3
    top = y - side - 5 - LEVEL * level
    said = f"station {name} at bus {feeder.buses[k]}"
    middle = _middle(x, LETTER * len(name) / 2)
    return (
        f'<g class="station" tabindex="0" role="img" aria-label="{text(said)}" data-tip="{text(said)}">'
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - side:.1f}" y2="{top + 3:.1f}"/>'
        f'<rect x="{x - side:.1f}" y="{y - side:.1f}" width="{2 * side:.1f}" height="{2 * side:.1f}"/>'
        f'<text x="{middle:.1f}" y="{top:.1f}" text-anchor="middle">{text(name)}</text></g>'
    )
