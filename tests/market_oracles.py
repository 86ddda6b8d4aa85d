"""Small markets of aggregators, and what an aggregator earns at given prices by the paper's own equations, on SciPy alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
from scipy.optimize import linprog

from bilevel.compile.compiler import compile_model
from bilevel.followers.best_response import best_response
from instances import Aggregator, Branch, Bus, Feeder, Horizon, Instance, Market, PriceLimits, Session, Source, Station

LIMITS = PriceLimits(0.1, 0.5, 0.5)
POWERS, BINARIES = ("contract", "bought", "sold", "charge", "discharge", "stored"), ("z", "u")
STORAGE = Aggregator("agent", "s", 60.0, 20.0, 40.0, 30.0, 0.9, 0.9)


def small_market(
    contract: Any = (0.10, 0.30, 0.20),
    buy: Any = None,
    sell: Any = None,
    aggregator: Aggregator = STORAGE,
    sessions: tuple[Session, ...] = (Session("ev", "s", 0, 3, 90.0, 60.0),),
    **changes: Any,
) -> Instance:
    """A line of 4 + 3i ohm at 10 kV from the substation to bus b, where one aggregator runs station s; real time at 10 % off."""
    contract = tuple(contract)
    market = Market(
        (aggregator,),
        contract,
        tuple(1.1 * price for price in contract) if buy is None else tuple(buy),
        tuple(0.9 * price for price in contract) if sell is None else tuple(sell),
    )
    feeder = Feeder(10.0, "a", 1.02, (Bus("a", 0.0, 0.0), Bus("b", 800.0, 300.0)), (Branch("a", "b", 4.0, 3.0),))
    case = Instance(
        name="small market", currency="EUR", feeder=feeder, horizon=Horizon(len(contract), 1.0, "2024-01-01T00:00:00"),
        stations=(Station("s", "b"),), sessions=sessions, load_factor=(1.0,) * len(contract), wholesale_price_per_kwh=contract,
        price_limits=LIMITS, charging_efficiency=0.9, sources=(Source("all", "made up", "MIT"),), market=market,
    )  # fmt: skip
    return replace(case, **changes)


def random_market(rng: np.random.Generator, exclusive: bool = True) -> Instance:
    """Two to four periods, positive prices, storage or none, purchases with and without limits; `exclusive`: buy > sell."""
    periods = int(rng.integers(2, 5))
    contract = rng.integers(5, 40, periods) / 100
    spread = rng.integers(1, 10, periods) / 100 if exclusive else rng.integers(-8, 9, periods) / 100
    sell = np.maximum(contract - rng.integers(1 if exclusive else -9, 5, periods) / 100, 0.01)
    size = float(rng.choice([0.0, 50.0, 200.0]))
    rating = float(rng.choice([20.0, 45.0]))
    agent = Aggregator(
        "agent", "s", size, size * float(rng.choice([0.0, 0.5, 1.0])), rating, float(rng.choice([15.0, 45.0])),
        float(rng.choice([0.8, 0.9, 1.0])), 0.85, float(rng.choice([np.inf, 80.0, 30.0, 0.0])),
        float(rng.choice([np.inf, 50.0])),
    )  # fmt: skip
    return small_market(contract, sell + np.maximum(spread, 0.005 - sell), sell, agent, _sessions(rng, periods))


def _sessions(rng: np.random.Generator, periods: int) -> tuple[Session, ...]:
    found = []
    for k in range(int(rng.integers(1, 3))):
        start = int(rng.integers(0, periods))
        end = int(rng.integers(start + 1, periods + 1))
        power = float(rng.choice([20.0, 40.0]))
        share = float(rng.choice([0.3, 0.7, 1.0]))
        found.append(
            Session(
                f"ev{k}", "s", start, end, 0.9 * share * power * (end - start), power, float(rng.choice([1.0, 1.5]))
            )
        )
    return tuple(found)


def random_prices(case: Instance, rng: np.random.Generator) -> np.ndarray:
    """Prices of the one station within the limits, without ties."""
    return rng.uniform(case.price_limits.price_min_per_kwh, case.price_limits.price_max_per_kwh, case.horizon.periods)


@dataclass(frozen=True)
class Response:
    """What an aggregator earns (currency; NaN where it cannot serve its users), and its powers in kW by name."""

    profit: float
    powers: dict[str, np.ndarray]


@dataclass(frozen=True)
class PaperForm:
    """min cost y subject to equal y == right, under y <= below, 0 <= y <= upper; columns `at` by name and period; currency, kW."""

    at: dict[tuple[str, int], int]
    cost: np.ndarray
    upper: np.ndarray
    equal: np.ndarray
    right: np.ndarray
    under: np.ndarray
    below: np.ndarray

    def powers(self, y: np.ndarray) -> dict[str, np.ndarray]:
        """Every quantity by period, and the charging power of all sessions."""
        periods = 1 + max(t for _, t in self.at)
        found = {name: np.zeros(periods) for name in (*POWERS, "ev")}
        for (name, t), k in self.at.items():
            if name not in BINARIES:
                found[name if name in POWERS else "ev"][t] += y[k]
        return found


def paper_response(case: Instance, price: Any, exclusive: bool) -> Response:
    """Equations (14) to (21) of the one aggregator as written, equalities all; `exclusive` has the binaries z_t and u_t."""
    form = paper_form(case, price, exclusive)
    integer = np.array([exclusive and name in BINARIES for name, _ in form.at], dtype=int)
    limits = np.column_stack([0 * form.upper, form.upper])
    exact = {"mip_rel_gap": 1e-10}
    found = linprog(
        form.cost, form.under, form.below, form.equal, form.right, limits, integrality=integer, options=exact
    )
    return Response(-float(found.fun), form.powers(found.x)) if found.status == 0 else Response(np.nan, {})


def paper_form(case: Instance, price: Any, exclusive: bool) -> PaperForm:
    """The paper's program of the one aggregator at these prices of its station, currency/kWh."""
    assert case.market is not None
    (agent,), market, hours = case.market.aggregators, case.market, case.horizon.period_hours
    names = [(s.name, t) for s in case.sessions for t in case.window(s)]
    names += [(name, t) for name in (*POWERS, *BINARIES) for t in range(case.horizon.periods)]
    at = {name: k for k, name in enumerate(names)}
    stores = min(agent.storage_energy_kwh, agent.charge_max_kw, agent.discharge_max_kw) > 0
    most = 2 * (sum(s.count * s.power_max_kw for s in case.sessions) + agent.charge_max_kw + agent.discharge_max_kw)
    limit = {s.name: s.count * s.power_max_kw for s in case.sessions} | {
        "contract": min(agent.contract_max_kw, most), "bought": min(agent.real_time_max_kw, most),
        "sold": min(agent.real_time_max_kw, most), "charge": agent.charge_max_kw * stores,
        "discharge": agent.discharge_max_kw * stores, "stored": agent.storage_energy_kwh, "z": 1.0, "u": 1.0,
    }  # fmt: skip
    rate = {name: np.zeros(case.horizon.periods) for name in (*POWERS, *BINARIES)} | {
        "contract": np.array(market.contract_price_per_kwh), "bought": np.array(market.real_time_buy_price_per_kwh),
        "sold": -np.array(market.real_time_sell_price_per_kwh),
    }  # fmt: skip
    cost = hours * np.array([rate[name][t] if name in rate else -price[t] for name, t in at])
    return PaperForm(
        at,
        cost,
        np.array([limit[name] for name, _ in at]),
        *_equalities(case, agent, at),
        *_sides(case, at, most, exclusive),
    )


