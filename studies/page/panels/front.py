"""The Pareto front: every point can be hovered over, and chosen by click or key to show its prices and charging."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from studies.page.parts import svg
from studies.page.parts.day import day
from studies.page.parts.folder import MissingPieceError, ResultsFolder
from studies.page.parts.html import number, text
from studies.page.parts.svg import Frame
from studies.pricing.front_points import DECISIONS
from studies.pricing.front_results import FRONTS

WIDTH, HEIGHT = 900, 360
Point = Mapping[str, Any]


def draw(results: ResultsFolder) -> str:
    """Empty for commands without a front."""
    if results.kind not in ("pareto", "compare-equilibrium"):
        return ""
    points = results.json("front.json")["points"]
    if not points:
        raise MissingPieceError("the front has no point")
    return _chart(results, points) + _days(results, points)


def _chart(results: ResultsFolder, points: Sequence[Point]) -> str:
    money, end, others = results.currency, _equilibrium(results), _others(results)
    loss, profit = "network_loss_kwh", "station_profit"
    seen = [*points, *([end] if end else []), *others]
    shape = _roomy(svg.frame([p[loss] for p in seen], [v for p in seen for v in (p[profit], p.get("bound")) if v is not None],
                             width=WIDTH, height=HEIGHT))  # fmt: skip
    marks = "".join(_mark(shape, p, k, money) for k, p in enumerate(points, 1))
    body = svg.axes(shape, "network loss (kWh)", f"station profit ({money})") + _bound(shape, points) + marks
    body += _diamond(shape, end, money) if end else ""
    body += "".join(_other(shape, other, money) for other in others)
    title = "Points of the front; choose one to see its prices and charging"
    hint = "Arrow keys go from point to point; Enter or a click chooses one."
    return (
        f'<figure class="broad"><figcaption>{title}</figcaption>'
        f'<svg id="front-chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="group" aria-label="{title}">{body}</svg>'
        f'{_legend(bool(end), [str(other["ties"]) for other in others])}</figure><p class="hint">{hint}</p>'
    )


def _roomy(shape: Frame) -> Frame:
    """Room at both sides, so that no point stands on the edge."""
    low, high = shape.x
    room = 0.04 * high - 0.04 * low
    return Frame(svg.finite_limits(low - room, high + room), shape.y, shape.width, shape.height)


def _mark(shape: Frame, point: Point, k: int, money: str) -> str:
    x, y = shape.px(point["network_loss_kwh"]), shape.py(point["station_profit"])
    said = _said(point, k, money)
    kind = "point" if point["status"] == "certified" else "point open"
    return (
        f'<g class="{kind}" tabindex="0" role="button" data-point="{k}" aria-pressed="{"true" if k == 1 else "false"}" '
        f'aria-label="{text(said)}" data-tip="{text(said)}"><circle class="reach" cx="{x:.1f}" cy="{y:.1f}" r="12"/>'
        f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="5.5"/></g>'
    )


def _said(point: Point, k: int, money: str) -> str:
    loss, profit = number(point["network_loss_kwh"], 7), number(point["station_profit"], 6)
    # Older versions do not say whose word a bound is
    whose = {"checked": "by a checked proof", "solver": "by the solver's bound"}.get(
        point.get("proven", ""), "by its bound"
    )
    bound = f", at most {number(point['bound'], 6)} {money} {whose}" if point["bound"] is not None else ""
    return f"point {k}: loss {loss} kWh, profit {profit} {money}{bound}, {point['status']}"


def _bound(shape: Frame, points: Sequence[Point]) -> str:
    """The bounds as short bars above the points."""
    bars = [(shape.px(p["network_loss_kwh"]), shape.py(p["bound"])) for p in points if p["bound"] is not None]
    return "".join(
        f'<line class="bound" x1="{x - 9:.1f}" x2="{x + 9:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>' for x, y in bars
    )


def _equilibrium(results: ResultsFolder) -> Point | None:
    """Where the iteration ends, if the folder holds one with a point."""
    if results.kind != "compare-equilibrium" or not results.has("trace.json"):
        return None
    trace = results.json("trace.json")
    return None if trace["network_loss_kwh"] is None or trace["station_profit"] is None else trace


def _others(results: ResultsFolder) -> Sequence[Point]:
    """Points of the other conventions of ties, where several fronts were traced."""
    if results.kind != "pareto" or not results.has(FRONTS):
        return []
    found = results.table(FRONTS)
    return [dict(row) for row in found[found["ties"] != found["ties"].iloc[0]].to_dict("records")]


def _other(shape: Frame, point: Point, money: str) -> str:
    margin = point["margin_per_kwh"]
    kept = f", margin {margin:g} {money}/kWh" if math.isfinite(margin) else ""
    said = f"{point['ties']} front: loss {number(point['network_loss_kwh'], 7)} kWh, profit "
    said += (
        f"{number(point['station_profit'], 6)} {money}{kept}, {'certified' if point['certified'] else 'not certified'}"
    )
    return _mark_at(shape, point, said, 5)


def _mark_at(shape: Frame, point: Point, said: str, size: int) -> str:
    x, y = shape.px(point["network_loss_kwh"]), shape.py(point["station_profit"])
    path = f"M{x:.1f} {y - size:.1f}l{size} {size}l-{size} {size}l-{size}-{size}z"
    return f'<g class="end" tabindex="0" role="img" aria-label="{text(said)}" data-tip="{text(said)}"><path d="{path}"/></g>'


def _diamond(shape: Frame, end: Point, money: str) -> str:
    loss, profit = number(end["network_loss_kwh"], 7), number(end["station_profit"], 6)
    said = f"end of the iteration: loss {loss} kWh, profit {profit} {money}, {end['solution']['status']}"
    return _mark_at(shape, end, said, 8)


def _legend(end: bool, others: Sequence[str]) -> str:
    marks = {
        "certified": '<g class="point"><circle class="dot" cx="14" cy="8" r="5.5"/></g>',
        "not certified": '<g class="point open"><circle class="dot" cx="14" cy="8" r="5.5"/></g>',
        "bound": '<line class="bound" x1="5" x2="23" y1="8" y2="8"/>',
    }
    if end:
        marks["end of the iteration"] = '<g class="end"><path d="M14 1l7 7l-7 7l-7-7z"/></g>'
    marks |= {f"{name} front": '<g class="end"><path d="M14 3l5 5l-5 5l-5-5z"/></g>' for name in others}
    items = (
        f'<li><svg viewBox="0 0 28 16" width="28" height="16" aria-hidden="true">{mark}</svg>{text(name)}</li>'
        for name, mark in marks.items()
    )
    return f'<ul class="legend">{"".join(items)}</ul>'


def numbered(results: ResultsFolder, name: str, count: int | None) -> dict[int, pd.DataFrame]:
    """The rows of a table by point; raises `DamagedFileError` where it has other points than the front's `count`."""
    parts = {k: part for k, (_, part) in enumerate(results.table(name).groupby("point"), 1)}
    if count is not None and len(parts) != count:
        raise results.damaged(name, f"the table is of {len(parts)} points, and front.json of {count}")
    return parts


def _days(results: ResultsFolder, points: Sequence[Point]) -> str:
    """The decisions of every point, all but the first hidden until they are chosen."""
    if not results.has(DECISIONS):
        return f"<p>{DECISIONS} is not in the folder, so that prices and charging of the points are left out.</p>"
    parts = numbered(results, DECISIONS, len(points))
    days = "".join(
        f'<div class="day" id="point-{k}"{"" if k == 1 else " hidden"}><h3>{text(_said(p, k, results.currency))}</h3>'
        f"{day(parts[k], results.currency, f'point {k}')}</div>"
        for k, p in enumerate(points, 1)
    )
    return f'<div aria-live="polite">{days}</div>'
