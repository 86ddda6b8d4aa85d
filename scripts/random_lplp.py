"""Random linear problems on both levels at size: bound and gap by solver and mode.

    python scripts/random_lplp.py --sizes 10x10 10x50 --seeds 10 --time-limit 5
    python scripts/random_lplp.py --sizes 50x50 --ways branching sos1-scip --time-limit 600 --csv results/random_lplp.csv

A size is rows x columns of each level: leader and follower have as many rows and variables of their own.  The recipe is that of
BilevelJuMP's benchmarks/rand.jl (https://github.com/joaquimg/BilevelJuMP.jl): entries of density 0.4, sizes from 15 to 45, a
quarter of them negative; right-hand sides from 0 to 50; a fifth of the rows turned round; costs of a level's own variables from -20
to 20, half of them 0; all variables from -1000 to 1000.  Seeds and draws are our own.  Prints a line a run, then how many of each
size and way are proven, and the median gap of the others (- where no point was found); the exit code is 1 if two proven answers of
a problem differ.  The CSV file holds every run that was done, however the script ends.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyomo.environ as pyo
from numpy.typing import NDArray

import bilevel
from bilevel.errors import BilevelError

WAYS = {
    "auto": ("auto", "auto"),
    "branching": ("highs", "branching"),
    "big_m": ("highs", "big_m"),
    "sos1-scip": ("scip", "sos1"),
    "sos1-gurobi": ("gurobi", "sos1"),
}
"""Names of solver and mode."""

DENSITY, BOUND = 0.4, 1000.0
INTERRUPTED = 130
PROVEN = ("certified", "infeasible", "unbounded")


def build(seed: int, rows: int, columns: int) -> pyo.ConcreteModel:
    """The problem of a seed."""
    rng = np.random.default_rng([seed, rows, columns])

    def entries() -> NDArray[np.float64]:
        values = np.where(rng.random((rows, columns)) > 0.25, 1.0, -1.0) * (15.0 + 30.0 * rng.random((rows, columns)))
        return np.where(rng.random((rows, columns)) < DENSITY, values, 0.0)

    def cost() -> NDArray[np.float64]:
        return np.where(rng.random(columns) < 0.5, 40.0 * (rng.random(columns) - 0.5), 0.0)

    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(columns), bounds=(-BOUND, BOUND))
    model.follower = bilevel.Follower()
    model.follower.y = pyo.Var(range(columns), bounds=(-BOUND, BOUND))
    both = [*model.x.values(), *model.follower.y.values()]
    for block in (model, model.follower):
        block.rows = pyo.ConstraintList()
        matrix, limit = np.hstack([entries(), entries()]), 50.0 * rng.random(rows)
        for values, most, turned in zip(matrix, limit.tolist(), (rng.random(rows) <= 0.2).tolist(), strict=True):
            if values.any():
                body = pyo.quicksum(float(a) * v for a, v in zip(values, both, strict=True) if a)
                block.rows.add(body >= most if turned else body <= most)
    for block, mine in ((model, model.x), (model.follower, model.follower.y)):
        block.goal = pyo.Objective(expr=pyo.quicksum(float(c) * v for c, v in zip(cost(), mine.values(), strict=True)))
    return model


def solve(seed: int, size: tuple[int, int], way: str, seconds: float, gap: float) -> dict[str, object]:
    """One run as a line of the table."""
    solver, mode = WAYS[way]
    line: dict[str, object] = {"size": f"{size[0]}x{size[1]}", "seed": seed, "way": way}
    began = time.perf_counter()
    try:
        found = bilevel.solve(build(seed, *size), solver, mode, gap=gap, time_limit=seconds, progress=False)
    except BilevelError as refusal:
        return line | {"status": "refused", "seconds": time.perf_counter() - began, "reason": str(refusal)}
    return line | {
        "status": str(found.status), "objective": found.objective, "bound": found.bound, "gap": found.gap,
        "seconds": time.perf_counter() - began, "nodes": found.nodes, "reason": found.reason,
    }  # fmt: skip


def runs(given: argparse.Namespace) -> Iterator[dict[str, object]]:
    for size in given.sizes:
        for seed in range(given.first, given.first + given.seeds):
            for way in given.ways:
                line = solve(seed, size, way, given.time_limit, given.gap)
                shown = {key: f"{value:.6g}" if isinstance(value, float) else str(value) for key, value in line.items()}
                print("  ".join(f"{shown.get(key, '-'):>12}" for key in COLUMNS), flush=True)
                yield line


COLUMNS = ("size", "seed", "way", "status", "objective", "bound", "gap", "seconds", "nodes")


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Of each size and way: how many are proven, in how long, and the median gap of the others that have a point."""
    found = {}
    for (size, way), mine in table.groupby(["size", "way"], sort=False):
        done = mine[mine["status"].isin(PROVEN)]
        open_gaps = mine[mine["status"] == "feasible"]["gap"]
        found[size, way] = {
            "runs": len(mine), "proven": len(done), "median seconds": done["seconds"].median(), "most": done["seconds"].max(),
            "open": len(open_gaps), "median gap": open_gaps.median(), "no point": int((mine["status"] == "unknown").sum()),
            "refused": int((mine["status"] == "refused").sum()),
        }  # fmt: skip
    return pd.DataFrame(found).T


def differ(table: pd.DataFrame, gap: float) -> list[str]:
    """Problems whose proven answers contradict each other."""
    found = []
    for (size, seed), mine in table[table["status"].isin(PROVEN)].groupby(["size", "seed"], sort=False):
        values = mine["objective"].dropna()
        apart = len(values) > 1 and values.max() - values.min() > 2 * gap * max(1.0, values.abs().max())
        if apart or len(set(mine["status"])) > 1:
            found.append(f"{size}, seed {seed}: {mine[['way', 'status', 'objective']].to_dict('records')}")
    return found


def size(text: str) -> tuple[int, int]:
    rows, _, columns = text.partition("x")
    if not (rows.isdecimal() and columns.isdecimal() and int(rows) > 0 and int(columns) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no size: give rows x columns, such as 10x50")
    return int(rows), int(columns)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", type=size, default=[(5, 5), (10, 10), (10, 50)], metavar="RxC")
    parser.add_argument("--seeds", type=int, default=10, help="problems of each size (default: 10)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["auto"], help="default: auto")
    parser.add_argument("--time-limit", type=float, default=5.0, help="seconds a run (default: 5)")
    parser.add_argument("--gap", type=float, default=1e-4, help="relative (default: 1e-4)")
    parser.add_argument("--csv", type=Path, help="write the table here")
    return parser.parse_args()


def main() -> int:
    given = parsed()
    print("  ".join(f"{key:>12}" for key in COLUMNS))
    table = pd.DataFrame(columns=[*COLUMNS, "reason"])
    lines = []
    try:
        for line in runs(given):
            lines.append(line)
            table = pd.DataFrame(lines).reindex(columns=table.columns)
            # After every run: whatever ends a long campaign, the table holds what was done
            if given.csv:
                given.csv.parent.mkdir(parents=True, exist_ok=True)
                table.to_csv(given.csv, index=False)
    except KeyboardInterrupt:
        print("interrupted: this is what was done", file=sys.stderr)
    if not lines:
        return INTERRUPTED
    print("\n" + summary(table).to_string(float_format="{:.3g}".format, na_rep="-"))
    wrong = differ(table, given.gap)
    print("\n".join(wrong), file=sys.stderr) if wrong else None
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())
