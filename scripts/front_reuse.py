"""How much a front saves by one living solver: a front of K points against K separate solves of the same limits.

    python scripts/front_reuse.py --evs 20 --points 11

Both sides run in this process, one after the other, with the same gap.  A separate solve builds, compiles, solves and certifies a
model with one limit, as a user without `bilevel.pareto` would.  Prints seconds, their ratio, and the largest difference of the
maximised expression, which the gaps allow.
"""

import argparse
import time

import numpy as np
import pandas as pd
import pyomo.environ as pyo

import bilevel
import formulations
import instances


def separate(case: instances.Instance, limit: float, gap: float) -> dict[str, float]:
    """The most profit under one limit of the losses, from nothing."""
    started = _clocks()
    model = formulations.charging_pricing(case, "profit")
    if np.isfinite(limit):
        model.most_loss = pyo.Constraint(expr=model.network_loss <= limit)
    found = bilevel.solve(model, gap=gap, progress=False)
    spent = _clocks() - started
    row = {"limit": limit, "profit": found.objective, "status": found.status}
    return row | {"separate_seconds": spent[0], "separate_cpu_seconds": spent[1]}


def _clocks() -> np.ndarray:
    """Wall and processor time: the second hardly feels what else the machine does."""
    return np.array([time.perf_counter(), time.process_time()])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", default="ieee33", help="default: ieee33")
    parser.add_argument("--evs", type=int, default=20, help="default: 20")
    parser.add_argument("--points", type=int, default=11, help="default: 11")
    parser.add_argument("--gap", type=float, default=1e-4, help="default: 1e-4")
    given = parser.parse_args()
    case = instances.scale(instances.load(given.case), given.evs)
    started = _clocks()
    model = formulations.charging_pricing(case)
    front = bilevel.pareto(
        model,
        maximize=model.station_profit,
        limit=model.network_loss,
        points=given.points,
        gap=given.gap,
        progress=False,
    )
    together = _clocks() - started
    table = pd.DataFrame([separate(case, point.limit, given.gap) for point in front.points])
    table.insert(1, "front_profit", [point.maximized for point in front.points])
    table.insert(3, "front_seconds", [point.seconds for point in front.points])
    print(table.to_string(index=False))
    alone = table[["separate_seconds", "separate_cpu_seconds"]].sum().to_numpy()
    apart = float((table["profit"] - table["front_profit"]).abs().max() / table["profit"].abs().max())
    certified = "all" if front.certified else "not all"
    print(
        f"\nfront: {len(front)} points, {certified} certified, {together[0]:.1f} s, {together[1]:.1f} s of processor time"
    )
    print(f"separate: {len(table)} solves, {alone[0]:.1f} s, {alone[1]:.1f} s of processor time")
    ratio = together / alone
    print(
        f"front / separate: {ratio[0]:.2f}, in processor time {ratio[1]:.2f}; largest difference of the profit: {apart:.1e}"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
