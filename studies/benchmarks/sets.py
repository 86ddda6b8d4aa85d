"""Named sets of benchmarks, made of what is registered: a new power flow or feeder is in its set without a change here."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import instances
from bilevel.search.plan import NOTHING
from bilevel.search.state import ROOTS
from formulations.followers import FOLLOWERS
from formulations.power_flow import POWER_FLOWS
from studies.benchmarks.spec import Spec

FLEETS = (20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
MOST_SINGLE = 500
"""Largest fleet of the scaling set whose EVs are followers one by one."""

MOST_BUSES = 533
SEEDS = (0, 1)
EXACT: Mapping[str, Any] = {"mode": "big_m", "cones": "exact", "solver": "scip"}
UNSCALED = {**EXACT, "scaling": False}
"""The baseline of mixed-integer cone programs as an ordinary model writer hands them to SCIP."""

TOWER: Mapping[str, Any] = {"mode": "big_m", "cones": "tower"}


@dataclass(frozen=True)
class BenchmarkSet:
    """`words` say what the specs ask, `repeats` how often each is run unless told otherwise."""

    name: str
    words: str
    make: Callable[[], Iterable[Spec]]
    repeats: int = 3

    def specs(self) -> tuple[Spec, ...]:
        """The specs, each once."""
        return tuple(dict.fromkeys(self.make()))


def _variants(base: Spec, changes: Iterable[Mapping[str, Any]]) -> list[Spec]:
    return [replace(base, **change) for change in changes]


def _flow(name: str) -> dict[str, Any]:
    """A power flow with a solver that takes it."""
    return {"flow": name} if POWER_FLOWS[name].convex else {"flow": name, "solver": "scip", "cones": "exact"}


def _smoke() -> tuple[Spec, ...]:
    base = Spec(evs=2, objective="loss", time_limit=20.0)
    return (base, replace(base, flow="jabr"))


def _quick() -> tuple[Spec, ...]:
    base = Spec(objective="loss", time_limit=15.0)
    feeders = ("case33bw", "case69", "case141")
    convex = [name for name, flow in POWER_FLOWS.items() if flow.convex]
    return (
        *_variants(base, ({"evs": evs} for evs in (20, 100, 1000, 10_000))),
        *_variants(base, ({"feeder": feeder} for feeder in feeders)),
        replace(base, feeder="case33bw", periods=96),
        replace(base, evs=100, aggregate=False),
        *_variants(base, map(_flow, convex)),
        *_variants(base, (TOWER, EXACT, UNSCALED, {**EXACT, "mode": "sos1"})),
        *_variants(base, ({"objective": "loss=1,profit=1"}, {"follower": "elastic"})),
    )


def _scaling() -> tuple[Spec, ...]:
    base = Spec(objective="loss", time_limit=300.0)
    small = [evs for evs in FLEETS if evs <= MOST_SINGLE]
    feeders = [name for name in instances.list_feeders() if len(instances.load_feeder(name).buses) <= MOST_BUSES]
    both = ("loss", "loss=1,profit=1")
    return (
        *_variants(base, ({"objective": what, "evs": evs} for what, evs in product(both, FLEETS))),
        *_variants(base, ({"aggregate": False, "evs": evs} for evs in small)),
        *_variants(base, ({"objective": what, "feeder": feeder} for what, feeder in product(both, feeders))),
        *_variants(
            base, ({"objective": what, "feeder": "case33bw", "periods": t} for what, t in product(both, (24, 48, 96)))
        ),
    )


def _formulations() -> tuple[Spec, ...]:
    base = Spec(time_limit=120.0)
    modes = ("sos1", "indicator", "strong_duality", "product")
    branching: Mapping[str, Any] = {"mode": "branching"}
    # Every part of the root by itself, then all of them, beside none and the default's
    roots = [{"root": root} for root in (NOTHING, *ROOTS, ",".join(ROOTS))]
    ways = (
        {}, branching, *roots, *({**branching, **root} for root in roots),
        TOWER, EXACT, UNSCALED, *({**EXACT, "mode": mode} for mode in modes),
    )  # fmt: skip
    problems = product(("loss", "loss=1,profit=1"), SEEDS)
    return tuple(replace(base, objective=what, seed=seed, **way) for (what, seed), way in product(problems, ways))


def _flows() -> tuple[Spec, ...]:
    base = Spec(time_limit=120.0)
    problems = product(FOLLOWERS, SEEDS)
    return tuple(
        replace(base, follower=follower, seed=seed, **_flow(flow))
        for (follower, seed), flow in product(problems, POWER_FLOWS)
    )


def _headline() -> tuple[Spec, ...]:
    """What the documentation says of speed: objectives and fleets, large feeders, quarter-hours, and the other formulations."""
    base = Spec(objective="loss", time_limit=300.0)
    three: list[dict[str, Any]] = [{"objective": what} for what in ("loss", "profit", "loss=1,profit=0.5")]
    fleets = [(20, 1e-4), (100, 1e-4), (500, 1e-3), (2000, 1e-3), (10_000, 1e-3)]
    large = [("case141", 24, 1e-4), ("case533mt_hi", 24, 1e-3), ("case533mt_lo", 24, 1e-3), ("case33bw", 96, 1e-3)]
    both: dict[str, Any] = {"objective": "loss=1,profit=1"}
    return (
        *(replace(base, evs=evs, gap=gap, **what) for (evs, gap), what in product(fleets, three)),
        *(
            replace(base, feeder=name, periods=t, evs=50, gap=gap, **what)
            for (name, t, gap), what in product(large, three)
        ),
        *_variants(replace(base, **both), ({}, TOWER, EXACT, UNSCALED)),
    )


SETS: dict[str, BenchmarkSet] = {
    item.name: item
    for item in (
        BenchmarkSet("smoke", "whether everything runs, in seconds", _smoke, 1),
        BenchmarkSet("quick", "a little of everything, in under 5 minutes", _quick, 1),
        BenchmarkSet("headline", "what the documentation says of speed", _headline),
        BenchmarkSet("scaling", "20 to 10,000 EVs, 33 to 533 buses, 24 to 96 periods", _scaling),
        BenchmarkSet(
            "formulations", "modes, cones, solvers and parts of the root on ieee33 with 20 EVs", _formulations
        ),
        BenchmarkSet("flows", "power flows and followers on ieee33 with 20 EVs", _flows),
    )
}
"""Sets by name."""
