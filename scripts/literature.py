"""Solve the literature set of the tests in every registered mode and solver, and compare with the known optima.

    python scripts/literature.py --mode big_m --solver highs --csv results/literature.csv
    python scripts/literature.py --mode default --solver default --proof

Without --mode and --solver everything registered is tried, and the default settings.  `known` is the right optimum, found
again by enumeration in the tests; a `*` marks those where the literature states another one (see `why` in the data file).
Answers are never started at a solution.  Prints the table, then how many are right, refused (with reasons, grouped), not
certified, WRONG and CRASHED; the exit code is 1 when any is wrong or crashed.
"""

import argparse
import re
import sys
from pathlib import Path

import pandas as pd

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from literature_loader import combinations, problems, run, too_early

VERDICTS = ("right", "refused", "not certified", "WRONG", "CRASHED")


def solve(entry: dict, mode: str, solver: str, seconds: float, proof: bool) -> dict:
    known = entry.get("optimum", entry["expect"])
    row = {"problem": entry["name"], "class": entry["class"], "mode": mode, "solver": solver}
    early = too_early(entry)
    if early:
        return row | {"known": known, "verdict": "refused", "reason": early}
    found = run(entry, mode, solver, seconds, proof)
    shown = f"{known:.7g}" if isinstance(known, (int, float)) else known
    return row | {"objective": found.objective, "known": shown + "*" * ("published" in entry), "status": found.status,
                  "certified": found.status == "certified", "seconds": round(found.seconds, 3),
                  "verdict": found.verdict, "reason": found.reason, "proven": found.proven}  # fmt: skip


def grouped(reason: str) -> str:
    """A reason without the names and numbers in it."""
    return re.sub(r"'[^']*'", "'...'", re.sub(r"-?\d[\d.e+-]*", "#", reason))[:150]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", help="only this mode, such as sos1, or default")
    parser.add_argument("--solver", help="only this solver, such as scip, or default")
    parser.add_argument("--problem", default="", help="only problems with this in their name")
    parser.add_argument("--time-limit", type=float, default=10.0, help="seconds a solve, default: 10")
    parser.add_argument("--csv", help="write the table here, with the reasons")
    parser.add_argument("--proof", action="store_true", help="prove every bound, and print how many are checked")
    given = parser.parse_args()
    chosen = [(m, s) for m, s in combinations() if given.mode in (None, m) and given.solver in (None, s)]
    picked = [entry for entry in problems() if given.problem in entry["name"]]
    if not chosen or not picked:
        parser.error("nothing is registered or stored under these names")
    table = pd.DataFrame([solve(entry, *pair, given.time_limit, given.proof) for entry in picked for pair in chosen])
    print(table.drop(columns=["reason", "proven"]).to_string(index=False, na_rep="-"))
    if given.csv:
        Path(given.csv).parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(given.csv, index=False)
    print(f"\n{len(picked)} problems, {len(table)} runs")
    for verdict in VERDICTS:
        mine = table[table["verdict"] == verdict]
        print(f"{verdict}: {len(mine)}")
        if verdict != "right":
            print(
                "".join(f"  {n:5d}  {why}\n" for why, n in mine["reason"].map(grouped).value_counts().items()), end=""
            )
    if given.proof:
        solved = table[~table["verdict"].isin(["refused", "CRASHED"])]
        print(f"checked: {(solved['proven'] == 'checked').sum()} of {len(solved)}")
        for why, n in solved.loc[solved["proven"] != "checked", "proven"].map(grouped).value_counts().items():
            print(f"  {n:5d}  {why}")
    return int(table["verdict"].isin(["WRONG", "CRASHED"]).any())


if __name__ == "__main__":
    raise SystemExit(main())
