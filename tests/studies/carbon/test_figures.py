"""Tables and figures of carbon-aware dispatch: what they show is what they are given, and nothing is cut off or covered."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from carbon_cases import GRID, tiny_carbon, two_periods
from matplotlib.figure import Figure

import instances
from bilevel.errors import BilevelError
from formulations.carbon.system import CarbonSystem
from instances import Instance
from studies import contest
from studies.carbon import figures as carbon_figures
from studies.carbon import tables as carbon_tables
from studies.carbon.figures import Day
from studies.carbon.solve import CarbonResult
from studies.writing import style


def result(system: CarbonSystem, output_kw: Any, **changes: Any) -> CarbonResult:
    """A solved day with these outputs and the charging that settles."""
    day = system.settle(output_kw)
    fields: dict[str, Any] = {
        "method": "exact", "status": "certified", "reason": "", "variance_kw2": float(day.state.variance_kw2),
        "variance_bound_kw2": 0.0, "baseline_variance_kw2": 1.0, "bill": float(day.costs.bill), "bill_bound": 0.5,
        "electricity_cost": float(day.costs.electricity_cost), "carbon_cost": float(day.costs.carbon_cost),
        "loss_kwh": float(day.state.loss_kwh), "supply_kw": day.state.supply_kw, "output_kw": np.asarray(output_kw),
        "charging_kw": day.charging_kw, "station_factor": day.state.station_factor,
        "seconds": {"search": 1.5, "solve": 2.0},
    }  # fmt: skip
    return CarbonResult(**(fields | changes))


def days_of(case: Instance) -> list[Day]:
    """The day without optimisation, and one with half of every output."""
    system = CarbonSystem(case)
    half = np.tile((system.output_min_kw + system.output_max_kw) / 2, (case.horizon.periods, 1))
    return [Day.of("without", system.baseline()), Day.of("half", result(system, half))]


def steps(ax: Any, label: str) -> Any:
    """The heights of the line with this label."""
    (patch,) = [patch for patch in ax.patches if patch.get_label() == label]
    return patch.get_data()[0]


def panels(figure: Figure) -> dict[str, Any]:
    return {ax.get_title(loc="left"): ax for ax in figure.axes if ax.get_visible()}


# Figures


@pytest.mark.parametrize("name", ["tiny carbon", "ieee33_carbon"])
def test_every_panel_shows_the_series_of_its_name(name: str) -> None:
    case = tiny_carbon() if name == "tiny carbon" else instances.load(name)
    days = days_of(case)
    supply = panels(carbon_figures.supply(case, days))
    charging, factors = (panels(draw(case, days)) for draw in (carbon_figures.charging, carbon_figures.factors))
    assert len(supply) == 2 + len(case.generators)
    for day in days:
        np.testing.assert_array_equal(steps(supply["main grid"], day.name), day.supply_kw)
        for g, unit in enumerate(case.generators):
            np.testing.assert_array_equal(steps(supply[f"{unit.name} (bus {unit.bus})"], day.name), day.output_kw[:, g])
        for s, station in enumerate(case.stations):
            title = f"{station.name} (bus {station.bus})"
            np.testing.assert_array_equal(steps(charging[title], day.name), day.charging_kw[:, s])
            np.testing.assert_array_equal(steps(factors[title], day.name), day.station_factor[:, s])
    for unit in case.renewables:
        np.testing.assert_array_equal(steps(supply["renewables"], unit.name), unit.power_kw)
    np.testing.assert_array_equal(steps(charging["main grid"], "price of electricity"), case.wholesale_price_per_kwh)
    np.testing.assert_array_equal(steps(factors["sources"], "main grid"), case.carbon.grid_factor_kg_per_kwh)
    lines = {line.get_label(): line.get_ydata()[0] for line in factors["sources"].lines}
    expected: dict[float, list[str]] = {}
    for unit in case.generators:
        expected.setdefault(unit.emission_kg_per_kwh, []).append(unit.name)
    assert lines == {", ".join(names): factor for factor, names in expected.items()}
    assert len({ax.get_ylim() for ax in factors.values()}) == 1


def bare(case: Instance) -> Instance:
    """One station and no renewables, from the evening over midnight."""
    return replace(case, horizon=replace(case.horizon, start="2024-01-01T22:30:00"))


@pytest.mark.parametrize("draw", [carbon_figures.supply, carbon_figures.charging, carbon_figures.factors])
@pytest.mark.parametrize("name", ["ieee33_carbon", "ieee33_carbon_weekend", "tiny", "bare"])
def test_labels_have_units_and_stay_inside_and_apart(draw: Any, name: str) -> None:
    small = {"tiny": tiny_carbon(), "bare": bare(two_periods(0.9))}
    case = small[name] if name in small else instances.load(name)
    figure = draw(case, days_of(case))
    assert style.render(figure, "png").startswith(b"\x89PNG")
    figure.draw_without_rendering()
    shown = [ax for ax in figure.axes if ax.get_visible()]
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= figure.bbox.x0 and box.x1 <= figure.bbox.x1 and box.y0 >= figure.bbox.y0
    for ax in shown:
        assert not box.overlaps(ax.get_tightbbox())
        assert "(kW)" in ax.get_ylabel() or "(kg/kWh)" in ax.get_ylabel() or f"({case.currency}/kWh)" in ax.get_ylabel()
        ticks = [tick.get_window_extent() for tick in ax.get_xticklabels() if tick.get_visible() and tick.get_text()]
        assert all(left.x1 < right.x0 for left, right in itertools.pairwise(ticks))
    for one, other in itertools.combinations(shown, 2):
        assert not one.get_tightbbox().overlaps(other.get_tightbbox())
    assert all(ax.get_xlabel() == "hour of the day (h)" for ax in shown[-1:])
    assert all(0 <= float(tick.get_text()) < 24 for ax in shown for tick in ax.get_xticklabels() if tick.get_text())


def test_figures_are_the_same_bytes_every_time() -> None:
    case = tiny_carbon()
    first, second = (style.render(carbon_figures.supply(case, days_of(case)), "pdf") for _ in range(2))
    assert first == second


def test_bars_are_electricity_with_carbon_on_top_and_their_sum_above() -> None:
    table = pd.DataFrame(
        {"method": ["WO", "exact", "paper"], "electricity_cost": [9.0, 4.0, np.nan], "carbon_cost": [1.0, 0.5, np.nan]}
    )
    figure = carbon_figures.costs(table, "EUR")
    (ax,) = figure.axes
    assert [bar.get_height() for bar in ax.patches] == [9.0, 4.0, 1.0, 0.5]
    assert [bar.get_y() for bar in ax.patches] == [0.0, 0.0, 9.0, 4.0]
    assert [text.get_text() for text in ax.texts] == ["10.00", "4.50"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["WO", "exact"]
    assert ax.get_ylabel() == "users' bill (EUR)"
    with pytest.raises(BilevelError, match="no row with electricity_cost"):
        carbon_figures.costs(table.iloc[2:], "EUR")


def test_what_cannot_be_drawn_is_refused() -> None:
    case = tiny_carbon()
    day = days_of(case)[0]
    for days, count in (([], 0), ([day] * 5, 5)):
        with pytest.raises(BilevelError, match=f"{count} days are to be drawn: give 1 to 4"):
            carbon_figures.supply(case, days)
    nothing = result(CarbonSystem(case), np.full((3, 2), 50.0), supply_kw=None)
    with pytest.raises(BilevelError, match="the day 'lost' has no power flow to draw"):
        Day.of("lost", nothing)


# Table


def test_days_are_measured_against_the_first() -> None:
    system = CarbonSystem(two_periods(0.9, load_factor=(1.0, 0.5), cost_per_kwh=0.2))
    # The generator is dearer than the main grid and stands still; the vehicle draws 50 kW in both periods, beside 200 and 100 kW
    without = system.baseline()
    solved = result(system, [[100.0], [0.0]])
    table = carbon_tables.side_by_side({"WO": without, "exact": solved}).set_index("method")
    assert table.loc["WO", "variance_kw2"] == pytest.approx(50.0**2) and table.loc["WO", "fitness"] == 1.0
    # With 100 kW of it the main grid feeds in 100 kW in each period, and the vehicle's 100 kW more in the cleaner second one
    assert table.loc["exact", "variance_kw2"] == pytest.approx(50.0**2) and table.loc[
        "exact", "fitness"
    ] == pytest.approx(1.0)
    assert table.loc["WO", "bill"] == pytest.approx(100.0 * (0.1 + GRID))
    assert table.loc["exact", "saved_percent"] == pytest.approx(0.0, abs=1e-6)
    assert list(table["status"]) == ["", "certified"]
    assert table.loc["exact", "seconds"] == 3.5 and np.isnan(table.loc["WO", "seconds"])
    assert table.loc["exact", "bill_bound"] == 0.5
    cheaper = carbon_tables.side_by_side({"WO": without, "exact": replace(solved, bill=15.0, variance_kw2=25.0)})
    assert cheaper["saved_percent"][1] == pytest.approx(75.0) and cheaper["fitness"][1] == pytest.approx(0.01)


def test_nothing_is_a_share_of_a_level_day() -> None:
    system = CarbonSystem(two_periods(cost_per_kwh=0.2))
    table = carbon_tables.side_by_side({"WO": system.baseline(), "half": result(system, [[100.0], [0.0]])})
    assert table["variance_kw2"][0] == 0.0 and table["fitness"].isna().all()


def test_heuristics_stand_below_the_days_with_statistics_in_shares_of_the_first() -> None:
    case = tiny_carbon()
    system = CarbonSystem(case)
    problem = contest.pick(case)
    scale = float(system.baseline().state.variance_kw2)
    details = {"fitness": 1.0, "electricity_cost": 3.0, "carbon_cost": 1.0, "bill": 4.0, "loss_kwh": 2.0}
    runs = tuple(
        contest.Run("gmo", seed, share * scale, 0.0, 60, 0.5, 0.4, details, (60,), (share * scale,))
        for seed, share in enumerate((0.2, 0.4))
    )
    settings = contest.Settings(("gmo",), 2, 60)
    found = contest.Comparison(problem, settings, None, runs, 2)
    table = carbon_tables.side_by_side({"WO": system.baseline()}, found)
    row = table.iloc[-1]
    assert list(table.columns) == list(carbon_tables.COLUMNS) and row["method"] == "GMO"
    assert row["fitness"] == pytest.approx(0.2) and row["mean_fitness"] == pytest.approx(0.3)
    assert row["std_fitness"] == pytest.approx(0.1 * np.sqrt(2))
    assert row["bill"] == 4.0 and row["runs"] == 2 and row["infeasible"] == 0 and row["cpu_seconds"] == 0.4
    assert row["saved_percent"] == pytest.approx(100 * (1 - 4.0 / table["bill"][0]))


def test_a_table_needs_a_day() -> None:
    with pytest.raises(BilevelError, match="no days for a table"):
        carbon_tables.side_by_side({})
