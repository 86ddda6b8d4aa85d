"""How solve seconds grow with the fleet: N EV users by 24 hours, continuous prices, the stations' revenue as objective, no network.

    python scripts/pricing_scale.py --evs 20 100 500 --gap 1e-4 --out results/pricing_scale.csv

Fleets are drawn from a shipped case by seed.  Prints sizes (columns, rows, complementarity pairs), status, gap and seconds by
phase, fits seconds ~ N^p, and writes the table as CSV.  Exits with 1 when an answer is not certified.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import pyomo.environ as pyo

import bilevel
import instances
from bilevel.compile.compiler import compile_model
from bilevel.reformulate.single_level import assemble
from formulations import tariffs
from formulations.followers import ev_user


def revenue_model(case: instances.Instance) -> pyo.ConcreteModel:
    model = pyo.ConcreteModel(name=f"{case.name}, {len(case.sessions)} sessions")
    model.T = pyo.RangeSet(0, case.horizon.periods - 1)
    tariffs.add_prices(model, case)
    model.user = bilevel.Follower([session.name for session in case.sessions])
    per_unit = instances.PerUnit.for_feeder(case.feeder)
    for session in case.sessions:
        ev_user.add(model.user[session.name], case, session, model.price, per_unit)
    revenue = pyo.quicksum(user.bill.expr for user in model.user.values())
    model.revenue = pyo.Objective(expr=revenue, sense=pyo.maximize)
    return model


def measure(case: instances.Instance, evs: int, given: argparse.Namespace) -> dict:
    model = revenue_model(instances.scale(case, evs, given.seed))
    form = assemble(compile_model(model))
    found = bilevel.solve(model, given.solver, gap=given.gap, time_limit=given.time_limit, progress=False)
    sizes = {"columns": form.mip.columns, "rows": form.mip.rows.count, "pairs": form.kkt.pairs.count}
    phases = {f"{phase}_seconds": round(value, 3) for phase, value in found.seconds.items() if phase != "build"}
    return {"evs": evs, **sizes, "status": found.status, "revenue": found.objective, "gap": found.gap, **phases}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", default="ieee33")
    parser.add_argument("--evs", type=int, nargs="+", default=[20, 100, 500])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--solver", default="highs")
    parser.add_argument("--gap", type=float, default=1e-4)
    parser.add_argument("--time-limit", type=float, default=600.0)
    parser.add_argument("--out", default="results/pricing_scale.csv")
    given = parser.parse_args()
    case = instances.load(given.case)
    table = pd.DataFrame([measure(case, evs, given) for evs in given.evs])
    print(table.to_string(index=False))
    if len(table) > 1:
        exponent = np.polyfit(np.log(table["evs"]), np.log(table["solve_seconds"]), 1)[0]
        print(f"solve seconds grow as N^{exponent:.2f}")
    Path(given.out).parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(given.out, index=False)
    print(f"written to {given.out}")
    return 0 if (table["status"] == "certified").all() else 1


if __name__ == "__main__":
    raise SystemExit(main())
