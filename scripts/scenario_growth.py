"""How seconds grow with the days that may come: one set of prices for N scenarios of a case, for profit or its worst tenth.

    python scripts/scenario_growth.py --scenarios 1 2 5 10 20 50 --risk cvar=0.9 --out results/scenario_growth.csv

Days are drawn by seed.  Prints status, gap and CPU seconds, and wall seconds by phase; fits seconds ~ N^p, and writes the table as
CSV.  Exits with 1 when an answer is not certified.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

import bilevel
import formulations
import instances


def measure(case: instances.Instance, count: int, given: argparse.Namespace) -> dict:
    days = instances.draw_scenarios(case, count, given.seed)
    model = formulations.charging_pricing(case, given.objective, scenarios=days, risk=given.risk)
    began = time.process_time()
    found = bilevel.solve(model, gap=given.gap, time_limit=given.time_limit, progress=False)
    spent = time.process_time() - began
    phases = {f"{phase}_seconds": round(value, 2) for phase, value in found.seconds.items()}
    told = {"status": found.status, "objective": found.objective, "gap": found.gap}
    return {"scenarios": count, **told, "cpu_seconds": round(spent, 2), **phases}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", default="ieee33")
    parser.add_argument("--scenarios", type=int, nargs="+", default=[1, 2, 5, 10, 20, 50])
    parser.add_argument("--objective", default="profit")
    parser.add_argument("--risk", default=None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--gap", type=float, default=1e-3)
    parser.add_argument("--time-limit", type=float, default=600.0)
    parser.add_argument("--out", default="results/scenario_growth.csv")
    given = parser.parse_args()
    case = instances.load(given.case)
    rows = []
    for count in given.scenarios:
        rows.append(measure(case, count, given))
        print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    if len(table) > 1:
        exponent = np.polyfit(np.log(table["scenarios"]), np.log(table["cpu_seconds"]), 1)[0]
        print(f"CPU seconds grow with the scenarios to the power of {exponent:.2f}")
    Path(given.out).parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(given.out, index=False)
    return 0 if (table["status"] == "certified").all() else 1


if __name__ == "__main__":
    raise SystemExit(main())