def _equalities(case: Instance, agent: Aggregator, at: dict[tuple[str, int], int]) -> tuple[np.ndarray, np.ndarray]:
    """Energy of each session (17), balance (20), storage, and the storage's end."""
    hours, periods, start = case.horizon.period_hours, case.horizon.periods, agent.storage_initial_kwh
    taken = [{(s.name, t): case.charging_efficiency * hours for t in case.window(s)} for s in case.sessions]
    rows = [(row, s.count * s.energy_kwh) for row, s in zip(taken, case.sessions, strict=True)]
    for t in range(periods):
        balance = {(s.name, t): -1.0 for s in case.sessions if t in case.window(s)}
        balance |= {
            ("contract", t): 1.0,
            ("bought", t): 1.0,
            ("discharge", t): 1.0,
            ("sold", t): -1.0,
            ("charge", t): -1.0,
        }
        store = {("stored", t): 1.0, ("charge", t): -hours * agent.charge_efficiency}
        store |= {("discharge", t): hours / agent.discharge_efficiency} | ({("stored", t - 1): -1.0} if t else {})
        rows += [(balance, 0.0), (store, 0.0 if t else start)]
    return _dense([*rows, ({("stored", periods - 1): 1.0}, start)], at)


def _sides(
    case: Instance, at: dict[tuple[str, int], int], most: float, exclusive: bool
) -> tuple[np.ndarray, np.ndarray]:
    """(19), E- <= r-, and with binaries E+ <= M z, E- <= M (1 - z), r+ <= M u, r- <= M (1 - u)."""
    rows: list[tuple[dict[tuple[str, int], float], float]] = []
    for t in range(case.horizon.periods):
        rows.append(({("sold", t): 1.0, ("discharge", t): -1.0}, 0.0))
        for first, second, side in (("bought", "sold", "z"), ("charge", "discharge", "u")) if exclusive else ():
            rows += [({(first, t): 1.0, (side, t): -most}, 0.0), ({(second, t): 1.0, (side, t): most}, most)]
    return _dense(rows, at)


def _dense(rows: Any, at: dict[tuple[str, int], int]) -> tuple[np.ndarray, np.ndarray]:
    matrix = np.zeros((len(rows), len(at)))
    for k, (terms, _) in enumerate(rows):
        for name, value in terms.items():
            matrix[k, at[name]] = value
    return matrix, np.array([right for _, right in rows])


def post(model: Any, station: str, price: Any) -> None:
    """Give the station these prices."""
    for t, value in enumerate(price):
        model.price[station, t].set_value(float(value))


def answer(model: Any) -> None:
    """Load the followers' responses to the prices in the model."""
    program = compile_model(model)
    found = best_response(program, np.nan_to_num(program.values()))
    for k, value in zip(program.followers.columns.tolist(), found.tolist(), strict=True):
        program.variables[k].set_value(value, skip_validation=True)


def series(model: Any, block: Any, name: str) -> np.ndarray:
    """A quantity of an aggregator by period, kW."""
    return np.array([float(model.per_unit.kw(pyo.value(getattr(block, name)[t]))) for t in model.T])
