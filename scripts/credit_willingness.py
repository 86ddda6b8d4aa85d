"""The market with and without credit points where users may not be willing to shift, one row each.

    python scripts/credit_willingness.py
    python scripts/credit_willingness.py --evs 20 --n 10 --willing 0.2-0.6 --responses 0.5,1 --out results/credit_willingness

Loads and the share of willing users are drawn by day; the sessions are the case's own, as points are those of its appointments.
docs/uncertain-days.md says what is assumed of points.  Ctrl-C keeps the rows that are there; the exit code is 1 if a row has no
certified answer.
"""

import argparse
import sys
from pathlib import Path

import instances
from studies.uncertainty import points
from studies.writing import files

CASE, SHOWN = "ieee33_aggregator", 6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evs", type=int, help="default: all sessions of the case")
    parser.add_argument("--n", type=int, default=5, help="days; default: 5")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument("--willing", default="0.3-0.7", help="default: 0.3-0.7")
    parser.add_argument("--responses", default="0.25,0.5,1", help="default: 0.25,0.5,1")
    parser.add_argument("--time-limit", type=float, default=120.0, help="seconds of each solve; default: 120")
    parser.add_argument("--out", type=Path, help="folder for credit_willingness.csv")
    given = parser.parse_args()
    case = instances.load(CASE)
    case = case if given.evs is None else instances.scale(case, given.evs, given.seed)
    low, high = map(float, given.willing.split("-"))
    days = instances.draw_scenarios(case, given.n, given.seed, sessions=False, prices=False, willing=(low, high))
    responses = tuple(map(float, given.responses.split(",")))
    table = points.table(
        case, days, responses, time_limit=given.time_limit, say=lambda *said: print(*said, file=sys.stderr)
    )
    print(table.to_string(index=False, float_format=lambda value: f"{value:.{SHOWN}g}"))
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "credit_willingness.csv").write_text(files.csv(table), encoding="utf-8")
    return 0 if (table["status"] == "certified").all() else 1


if __name__ == "__main__":
    sys.exit(main())
