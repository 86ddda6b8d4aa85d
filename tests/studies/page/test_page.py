"""Pieces of the page: the layout of feeders, axes, embedded JSON, numbers."""

from __future__ import annotations

import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.page import KINDS
from studies.page.panels import PANELS
from studies.page.parts import feeder_drawing, html, svg
from studies.page.parts.feeder_drawing import Feeder, layout


@st.composite
def trees(draw: st.DrawFn) -> Feeder:
    size = draw(st.integers(1, 40))
    parent = (-1, *(draw(st.integers(0, k - 1)) for k in range(1, size)))
    stations = draw(st.lists(st.integers(0, size - 1), max_size=5, unique=True))
    return Feeder(tuple(f"b{k}" for k in range(size)), parent, {k: f"station {k}" for k in stations})


@given(trees())
def test_no_bus_covers_another_and_no_line_passes_through_one(feeder: Feeder) -> None:
    found = layout(feeder)
    places = list(zip(found.depth, found.row, strict=True))
    assert len(set(places)) == len(places)
    for k, up in enumerate(feeder.parent):
        if up < 0:
            continue
        assert found.depth[k] == found.depth[up] + 1
        assert found.row[k] >= found.row[up]
        # The line goes down half a step before the bus: it crosses the lines of others that end there
        for other, (depth, row) in enumerate(places):
            if depth == found.depth[k] and found.row[up] < row < found.row[k]:
                assert feeder.parent[other] == up


def test_the_longest_way_is_the_first_row() -> None:
    #      0 - 1 - 2 - 3 with a lateral 4 at 1 and laterals 5, 6 at 2
    found = layout(Feeder(tuple("0123456"), (-1, 0, 1, 2, 1, 2, 5), {}))
    assert found.depth == (0, 1, 2, 3, 2, 3, 4)
    assert [found.row[k] for k in (0, 1, 2, 5, 6)] == [0] * 5
    assert (found.row[3], found.row[4]) == (1, 2)


@given(trees())
def test_names_of_stations_do_not_overlap(feeder: Feeder) -> None:
    drawn = feeder_drawing.drawing(feeder, None, [], "any")
    texts = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" text-anchor="middle">(station [^<]*)</text></g>', drawn)
    assert len(texts) == len(feeder.stations)
    spans = [(float(y), float(x), feeder_drawing.LETTER * len(name) / 2) for x, y, name in texts]
    for i, (y, x, half) in enumerate(spans):
        assert half <= x <= feeder_drawing.WIDTH - half
        for other_y, other_x, other_half in spans[i + 1 :]:
            assert abs(y - other_y) > 10 or abs(x - other_x) >= half + other_half


@given(st.lists(st.floats(0.8, 1.1), min_size=1, max_size=30))
def test_every_voltage_lies_within_its_class(values: list[float]) -> None:
    limits = feeder_drawing.edges(values)
    for value in values:
        k = feeder_drawing.shade(value, limits)
        assert limits[k] - 1e-4 <= value <= limits[k + 1] + 1e-4


@given(
    st.recursive(
        st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_embedded_json_is_the_same_data_and_ends_no_element(data: object) -> None:
    found = html.embedded(data)
    assert json.loads(found) == data
    assert not set("<>&") & set(found)


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "–"), (math.nan, "–"), (math.inf, "–"), (0.0, "0"), (-0.0, "0"), (3, "3"), (2781.27022, "2781.27"),
     (0.15, "0.15"), (1.2e-13, "1.2e-13"), (-5.5e-5, "-5.5e-05")],
)  # fmt: skip
def test_numbers(value: float | None, said: str) -> None:
    assert html.number(value) == said


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.booleans())
def test_lines_stay_on_the_plot(values: list[float], step: bool) -> None:
    drawn = svg.lines([svg.Series("a", list(range(len(values))), values)], "t", "x (h)", "y (kW)", step)
    pairs = re.search(r'points="([^"]+)"', drawn)
    assert pairs
    for pair in pairs[1].split():
        x, y = map(float, pair.split(","))
        assert svg.LEFT - 0.1 <= x <= svg.WIDTH - svg.RIGHT + 0.1
        assert svg.TOP - 0.1 <= y <= svg.HEIGHT - svg.BOTTOM + 0.1
    assert "x (h)" in drawn
    assert "y (kW)" in drawn


def test_a_chart_of_nothing_is_empty_and_a_logarithm_leaves_out_zero() -> None:
    assert svg.lines([svg.Series("a", [1, 2], [math.nan, math.inf])], "t", "x", "y") == ""
    assert svg.lines([svg.Series("a", [1], [0.0])], "t", "x", "y", log=True) == ""
    drawn = svg.lines([svg.Series("a", [1, 2, 3], [1.0, 0.0, 0.01])], "t", "x", "y", log=True)
    assert len(re.search(r'points="([^"]+)"', drawn)[1].split()) == 2  # type: ignore[index]


def test_ticks_are_told_apart() -> None:
    drawn = svg.axes(svg.frame([0.0, 1.0], [2781.2701, 2781.2709]), "x", "y")
    words = re.findall(r'text-anchor="end">([^<]+)<', drawn)
    assert len(words) >= 3
    assert len(set(words)) == len(words)


def test_the_registries_are_whole() -> None:
    assert len({title for title, _ in PANELS.values()}) == len(PANELS)
    assert set(KINDS) == {"solve", "pareto", "equilibrium", "compare-equilibrium", "market", "compare", "security"}
