"""Fronts and equilibria as files: distances by hand on a made-up front, tables, figures, the folder."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib.image
import pandas as pd
import pytest
from oracles import tiny_case

from bilevel import Certificate, FrontPoint, ParetoFront
from bilevel.errors import BilevelError
from instances import InstanceError
from studies.pricing import front_comparison, front_figures, front_results
from studies.writing import style

NOTHING = Certificate(())
CHOICES = {"seed": 0, "tariff": "free", "follower": "ev_user"}


def point(limited: float, maximized: float, limit: float, bound: float, status: str = "certified") -> FrontPoint:
    return FrontPoint(limited, maximized, limit, bound, bound / maximized - 1, status, NOTHING, 1.0, {})


def made_up(points: Sequence[FrontPoint] | None = None) -> ParetoFront:
    """Losses 100, 110, 120, 130 held under 100.5, 110, 120 and nothing; profits 50, 70, 80, 84, each bound 0.5 more."""
    if points is None:
        points = (
            point(100.0, 50.0, 100.5, 50.5),
            point(110.0, 70.0, 110.0, 70.5),
            point(120.0, 80.0, 120.0, 80.5),
            point(130.0, 84.0, math.inf, 84.5),
        )
    spent = {"compile": 0.1, "solve": 2.0, "certify": 0.2}
    return ParetoFront(
        tuple(points), 99.0, 84.5, True, "4 limits at equal distances", 6, spent, {"method": "augmented"}
    )


def made_trace(residuals: Sequence[float]) -> Any:
    """What a figure reads of a trace."""
    rows = [(k + 1, value, 3000.0 + value) for k, value in enumerate(residuals)]
    table = pd.DataFrame(rows, columns=["iteration", "residual", "objective"])
    return SimpleNamespace(to_frame=lambda: table)


ABOUT = {**CHOICES, "case": "made_up", "evs": 2, "currency": "EUR"}

# loss, profit: the front's profit found and proven, its loss found and proven, the side
BY_HAND = [
    # Under the loss 115 the point (110, 70) is found and the limit 120 proves 80.5; a profit of 60 is found at 110, and
    # impossible up to the limit 100.5, whose bound is 50.5
    (115.0, 60.0, 70.0, 80.5, 110.0, 100.5, "behind"),
    # Between (110, 70) and (120, 80), above the first and below the bound: nothing decides
    (115.0, 75.0, 70.0, 80.5, 120.0, 110.0, "undecided"),
    # On the front's own points, within a ten-thousandth
    (120.0, 80.5, 80.0, 80.5, 130.0, 110.0, "on"),
    (130.0, 84.499, 84.0, 84.5, math.inf, 120.0, "on"),
    # Better than the proven 70.5 under the limit 110; less loss than the proven least; more profit than the proven most
    (109.9, 71.0, 50.0, 70.5, 120.0, 110.0, "in front"),
    (98.0, 10.0, -math.inf, -math.inf, 100.0, 99.0, "in front"),
    (140.0, 90.0, 84.0, 84.5, math.inf, math.inf, "in front"),
    # Worse than everything
    (140.0, 40.0, 84.0, 84.5, 100.0, 99.0, "behind"),
]


@pytest.mark.parametrize(
    ("loss", "profit", "profit_found", "profit_bound", "loss_found", "loss_bound", "side"), BY_HAND
)
def test_distances_by_hand(
    loss: float,
    profit: float,
    profit_found: float,
    profit_bound: float,
    loss_found: float,
    loss_bound: float,
    side: str,
) -> None:
    found = front_comparison.compare(made_up(), loss, profit, valid=True)
    assert (found.front_profit, found.bound_profit) == (profit_found, profit_bound)
    assert (found.front_loss, found.bound_loss) == (loss_found, loss_bound)
    assert found.side == side
    assert found.contradiction == (side == "in front")


def test_the_price_of_iteration_is_what_the_front_has_more() -> None:
    found = front_comparison.compare(made_up(), 115.0, 60.0, valid=True)
    assert found.profit_forgone == (10.0, 20.5)
    assert found.loss_excess == (5.0, 14.5)
    table = found.to_frame().set_index("quantity")
    assert table.loc["station_profit", "share_least"] == pytest.approx(10 / 70)
    assert table.loc["station_profit", "share_most"] == pytest.approx(20.5 / 80.5)
    assert table.loc["network_loss_kwh", "share_least"] == pytest.approx(5 / 110)
    assert table.loc["network_loss_kwh", "share_most"] == pytest.approx(14.5 / 100.5)
    # A valid point that lies above a point of the front gives away nothing for certain
    assert front_comparison.compare(made_up(), 115.0, 75.0, valid=True).profit_forgone == (0.0, 5.5)
    assert front_comparison.compare(made_up(), 115.0, 75.0, valid=True).loss_excess == (0.0, 5.0)


def test_a_point_that_breaks_a_row_may_be_in_front_and_contradicts_nothing() -> None:
    found = front_comparison.compare(made_up(), 109.9, 75.0, valid=False)
    assert found.side == "in front"
    assert not found.contradiction
    assert found.profit_forgone == (-25.0, -4.5)
    assert found.to_dict()["feasible"] is False


def test_what_is_unknown_is_null_in_json() -> None:
    found = front_comparison.compare(made_up(), 140.0, 90.0, valid=False).to_dict()
    assert found["network_loss_kwh"]["front_found"] is None
    json.dumps(found, allow_nan=False)


def test_the_latex_table_has_every_point_and_escapes_its_currency() -> None:
    front = made_up((point(100.0, 50.0, 100.5, 50.5), point(110.0, 70.0, 110.0, math.inf, "feasible")))
    text = front_results.latex(front.to_frame("network_loss_kwh", "station_profit"), {**ABOUT, "currency": "US$"})
    assert r"100.000 & 50.00 & 50.50 & 1.0000 & yes \\" in text
    assert r"110.000 & 70.00 & -- & -- & no \\" in text
    assert r"kWh & US\$ & US\$ & \% & \\" in text
    for word in (r"\toprule", r"\midrule", r"\bottomrule", r"\end{tabular}"):
        assert text.count(word) == 1


def test_a_front_without_points_has_no_figure_and_loses_old_ones(tmp_path: Path) -> None:
    front_results.write(tmp_path, front_results.front_files(made_up(), ABOUT), front_results.FRONT_FILES)
    assert {path.name for path in tmp_path.iterdir()} == set(front_results.FRONT_FILES)
    front_results.write(tmp_path, front_results.front_files(made_up(()), ABOUT), front_results.FRONT_FILES)
    assert {path.name for path in tmp_path.iterdir()} == {"front.csv", "front.json", "front.tex"}
    assert (tmp_path / "front.csv").read_text() == ",".join(front_results.COLUMNS) + "\n"


def figures() -> dict[str, Any]:
    front, found = made_up(), front_comparison.compare(made_up(), 115.0, 60.0, valid=True)
    large = made_up([point(1e6 + 100 * k, 2e5 + k, math.inf, 2e5 + k + 0.1) for k in range(3)])
    return {
        "front": front_figures.front(front, "EUR"),
        "one point": front_figures.front(made_up([point(100.0, 50.0, 100.0, 50.0, "feasible")]), "EUR"),
        "large numbers": front_figures.front(large, "EUR"),
        "comparison": front_figures.comparison(front, found, "EUR"),
        "far": front_figures.comparison(front, front_comparison.compare(front, 90.0, 500.0, valid=False), "EUR"),
        "trace": front_figures.trace(made_trace([1.0, 0.1, 1e-3, 0.0]), "EUR", 1e-4),
        "trace at once": front_figures.trace(made_trace([0.0]), "EUR", 1e-4),
    }


@pytest.mark.parametrize("name", list(figures()))
def test_figures_fit_one_column_and_say_their_units(name: str) -> None:
    figure = figures()[name]
    pixels = matplotlib.image.imread(io.BytesIO(style.render(figure, "png")))[..., :3]
    assert 0.01 < float((pixels.min(axis=2) < 0.85).mean()) < 0.6
    assert style.render(figure, "pdf").startswith(b"%PDF-")
    assert figure.get_size_inches()[0] == 3.5
    figure.draw_without_rendering()
    for legend in figure.legends:
        box = legend.get_window_extent()
        assert box.x0 >= figure.bbox.x0
        assert box.x1 <= figure.bbox.x1
    labels = [ax.get_ylabel() for ax in figure.axes] + [ax.get_xlabel() for ax in figure.axes]
    assert sum("EUR" in label for label in labels) == 1
    assert name.startswith("trace") or "network loss in kWh" in labels
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            ticks = [tick for tick in axis.get_ticklabels() if tick.get_visible()]
            assert not axis.get_offset_text().get_text()
            assert not any("$" in tick.get_text() or "e" in tick.get_text() for tick in ticks)
            assert all(tick.get_fontsize() >= 7 for tick in ticks)
        assert ax.xaxis.label.get_fontsize() >= 7


def test_the_store_is_refused_without_resume_and_for_other_options(tmp_path: Path) -> None:
    case = tiny_case()
    with front_results.open_store(tmp_path, case, CHOICES) as store:
        assert store == tmp_path / "points"
    front_results.check_store(tmp_path, case, CHOICES, resume=False)  # no point yet: nothing to lose
    (store / "points.jsonl").write_text("{}\n")
    with pytest.raises(BilevelError, match="--resume, or give another folder with --out"):
        front_results.check_store(tmp_path, case, CHOICES, resume=False)
    with pytest.raises(BilevelError, match="tariff is 'free' there and 'levels' here"):
        front_results.check_store(tmp_path, case, {**CHOICES, "tariff": "levels"}, resume=True)
    front_results.check_store(tmp_path, case, CHOICES, resume=True)


@pytest.mark.parametrize("points", [False, True])
def test_a_refusal_leaves_nothing_but_points(tmp_path: Path, points: bool) -> None:
    folder = tmp_path / "new" / "out"
    with pytest.raises(BilevelError, match="refused"), front_results.open_store(folder, tiny_case(), CHOICES) as store:
        if points:
            (store / "points.jsonl").write_text("{}\n")
        raise BilevelError("refused")
    assert bool(list(tmp_path.iterdir())) == points


def test_what_a_killed_write_left_is_no_foreign_file(tmp_path: Path) -> None:
    (tmp_path / ".front.csv.abc").write_text("half")
    front_results.check(tmp_path)
    front_results.write(tmp_path, {"front.csv": "whole"}, front_results.FRONT_FILES)
    assert [path.name for path in tmp_path.iterdir()] == ["front.csv"]
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InstanceError, match=r"notes\.txt, which is no file of a front"):
        front_results.check(tmp_path)
