"""Every refusal of generators, markets and credit points: the sentence names the object, its value and the remedy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from instances import Aggregator, Credit, Distance, Generator, Instance, InstanceError, Market, Reservation

NAN = math.nan
GENERATOR = Generator("g", "b", 0.0, 50.0, -10.0, 20.0, 0.05, emission_kg_per_kwh=0.5)
AGGREGATOR = Aggregator("a", "s", 10.0, 5.0, 4.0, 3.0, 0.9, 0.8)
MARKET = Market((AGGREGATOR,), (0.1, 0.2), (0.2, 0.3), (0.05, 0.1), 0.02)
CREDIT = Credit(
    lateness_factor_per_minute=0.05,
    time_factor=0.5,
    fee_factor_per_kwh=0.1,
    fee_min_per_kwh=0.02,
    fee_max_per_kwh=0.12,
    recommended_stations=1,
    congestion_cost_km=5.0,
    valley_periods=(0,),
    peak_periods=(1,),
    reservations=(Reservation("ev", 7.5),),
    distances=(Distance("ev", "s", 1.25),),
)


def refuses(make: Callable[[], object], *words: str) -> None:
    with pytest.raises(InstanceError) as caught:
        make()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


RECORDS: list[tuple[Any, dict[str, Any], tuple[str, ...]]] = [
    (GENERATOR, {"name": ""}, ("a generator", "name ''", "text")),
    (GENERATOR, {"bus": 3}, ("generator g", "bus 3", 'such as "3"')),
    (GENERATOR, {"active_min_kw": NAN}, ("generator g", "active_min_kw nan", "finite")),
    (GENERATOR, {"active_max_kw": "9"}, ("generator g", "active_max_kw '9'", "give a number")),
    (GENERATOR, {"active_max_kw": math.inf}, ("generator g", "active_max_kw inf", "finite")),
    (GENERATOR, {"cost_per_kwh": math.inf}, ("generator g", "cost_per_kwh inf", "finite")),
    (GENERATOR, {"apparent_max_kva": 0}, ("generator g", "apparent_max_kva 0", "above 0")),
    (GENERATOR, {"ramp_max_kw": -1}, ("generator g", "ramp_max_kw -1", "at least 0")),
    (GENERATOR, {"emission_kg_per_kwh": -0.1}, ("generator g", "emission_kg_per_kwh -0.1", "at least 0")),
    (GENERATOR, {"emission_kg_per_kwh": math.inf}, ("generator g", "emission_kg_per_kwh inf", "finite")),
    (GENERATOR, {"active_min_kw": 60}, ("generator g", "active_min_kw 60", "active_max_kw 50.0", "swap")),
    (GENERATOR, {"reactive_min_kvar": 30}, ("generator g", "reactive_min_kvar 30", "20.0", "swap")),
    (
        GENERATOR,
        {"active_min_kw": 30, "apparent_max_kva": 20},
        ("generator g", "apparent_max_kva 20", "30 kW", "raise"),
    ),
    (AGGREGATOR, {"name": " a"}, ("an aggregator", "name ' a'", "without spaces")),
    (AGGREGATOR, {"station": ""}, ("aggregator a", "station ''", "text")),
    (AGGREGATOR, {"storage_energy_kwh": -1}, ("aggregator a", "storage_energy_kwh -1", "at least 0")),
    (AGGREGATOR, {"storage_initial_kwh": 11}, ("aggregator a", "storage_initial_kwh 11", "10.0", "lower")),
    (AGGREGATOR, {"charge_max_kw": math.inf}, ("aggregator a", "charge_max_kw inf", "finite")),
    (AGGREGATOR, {"discharge_max_kw": -2}, ("aggregator a", "discharge_max_kw -2", "at least 0")),
    (AGGREGATOR, {"charge_efficiency": 0}, ("aggregator a", "charge_efficiency 0", "above 0")),
    (AGGREGATOR, {"discharge_efficiency": 1.1}, ("aggregator a", "discharge_efficiency 1.1", "at most 1")),
    (AGGREGATOR, {"contract_max_kw": -1}, ("aggregator a", "contract_max_kw -1", "at least 0")),
    (AGGREGATOR, {"real_time_max_kw": NAN}, ("aggregator a", "real_time_max_kw nan", "finite")),
    (AGGREGATOR, {"chargers": 0}, ("aggregator a", "chargers 0", "at least 1")),
    (AGGREGATOR, {"chargers": 1.5}, ("aggregator a", "chargers 1.5", "whole number")),
    (AGGREGATOR, {"elasticity_own": 0}, ("aggregator a", "elasticity_own 0", "negative")),
    (AGGREGATOR, {"elasticity_own": 0.5}, ("aggregator a", "elasticity_own 0.5", "at most 0")),
    (AGGREGATOR, {"elasticity_cross": -0.1}, ("aggregator a", "elasticity_cross -0.1", "at least 0")),
    (MARKET, {"aggregators": ()}, ("the market", "no aggregators", "at least one")),
    (MARKET, {"aggregators": (AGGREGATOR, AGGREGATOR)}, ("two aggregators", '"a"', "own name")),
    (MARKET, {"aggregators": (AGGREGATOR, replace(AGGREGATOR, name="b"))}, ("a and b", "station s", "its own")),
    (MARKET, {"loss_price_per_kwh": -1}, ("the market", "loss_price_per_kwh -1", "at least 0")),
    (CREDIT.reservations[0], {"session": ""}, ("a reservation", "session ''", "text")),
    (
        CREDIT.reservations[0],
        {"lateness_minutes": -1},
        ("reservation of session ev", "lateness_minutes -1", "at least 0"),
    ),
    (CREDIT.distances[0], {"session": ""}, ("a distance", "session ''", "text")),
    (CREDIT.distances[0], {"station": ""}, ("a distance of session ev", "station ''", "text")),
    (CREDIT.distances[0], {"distance_km": -1}, ("session ev from station s", "distance_km -1", "at least 0")),
    (CREDIT, {"lateness_factor_per_minute": -1}, ("credit rules", "lateness_factor_per_minute -1", "at least 0")),
    (CREDIT, {"time_factor": NAN}, ("credit rules", "time_factor nan", "finite")),
    (CREDIT, {"fee_factor_per_kwh": -1}, ("credit rules", "fee_factor_per_kwh -1", "at least 0")),
    (CREDIT, {"congestion_cost_km": -1}, ("credit rules", "congestion_cost_km -1", "at least 0")),
    (CREDIT, {"fee_max_per_kwh": math.inf}, ("credit rules", "fee_max_per_kwh inf", "finite")),
    (CREDIT, {"fee_min_per_kwh": 0.2}, ("credit rules", "fee_min_per_kwh 0.2", "0.12", "swap")),
    (CREDIT, {"recommended_stations": 0}, ("credit rules", "recommended_stations 0", "at least 1")),
    (CREDIT, {"valley_periods": (-1,)}, ("credit rules", "valley_periods -1", "at least 0")),
    (CREDIT, {"peak_periods": (0.5,)}, ("credit rules", "peak_periods 0.5", "whole number")),
    (CREDIT, {"peak_periods": (0, 1)}, ("credit rules", "period 0", "one of them")),
    (CREDIT, {"reservations": CREDIT.reservations * 2}, ("two reservations", '"ev"')),
    (CREDIT, {"distances": CREDIT.distances * 2}, ("two distances", '"ev to s"')),
]


@pytest.mark.parametrize(("record", "change", "words"), RECORDS)
def test_a_record_refuses_bad_values(record: Any, change: dict[str, Any], words: tuple[str, ...]) -> None:
    refuses(lambda: replace(record, **change), *words)


PARTS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"generators": (GENERATOR, GENERATOR)}, ("two generators", '"g"')),
    ({"generators": (replace(GENERATOR, bus="x"),)}, ("generator g", 'unknown bus "x"')),
    ({"market": replace(MARKET, contract_price_per_kwh=(0.1,))}, ("contract_price_per_kwh", "1 values", "2 periods")),
    ({"market": replace(MARKET, real_time_buy_price_per_kwh=(0.1, NAN))}, ("period 1", "buy_price_per_kwh nan")),
    ({"market": replace(MARKET, aggregators=(replace(AGGREGATOR, station="q"),))}, ("aggregator a", 'station "q"')),
    ({"credit": replace(CREDIT, peak_periods=(2,))}, ("credit rules", "peak_periods 2", "2 periods", "from 0")),
    ({"credit": replace(CREDIT, recommended_stations=2)}, ("recommended_stations 2", "1 stations", "at most")),
    ({"credit": replace(CREDIT, reservations=(Reservation("x", 0),))}, ("a reservation", 'unknown session "x"')),
    ({"credit": replace(CREDIT, distances=(Distance("x", "s", 0),))}, ("a distance", 'unknown session "x"')),
    ({"credit": replace(CREDIT, distances=(Distance("ev", "x", 0),))}, ("distance of session ev", 'station "x"')),
]


@pytest.mark.parametrize(("change", "words"), PARTS)
def test_an_instance_refuses_bad_parts(small: Instance, change: dict[str, Any], words: tuple[str, ...]) -> None:
    refuses(lambda: replace(small, **change), *words)


def test_lists_become_tuples(full: Instance) -> None:
    market = replace(MARKET, aggregators=[AGGREGATOR], contract_price_per_kwh=[0.1, 0.2])  # type: ignore[arg-type]
    credit = replace(CREDIT, valley_periods=[0], reservations=list(CREDIT.reservations))  # type: ignore[arg-type]
    case = replace(full, generators=[GENERATOR], market=market, credit=credit)  # type: ignore[arg-type]
    assert case == full
    assert hash(case) == hash(full)
