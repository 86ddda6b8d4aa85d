"""A solved aggregator market as tidy tables: kW, kWh, per unit of voltage, currency per kWh."""

from typing import Any

import numpy as np
import pandas as pd
import pyomo.environ as pyo

from formulations.case_parts import market_of
from formulations.operator.dispatch import Dispatch
from instances import Instance
from studies.writing.frames import rounded, voltages

POWERS = ("ev", "contract", "bought", "sold", "charge", "discharge")


def aggregators(model: Any, case: Instance, root: Any = None) -> pd.DataFrame:
    """One row an aggregator and period: aggregator, station, bus, period; ev_kw, contract_kw, bought_kw, sold_kw, charge_kw,
    discharge_kw, net_kw (drawn from the bus), stored_kwh (at the end of the period); price_per_kwh (posted), paid_per_kwh (what
    users pay), fee_per_kwh, nodal_price_per_kwh (posted: price less fee).

    `root` is the model of which `model` is the block of a day.
    """
    root = model if root is None else root
    kw, rows = model.per_unit.kw, []
    for aggregator in market_of(case).aggregators:
        block, c = model.aggregator[aggregator.name], aggregator.station
        for t in model.T:
            powers = {f"{name}_kw": float(kw(pyo.value(getattr(block, name)[t]))) for name in POWERS}
            rows.append(
                {"aggregator": aggregator.name, "station": c, "bus": case.station_bus[c], "period": t} | powers
                | {"net_kw": powers["ev_kw"] + powers["charge_kw"] - powers["discharge_kw"],
                   "stored_kwh": float(kw(pyo.value(block.stored[t]))), "price_per_kwh": pyo.value(root.price[c, t]),
                   "paid_per_kwh": float(pyo.value(block.paid[t])),
                   "fee_per_kwh": pyo.value(root.fee[c, t]), "nodal_price_per_kwh": pyo.value(root.nodal_price[c, t])}
            )  # fmt: skip
    return rounded(pd.DataFrame(rows))


def network(model: Any, _case: Instance) -> pd.DataFrame:
    """One row a period: period, supply_kw (drawn at the substation), loss_kw, and <generator>_kw of each generator.

    Where a generator is called "supply" or "loss", those of all are called generator_<generator>_kw.
    """
    kw = model.per_unit.kw
    table: dict[str, Any] = {"period": list(model.T)}
    table["supply_kw"] = [float(kw(pyo.value(model.supply_power[t]))) for t in model.T]
    table["loss_kw"] = [float(kw(pyo.value(model.loss_power[t]))) for t in model.T]
    prefix = "generator_" if {f"{g}_kw" for g in model.G} & set(table) else ""
    for g in model.G:
        table[f"{prefix}{g}_kw"] = [float(kw(pyo.value(model.active_power[g, t]))) for t in model.T]
    return rounded(pd.DataFrame(table))


def buses(model: Any, case: Instance, dispatch: Dispatch) -> pd.DataFrame:
    """One row a period and bus: period, bus, voltage_pu, nodal_price_per_kwh (d(dso_cost)/d(load) at the loads of the solution)."""
    drawn = aggregators(model, case).pivot_table(index="station", columns="period", values="net_kw", sort=False)
    load = drawn.reindex(index=[s.name for s in case.stations], fill_value=0.0).to_numpy()
    prices = dispatch.at(load).nodal_price_per_kwh
    table = voltages(model, case)
    at = [dispatch.network.index[bus] for bus in table["bus"]]
    table["nodal_price_per_kwh"] = prices[table["period"].to_numpy(), np.array(at)]
    return rounded(table)
