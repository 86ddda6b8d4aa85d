"""What a market's folder says, recomputed from its files: balances, storages, energies, bills, prices; and its figures."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from market_days import afternoon

import formulations
import instances
from bilevel.certify.certificate import Certificate
from bilevel.errors import BilevelError
from instances import Instance, InstanceError, Network
from studies.market import figures as market_figures
from studies.market import results as market_results
from studies.market import verdict
from studies.market.three_ways import MarketComparison
from studies.writing.feeder_paths import feeder_paths

WAYS = ("exact", "equilibrium", "cooperative")
CHOICES = {"demand": "scheduled", "seed": None, "fee_per_kwh": 0.05}
Files = Mapping[str, str | bytes]


@pytest.fixture(scope="module")
def found() -> MarketComparison:
    return formulations.three_ways(afternoon(), fee_per_kwh=0.05, progress=False)


@pytest.fixture(scope="module")
def files(found: MarketComparison) -> Files:
    return market_results.contents(found, CHOICES, {"gap": 1e-3, "solver": "highs"}, "highs")


def table(files: Files, name: str) -> pd.DataFrame:
    content = files[name]
    assert isinstance(content, str)
    return pd.read_csv(io.StringIO(content), dtype={"bus": str})


def without(found: MarketComparison, *ways: str) -> MarketComparison:
    """The comparison as it would be if these ways had no point."""
    runs = dict(found.runs)
    nothing = pd.DataFrame()
    for way in ways:
        solution = replace(
            runs[way].solution, status="unknown", reason="nothing was found", objective=np.nan, bound=np.nan, gap=np.inf,
            certificate=Certificate(()), values={},
        )  # fmt: skip
        runs[way] = replace(
            runs[way], solution=solution, figures={}, aggregators=nothing, network=nothing, buses=nothing
        )
    return replace(found, runs=runs)


def test_every_file_is_there(files: Files) -> None:
    assert set(files) == set(market_results.FILES)
    assert len(market_results.FILES) == len(set(market_results.FILES))


@pytest.mark.parametrize("way", WAYS)
def test_powers_balance_and_storages_add_up(files: Files, way: str) -> None:
    case, rows = afternoon(), table(files, f"aggregators_{way}.csv")
    assert case.market is not None
    assert len(rows) == len(case.market.aggregators) * case.horizon.periods
    used = rows["ev_kw"] + rows["charge_kw"] - rows["discharge_kw"]
    assert used.to_numpy() == pytest.approx(
        (rows["contract_kw"] + rows["bought_kw"] - rows["sold_kw"]).to_numpy(), abs=1e-6
    )
    assert rows["net_kw"].to_numpy() == pytest.approx(used.to_numpy(), abs=1e-6)
    assert (rows["sold_kw"] <= rows["discharge_kw"] + 1e-6).all()
    for owner in case.market.aggregators:
        mine = rows[rows["aggregator"] == owner.name]
        stored = np.array([owner.storage_initial_kwh, *mine["stored_kwh"]])
        change = owner.charge_efficiency * mine["charge_kw"] - mine["discharge_kw"] / owner.discharge_efficiency
        assert np.diff(stored) == pytest.approx(change.to_numpy() * case.horizon.period_hours, abs=1e-4)
        assert stored[-1] == pytest.approx(stored[0], abs=1e-4)
        assert stored.min() >= -1e-6
        assert stored.max() <= owner.storage_energy_kwh + 1e-6
        energy = sum(s.count * s.energy_kwh for s in case.sessions if s.station == owner.station)
        assert mine["ev_kw"].sum() * case.charging_efficiency == pytest.approx(energy, rel=1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_bills_profits_costs_and_peaks_follow_from_the_tables(files: Files, way: str) -> None:
    case, rows = afternoon(), table(files, f"aggregators_{way}.csv")
    assert case.market is not None
    said = table(files, "comparison.csv").set_index("way").loc[way]
    assert (rows["ev_kw"] * rows["price_per_kwh"]).sum() == pytest.approx(said["users_bill"], rel=1e-6)
    at = rows["period"].to_numpy()
    contract, buy, sell = (
        np.array(getattr(case.market, f"{name}_price_per_kwh"))[at]
        for name in ("contract", "real_time_buy", "real_time_sell")
    )
    cost = contract * rows["contract_kw"] + buy * rows["bought_kw"] - sell * rows["sold_kw"]
    profit = (rows["ev_kw"] * rows["price_per_kwh"] - cost).groupby(rows["aggregator"]).sum()
    for name, value in profit.items():
        assert value == pytest.approx(said[f"profit_{name}"], abs=1e-4)
    network = table(files, f"network_{way}.csv")
    supply = (network["supply_kw"] * np.array(case.wholesale_price_per_kwh)).sum()
    supply += sum(network[f"{g.name}_kw"].sum() * g.cost_per_kwh for g in case.generators)
    assert supply == pytest.approx(said["supply_cost"], rel=1e-6)
    assert said["loss_kwh"] == pytest.approx(network["loss_kw"].sum(), rel=1e-6)
    assert said["peak_kw"] == pytest.approx(network["supply_kw"].max(), rel=1e-6)
    assert said["dso_cost"] == pytest.approx(supply + case.market.loss_price_per_kwh * said["loss_kwh"], rel=1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_nodal_prices_cover_every_bus_and_period(files: Files, way: str) -> None:
    case, prices = afternoon(), table(files, f"nodal_prices_{way}.csv")
    assert len(prices) == case.horizon.periods * len(case.feeder.buses)
    assert np.isfinite(prices["nodal_price_per_kwh"]).all()
    source = prices[prices["bus"] == case.feeder.substation].sort_values("period")
    assert source["nodal_price_per_kwh"].to_numpy() == pytest.approx(np.array(case.wholesale_price_per_kwh))
    assert prices["voltage_pu"].between(0.9 - 1e-6, 1.1 + 1e-6).all()


def test_the_json_says_what_the_tables_say(found: MarketComparison, files: Files) -> None:
    data, said = json.loads(files["market.json"]), table(files, "comparison.csv").set_index("way")
    assert (data["case"], data["demand"], data["fee_per_kwh"], data["settings"]["gap"]) == (
        "afternoon", "scheduled", 0.05, 1e-3,
    )  # fmt: skip
    assert list(data["ways"]) == list(WAYS)
    for way, entry in data["ways"].items():
        assert entry["status"] == said.loc[way, "status"]
        assert entry["objective"] == pytest.approx(said.loc[way, "dso_cost"])
        assert entry["figures"]["loss_kwh"] == pytest.approx(said.loc[way, "loss_kwh"])
        assert [row["check"] for row in entry["certificate"]] == list(table(files, f"certificate_{way}.csv")["check"])
    assert data["trace"]["iterations"] == len(table(files, "trace.csv")) == len(found.trace.iterations)
    apart = data["difference"]
    assert 0 <= apart["found"] <= apart["proven_at_most"]
    assert apart["contradiction"] == ""
    assert {"bilevel-grid", "highs", "pyomo"} <= set(data["versions"])


def test_the_latex_table_has_the_same_numbers(found: MarketComparison) -> None:
    rows = [line for line in market_results.latex(found).splitlines() if line.endswith(r"\\")]
    assert rows[0].startswith(r"quantity & unit & exact & equilibrium & cooperative")
    assert len(rows) == len(market_results.quantities(found)) + 2
    cells = [cell.strip() for cell in rows[1].removesuffix(r"\\").split("&")]
    costs = [run.solution.objective for run in found.runs.values()]
    assert [float(cell) for cell in cells[2:]] == pytest.approx(costs, abs=0.006)
    assert r"profit aggregator\_caltech\_3 & EUR" in "\n".join(rows)
    assert r"gap & \%" in "\n".join(rows)


@pytest.mark.parametrize("name", market_results.FIGURES)
def test_figures_are_drawn(files: Files, name: str) -> None:
    png, pdf = files[f"{name}.png"], files[f"{name}.pdf"]
    assert isinstance(png, bytes)
    assert isinstance(pdf, bytes)
    pixels = matplotlib.image.imread(io.BytesIO(png))[..., :3]
    assert pixels.shape[1] > 1000
    assert 0.02 < float((pixels.min(axis=2) < 0.85).mean()) < 0.8
    assert pdf.startswith(b"%PDF-")


def test_ways_without_a_point_have_no_tables(found: MarketComparison) -> None:
    lost = without(found, "exact")
    files = market_results.contents(lost, CHOICES, {}, "highs")
    assert not [name for name in files if name.endswith("_exact.csv")]
    assert {"aggregators_equilibrium.csv", "market_prices.png", "market_balance.pdf", "comparison.csv"} <= set(files)
    data = json.loads(files["market.json"])
    assert (data["ways"]["exact"]["status"], data["ways"]["exact"]["objective"]) == ("unknown", None)
    assert data["difference"]["found"] is None
    assert "--" in files["comparison.tex"]  # type: ignore[operator]
    nothing = market_results.contents(without(found, *WAYS), CHOICES, {}, "highs")
    assert set(nothing) == {"market.json", "comparison.csv", "comparison.tex", "trace.csv"}
    with pytest.raises(BilevelError, match="no way of exact, equilibrium has a point"):
        market_figures.balances(without(found, *WAYS))


def test_a_point_better_than_a_bound_is_a_contradiction(found: MarketComparison) -> None:
    runs = dict(found.runs)
    cheap = replace(runs["equilibrium"].solution, objective=0.9 * runs["exact"].solution.bound)
    runs["equilibrium"] = replace(runs["equilibrium"], solution=cheap)
    said = verdict.difference(replace(found, runs=runs)).contradiction
    assert "equilibrium" in said
    assert "bound" in said
    invalid = replace(runs["equilibrium"], solution=replace(cheap, status="rejected"))
    assert verdict.difference(replace(found, runs={**runs, "equilibrium": invalid})).contradiction == ""


def test_a_folder_is_replaced_or_refused_as_a_whole(found: MarketComparison, files: Files, tmp_path: Any) -> None:
    out = tmp_path / "market"
    names = market_results.write(found, out, CHOICES, {"gap": 1e-3, "solver": "highs"}, "highs")
    assert set(names) == {path.name for path in out.iterdir()} == set(files)
    market_results.check(out)
    (out / "mine.txt").write_text("keep")
    with pytest.raises(InstanceError, match=r"mine\.txt"):
        market_results.check(out)


def test_every_bus_of_a_drawn_feeder_has_its_own_place() -> None:
    network = Network.from_feeder(instances.load("ieee33_aggregator").feeder)
    x, y = market_figures.feeder_places(network, feeder_paths(network))
    assert len(set(zip(x.tolist(), y.tolist(), strict=True))) == len(network.buses)
    assert (x[0], y[0]) == (0.0, 0.0)
    for bus in range(1, len(network.buses)):
        assert x[bus] == x[int(network.parent[bus])] + 1


def test_a_market_of_one_aggregator_is_drawn(found: MarketComparison) -> None:
    case: Instance = found.case
    assert case.market is not None
    alone = replace(case.market, aggregators=case.market.aggregators[:1])
    sessions = tuple(s for s in case.sessions if s.station == alone.aggregators[0].station)
    one = replace(found, case=replace(case, market=alone, sessions=sessions))
    for draw, _ in market_results.FIGURES.values():
        assert getattr(market_figures, draw)(one).axes
