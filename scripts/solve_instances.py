"""Solve every bilevel problem of a folder of MPS and AUX files, and compare with known optima.

    python scripts/solve_instances.py problems
    python scripts/solve_instances.py problems --optima optima.csv --limit 60 --only "knapsack*"

The CSV has columns `name` (the file without .mps) and `optimum` in the leader's own sense: a number, "infeasible", "refused"
where refusing is right, or "not attained NUMBER" for an infimum that no decision attains.  An AUX file may serve several MPS files:
of NAME.mps it is NAME.aux, or the one that the column `aux` names.  Prints a line a problem and the counts; the exit code is 1 if
an answer is wrong.
"""

import argparse
import sys
import time
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

import pandas as pd

import bilevel
from bilevel.errors import BilevelError

BAD = ("WRONG", "CRASHED")
TOLERANCE = 1e-4


def judged(solution: bilevel.Solution, known: str) -> str:
    """right, WRONG, open (nothing false, nothing proven), or certified where no optimum is known."""
    if not known:
        return "certified" if solution.status in ("certified", "infeasible", "not_attained") else "open"
    if known == "refused":
        return "WRONG"
    if known == "infeasible":
        return "right" if solution.status == "infeasible" else "WRONG" if solution.status == "certified" else "open"
    wanted, value = ("not_attained", known.split()[-1]) if known.startswith("not attained") else ("certified", known)
    optimum = float(value)
    size = TOLERANCE * max(1.0, abs(optimum))
    if solution.status == wanted:
        return "right" if abs(solution.objective - optimum) <= size else "WRONG"
    return "WRONG" if solution.status in ("certified", "infeasible", "not_attained") else "open"


def solve(mps: Path, aux: Path, known: str, given: argparse.Namespace) -> dict[str, object]:
    started = time.perf_counter()
    row: dict[str, object] = {"name": mps.name.removesuffix(".gz").removesuffix(".mps"), "known": known}
    try:
        model = bilevel.read_mps(mps, aux)
        solution = bilevel.solve(model, given.solver, gap=given.gap, time_limit=given.limit, progress=False)
        row |= {
            "verdict": judged(solution, known), "status": str(solution.status), "objective": solution.objective,
            "bound": solution.bound, "why": solution.reason,
        }  # fmt: skip
    except BilevelError as error:
        row |= {"verdict": "right" if known == "refused" else "refused", "status": "refused", "why": str(error)}
    except Exception as error:  # noqa: BLE001 - whatever a file brings about is what is looked for
        row |= {"verdict": "CRASHED", "status": "", "why": f"{type(error).__name__}: {error}"}
    return row | {"seconds": time.perf_counter() - started}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--optima", type=Path, help="CSV with name, optimum and, if need be, aux")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds a problem; default: 60")
    parser.add_argument("--gap", type=float, default=1e-4, help="default: 1e-4")
    parser.add_argument("--solver", default="auto", help="default: auto")
    parser.add_argument("--only", default="*", help="names to solve, with * for anything")
    parser.add_argument("--out", type=Path, help="CSV to write")
    given = parser.parse_args()
    table = pd.read_csv(given.optima, dtype=str, keep_default_na=False) if given.optima else pd.DataFrame({"name": []})
    optima = {row["name"]: row for row in table.to_dict("records")}
    rows = []
    for mps in sorted((*given.folder.glob("*.mps"), *given.folder.glob("*.mps.gz"))):
        name = mps.name.removesuffix(".gz").removesuffix(".mps")
        entry = optima.get(name, {})
        aux = given.folder / (entry.get("aux") or f"{name}.aux")
        if not fnmatch(name, given.only):
            continue
        row = solve(mps, aux, entry.get("optimum", ""), given)
        rows.append(row)
        objective = f"{row['objective']:.9g}" if isinstance(row.get("objective"), float) else "-"
        print(
            f"{name:36} {row['verdict']:10} {row['status']:13} {objective:>14} {row['seconds']:7.1f} s  {row['why']}",
            flush=True,
        )
    if given.out:
        pd.DataFrame(rows).to_csv(given.out, index=False)
    counts = Counter(str(row["verdict"]) for row in rows)
    spent = sum(float(str(row["seconds"])) for row in rows)
    print(
        f"{len(rows)} problems: {', '.join(f'{count} {name}' for name, count in sorted(counts.items()))}; {spent:.1f} s"
    )
    return 1 if any(counts[name] for name in BAD) else 0


if __name__ == "__main__":
    sys.exit(main())
