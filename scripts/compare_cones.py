"""Solve seconds of one pricing problem by the way its cones are treated: tangent and tower on HiGHS, exact on SCIP.

Exact cones are measured twice: scaled as this package does it, and "unscaled", in the model's own per-unit numbers, as an
ordinary model writer hands them over.

    python scripts/compare_cones.py --case ieee33 --evs 20 --objective loss --gap 1e-4 --time-limit 180 --repeats 3

All are solved in one run, in turns, so that they meet the same machine; seconds are those of the search alone (no
import, build, compile or recheck), medians over the repeats; a solve that reaches the limit counts as the limit.  A
treatment is repeated until `--repeats`, or until its solves took 20 s together.  Prints a table, writes it as CSV with the
machine and the versions, and exits with 1 when two certified objectives differ by more than 1e-4.
"""

import argparse
import os
import platform
from pathlib import Path

import pandas as pd

import bilevel
import formulations
import instances

SETTINGS = (("tangent", "highs"), ("tower", "highs"), ("exact", "scip"), ("exact, unscaled", "scip"))
ENOUGH_SECONDS, AGREE = 20.0, 1e-4
DEFAULTS = {"case": "ieee33", "evs": 20, "seed": 0, "objective": "loss", "gap": 1e-4, "time-limit": 180.0, "repeats": 5}
SHOWN = ["cones", "solver", "status", "objective", "gap", "median_solve_seconds", "ratio_to_tangent", "repeats"]


def solve(case: instances.Instance, cones: str, solver: str, given: argparse.Namespace) -> dict:
    model = formulations.charging_pricing(case, given.objective)
    name, _, unscaled = cones.partition(", ")
    found = bilevel.solve(
        model, solver, "big_m", name, given.gap, given.time_limit, progress=False, scaling=not unscaled
    )
    seconds = min(found.seconds["solve"], given.time_limit)
    print(cones, solver, found.status, f"{seconds:.2f} s", flush=True)
    return {"cones": cones, "solver": solver, "status": found.status, "objective": found.objective, "gap": found.gap,
            "seconds": seconds, "versions": "; ".join(f"{k} {v}" for k, v in found.versions.items())}  # fmt: skip


def measure(case: instances.Instance, given: argparse.Namespace) -> pd.DataFrame:
    runs: dict[tuple[str, str], list[dict]] = {setting: [] for setting in SETTINGS}
    for repeat in range(given.repeats):
        for setting, done in runs.items():
            if len(done) == repeat and sum(run["seconds"] for run in done) < ENOUGH_SECONDS:
                done.append(solve(case, *setting, given))
    return pd.DataFrame([run for done in runs.values() for run in done])


def tabulate(runs: pd.DataFrame, given: argparse.Namespace) -> pd.DataFrame:
    groups = runs.groupby(["cones", "solver"], sort=False)
    table = groups.last().assign(median_solve_seconds=groups["seconds"].median(), repeats=groups.size()).reset_index()
    table["ratio_to_tangent"] = table["median_solve_seconds"] / table["median_solve_seconds"].iloc[0]
    asked = {f"asked_{name}": value for name, value in vars(given).items() if name != "out"}
    return table[[*SHOWN, "versions"]].assign(
        **asked, platform=platform.platform(), processor=platform.machine(), cores=os.cpu_count()
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (DEFAULTS | {"out": "results/compare_cones.csv"}).items():
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"default: {default}")
    given = parser.parse_args()
    Path(given.out).parent.mkdir(parents=True, exist_ok=True)
    table = tabulate(measure(instances.scale(instances.load(given.case), given.evs, given.seed), given), given)
    table.to_csv(given.out, index=False)
    print(table[SHOWN].to_string(index=False))
    objectives = table.loc[table["status"] == "certified", "objective"]
    agree = len(objectives) < 2 or objectives.max() - objectives.min() <= AGREE * objectives.abs().max()
    print(f"written to {given.out}; certified objectives {'agree' if agree else 'DIFFER'} within {AGREE:g}")
    return 0 if agree else 1


if __name__ == "__main__":
    raise SystemExit(main())
