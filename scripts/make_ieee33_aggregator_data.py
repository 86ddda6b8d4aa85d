"""Write the shipped case ``ieee33_aggregator``: ``ieee33`` with a market on it, made by rules and a seed; users never need it."""

import argparse
import math
from dataclasses import replace
from pathlib import Path

import numpy as np

import instances as ins

SEED, LIMIT, SPREAD, LEAST = 33, 1.75, 0.10, 0.001
# Station: storage in kWh, power of the storage in kW, place in km
STATIONS = {
    "caltech_3": (300.0, 75.0, (0.0, 0.0)),
    "caltech_4_5": (200.0, 50.0, (4.0, 0.0)),
    "jpl_floor_1": (400.0, 100.0, (0.0, 4.0)),
    "jpl_floor_3": (200.0, 50.0, (4.0, 4.0)),
}
# Bus: size in kW, cost per kWh
GENERATORS = {"30": (500.0, 0.050), "12": (300.0, 0.065)}
OWN = "the project's own choice"
SOURCES = {
    "power_max_kva": f"""{OWN}: {LIMIT:g} times the branch's largest apparent power of the day, with uncontrolled charging
and without generators, rounded up to 50 kVA""",
    "price_limits": f"{OWN}: room for a nodal price near the wholesale price and a fee of 0.02 to 0.12 on top of it",
    "generators": f"""{OWN}: synthetic; apparent power 1.1 and reactive power 0.6 times the size, ramp 40 % of it an hour;
costs between the lowest and the highest wholesale price""",
    "aggregators": f"""{OWN}: synthetic; storage half full at the start; contract 80 % of the station's largest uncontrolled
power, rounded up to 10 kW, real time without a limit; chargers: the most vehicles plugged in at once""",
    "market": f"""{OWN}: contract price is the wholesale price of series.csv (SMARD.de, CC BY 4.0); buying in real time costs
10 % of its size more and selling earns as much less, at least {LEAST} per kWh; losses are priced at its mean""",
    "credit": f"""{OWN}: synthetic; of the periods in which a vehicle is plugged in, the third with the lowest wholesale
prices is valley, the third with the highest is peak""",
    "reservations": f"""{OWN}: synthetic, for there are no public data, seed {SEED}; 60 % come on time, the others late by
an exponential number of minutes with mean 20, cut off at 45""",
    "distances": f"""{OWN}: synthetic, for there are no public data, seed {SEED}; stations at the corners of a square of
4 km, users normally distributed around their own with 1.5 km in each direction""",
}
LICENCES = {"market": "MIT; contract prices CC BY 4.0"}


def limited(case: ins.Instance) -> ins.Feeder:
    """The feeder with limits of apparent power that admit uncontrolled charging."""
    network, factor = ins.Network.from_feeder(case.feeder), np.array(case.load_factor)[:, np.newaxis]
    kw = network.load_kw * factor
    for row, bus in zip(ins.uncontrolled_load_kw(case), case.station_bus.values(), strict=True):
        kw[:, network.index[bus]] += row
    flow = np.abs(ins.ac_power_flow(network, kw, network.load_kvar * factor).sending_power_pu).max(axis=0)
    most = dict(zip(network.branch_names, (flow * network.per_unit.base_kva).tolist(), strict=True))
    limits = (50.0 * math.ceil(LIMIT * most[branch.name] / 50) for branch in case.feeder.branches)
    lines = zip(case.feeder.branches, limits, strict=True)
    return replace(case.feeder, branches=tuple(replace(branch, power_max_kva=kva) for branch, kva in lines))


def generator(bus: str, kw: float, cost: float) -> ins.Generator:
    return ins.Generator(f"generator_{bus}", bus, 0.0, kw, -0.6 * kw, 0.6 * kw, cost, 1.1 * kw, 0.4 * kw)


def aggregator(case: ins.Instance, station: str, peak_kw: float) -> ins.Aggregator:
    energy, power, _ = STATIONS[station]
    sessions = [session for session in case.sessions if session.station == station]
    plugged = [sum(s.count for s in sessions if t in case.window(s)) for t in range(case.horizon.periods)]
    contract = 10.0 * math.ceil(0.8 * peak_kw / 10)
    storage = (energy, energy / 2, power, power, 0.95, 0.95)
    name = f"aggregator_{station}"
    return ins.Aggregator(name, station, *storage, contract, math.inf, math.ceil(max(plugged)), -0.5, 0.02)


def market(case: ins.Instance) -> ins.Market:
    contract, peaks = case.wholesale_price_per_kwh, ins.uncontrolled_load_kw(case).max(axis=1).tolist()
    margins = [max(SPREAD * abs(price), LEAST) for price in contract]
    buy, sell = (tuple(round(p + sign * m, 6) for p, m in zip(contract, margins, strict=True)) for sign in (1, -1))
    runs = tuple(aggregator(case, s.name, kw) for s, kw in zip(case.stations, peaks, strict=True))
    return ins.Market(runs, contract, buy, sell, round(math.fsum(contract) / len(contract), 5))


def credit(case: ins.Instance) -> ins.Credit:
    plugged = sorted({t for session in case.sessions for t in case.window(session)})
    ranked, third = sorted(plugged, key=case.wholesale_price_per_kwh.__getitem__), len(plugged) // 3
    rng, size = np.random.default_rng(SEED), len(case.sessions)
    late = np.where(rng.random(size) < 0.6, 0.0, np.minimum(rng.exponential(20.0, size), 45.0)).round(1).tolist()
    places = [STATIONS[session.station][2] for session in case.sessions] + rng.normal(0.0, 1.5, (size, 2))
    ways = [
        ins.Distance(session.name, name, round(math.dist(place, at), 2))
        for session, place in zip(case.sessions, places.tolist(), strict=True)
        for name, (_, _, at) in STATIONS.items()
    ]
    reservations = tuple(ins.Reservation(s.name, m) for s, m in zip(case.sessions, late, strict=True))
    valley, peak = (tuple(sorted(part)) for part in (ranked[:third], ranked[-third:]))
    return ins.Credit(0.05, 0.5, 0.10, 0.02, 0.12, 2, 5.0, valley, peak, reservations, tuple(ways))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    case = ins.load("ieee33")
    kept = tuple(source for source in case.sources if source.item not in SOURCES)
    made = tuple(ins.Source(item, " ".join(text.split()), LICENCES.get(item, "MIT")) for item, text in SOURCES.items())
    case = replace(
        case,
        name="ieee33_aggregator",
        feeder=limited(case),
        price_limits=ins.PriceLimits(0.02, 0.30, 0.20),
        generators=tuple(generator(bus, *values) for bus, values in GENERATORS.items()),
        market=market(case),
        credit=credit(case),
        sources=kept + made,
    )
    ins.write(case, parser.parse_args().out)


if __name__ == "__main__":
    main()
