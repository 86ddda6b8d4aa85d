"""Solve the pessimistic problems of the tests, published ones and random ones, and compare with their known optima.

    python scripts/pessimistic.py --ties pessimistic --random 200 --csv results/pessimistic.csv
    python scripts/pessimistic.py --ties secure --solver highs --mode branching
    python scripts/pessimistic.py --ties optimistic --random 500        # what the oracles know without the option

The table is `tests/ties/problems.json`, the random problems have integers of the leader and followers with ties
(`tests/ties/draws.py`; for secure answers prices see all or none of a follower's columns, as margins depend on sizes else); known
optima are by enumeration.  Right is `certified` with the optimum, `not_attained` with a bound
that is the infimum where no decision attains it, and `infeasible` where every decision has a tie that breaks a row.  Prints a line
a run, then how many are right, refused (with reasons, grouped), not certified, WRONG and CRASHED; the exit code is 1 when any is
wrong or crashed, 2 when `bilevel.solve` has no option `ties`.
"""

import argparse
import math
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pandas as pd

sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1] / "tests"))

from literature import grouped
from ties.draws import draw, draw_line
from ties.judging import TIES, VERDICTS, Case, available, of_draw, of_table, run
from ties.table import problems


def cases(given: argparse.Namespace) -> Iterator[Case]:
    """Those of the table, then the random ones."""
    for entry in problems() if given.table else ():
        if given.problem in entry["name"]:
            yield from of_table(entry, given.ties)
    for seed in range(given.first, given.first + given.random):
        entry = (draw_line if given.continuous else draw)(seed, even=given.ties == "secure")
        if given.problem in entry["name"]:
            yield of_draw(entry, given.ties)


def solve(case: Case, seconds: float, settings: dict[str, str]) -> dict[str, object]:
    """One run as a line of the table."""
    found = asdict(run(case, seconds, **settings))
    known = f"{case.sign * case.known.value + 0.0:.7g}" + "*" * (not case.known.attained)
    known = known if math.isfinite(case.known.value) else "infeasible"
    return {"problem": case.entry["name"], "margin": case.margin, "known": known} | found


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ties", choices=TIES, default="pessimistic", help="default: pessimistic")
    parser.add_argument("--random", type=int, default=0, help="random problems (default: 0)")
    parser.add_argument("--continuous", action="store_true", help="random problems with one continuous decision")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--no-table", dest="table", action="store_false", help="random problems alone")
    parser.add_argument("--problem", default="", help="only problems with this in their name")
    parser.add_argument("--mode", help="a mode, such as branching; default: that of bilevel.solve")
    parser.add_argument("--solver", help="a solver, such as highs; default: that of bilevel.solve")
    parser.add_argument("--time-limit", type=float, default=10.0, help="seconds a solve (default: 10)")
    parser.add_argument("--csv", type=Path, help="write the table here, with the reasons")
    return parser.parse_args()


def main() -> int:
    given = parsed()
    if not available(given.ties):
        print(f"bilevel.solve has no option ties: nothing to ask for {given.ties!r}", file=sys.stderr)
        return 2
    settings = {key: value for key, value in (("mode", given.mode), ("solver", given.solver)) if value}
    table = pd.DataFrame([solve(case, given.time_limit, settings) for case in cases(given)])
    if table.empty:
        print("no problem has this in its name, or none is known for these ties", file=sys.stderr)
        return 2
    print(table.drop(columns=["reason"]).to_string(index=False, na_rep="-"))
    if given.csv:
        given.csv.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(given.csv, index=False)
    print(f"\n{given.ties}: {len(table)} runs; a * marks optima that no decision attains")
    for verdict in VERDICTS:
        mine = table[table["verdict"] == verdict]
        print(f"{verdict}: {len(mine)}")
        if verdict != "right":
            for why, n in mine["reason"].map(grouped).value_counts().items():
                print(f"  {n:5d}  {why}")
    return int(table["verdict"].isin(["WRONG", "CRASHED"]).any())


if __name__ == "__main__":
    raise SystemExit(main())
