"""Tables' shapes and the figures, also of cases that differ from the shipped one."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from oracles import tiny_case

import bilevel
import formulations
from instances import Branch, Bus, Feeder, Instance, InstanceError, Network, Station
from studies.pricing import figures as pricing_figures
from studies.pricing import results, tables
from studies.writing import feeder_paths, files, frames, style


def test_tables_have_the_columns_and_rows_that_they_promise(solved: Any) -> None:
    case, model, _ = solved
    prices = tables.prices(model, case)
    names = [f"price_{station.name}_per_kwh" for station in case.stations]
    assert list(prices.columns) == ["period", "hour", *names, "wholesale_price_per_kwh"]
    assert len(prices) == 24
    charging = tables.charging(model, case)
    columns = ["session", "station", "bus", "period", "power_kw", "energy_kwh", "price_per_kwh", "cost"]
    assert list(charging.columns) == columns
    assert len(charging) == sum(len(case.window(session)) for session in case.sessions)
    assert (charging["power_kw"] >= 0).all()
    assert tables.station_power_kw(model, case).to_numpy().sum() == pytest.approx(charging["power_kw"].sum())
    assert list(frames.voltages(model, case).columns) == ["period", "bus", "voltage_pu"]


def test_feeder_paths_cover_every_bus_once_along_its_lines(solved: Any) -> None:
    network = Network.from_feeder(solved[0].feeder)
    paths = feeder_paths.feeder_paths(network)
    names = [[network.buses[bus] for bus in path] for path in paths]
    assert [(path[0], path[-1]) for path in names] == [("1", "18"), ("19", "22"), ("23", "25"), ("26", "33")]
    assert sorted(np.concatenate(paths)) == list(range(33))
    for path in paths:
        assert (network.parent[path[1:]] == path[:-1]).all()


def odd_cases() -> list[Instance]:
    """One station; three stations of which one stands empty, half hours from the evening, names that markup might eat."""
    tiny = tiny_case()
    one = replace(tiny, stations=tiny.stations[:1], sessions=tiny.sessions[:1])
    buses = (*tiny.feeder.buses, Bus("$x$", 50.0, 0.0))
    feeder = Feeder(10.0, "a", 1.0, buses, (*tiny.feeder.branches, Branch("b", "$x$", 1.0, 1.0)))
    three = replace(
        tiny,
        currency="$",
        feeder=feeder,
        stations=(*tiny.stations, Station("[bold]$y$_{2}", "$x$")),
        horizon=replace(tiny.horizon, start="2024-01-01T22:30:00"),
        wholesale_price_per_kwh=(-0.1, 0.2, 0.3),
    )
    many = (Bus("N000", 0.0, 0.0), *(Bus(f"N{k:03d}", 4.0, 1.0) for k in range(1, 120)))
    lines = tuple(Branch(f"N{k - 1 - (k % 3 == 0):03d}", f"N{k:03d}", 0.05, 0.03) for k in range(1, 120))
    stations = (Station("s", "N020"), Station("r", "N119"))
    return [one, three, replace(tiny, feeder=Feeder(10.0, "N000", 1.0, many, lines), stations=stations)]


@pytest.mark.parametrize("case", odd_cases(), ids=["one station", "three stations", "many buses"])
def test_figures_of_other_cases_keep_their_labels_inside_and_apart(case: Instance) -> None:
    model = formulations.charging_pricing(case)
    bilevel.solve(model, progress=False)
    for draw in (pricing_figures.prices_charging, pricing_figures.voltage_profile):
        figure = draw(model, case)
        assert style.render(figure, "png").startswith(b"\x89PNG")
        figure.draw_without_rendering()
        frame = figure.bbox
        for legend in figure.legends:
            box = legend.get_window_extent()
            assert box.x0 >= frame.x0
            assert box.x1 <= frame.x1
        for ax in (ax for ax in figure.axes if ax.get_visible()):
            ticks = [
                tick.get_window_extent() for tick in ax.get_xticklabels() if tick.get_visible() and tick.get_text()
            ]
            assert all(left.x1 < right.x0 for left, right in itertools.pairwise(ticks))
            assert ax.get_xlabel() or draw is pricing_figures.prices_charging
    assert all("(" in ax.get_ylabel() for ax in pricing_figures.prices_charging(model, case).axes[::4])


def test_figures_are_the_same_bytes_every_time(solved: Any) -> None:
    case, model, _ = solved
    for kind in files.FORMATS:
        first, second = (style.render(pricing_figures.voltage_profile(model, case), kind) for _ in range(2))
        assert first == second


def test_a_result_is_written_from_python_too(solved: Any, tmp_path: Any) -> None:
    case, model, solution = solved
    written = results.write(model, case, solution, {"loss": 1.0, "profit": 1.0}, tmp_path / "out")
    assert sorted(written) == sorted(results.FILES)
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(InstanceError, match=r"notes\.txt, which is no file of a solve"):
        results.check(tmp_path / "out")


def test_a_rejected_point_gets_no_tables_and_no_figures(solved: Any) -> None:
    case, model, solution = solved
    rejected = replace(solution, status="rejected")
    assert set(results.contents(model, case, rejected, {"loss": 1.0})) == {"solution.json", "certificate.csv"}
    feasible = replace(solution, status="feasible")
    assert set(results.contents(model, case, feasible, {"loss": 1.0})) == set(results.FILES)
