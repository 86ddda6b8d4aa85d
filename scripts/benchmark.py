"""Run a set of benchmarks, each run in a process of its own, into a CSV store that a later call goes on with (docs/benchmarks.md).

    python scripts/benchmark.py --quick
    python scripts/benchmark.py --set formulations --repeats 5 --out results/benchmarks/formulations.csv
    python scripts/report_benchmark.py results/benchmarks/quick.csv --out results/benchmarks/quick

Ctrl-C keeps what is there; the same call runs what is missing.  Exits with 1 when a run crashed, 2 for bad input, 130 after Ctrl-C.
"""

import argparse
import sys
from pathlib import Path

from bilevel.errors import BilevelError
from studies.benchmarks import SETS, run


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sets = "; ".join(f"{item.name}: {item.words}" for item in SETS.values())
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--set", choices=SETS, default="quick", help=f"{sets} (default: quick)")
    choice.add_argument("--quick", dest="set", action="store_const", const="quick", help="the same as --set quick")
    parser.add_argument("--out", type=Path, help="the store (default: results/benchmarks/<set>.csv)")
    parser.add_argument("--repeats", type=int, help="runs of each spec (default: the set's own)")
    parser.add_argument(
        "--workers", type=int, default=1, help="runs side by side, which disturb each other (default: 1)"
    )
    parser.add_argument("--time-limit", type=float, help="seconds of a search (default: the set's own)")
    parser.add_argument("--list", action="store_true", help="print the keys of the set and stop")
    parser.add_argument("--quiet", action="store_true", help="print nothing but refusals")
    return parser.parse_args()


def main() -> int:
    given = parsed()
    chosen = SETS[given.set]
    out = given.out or Path("results/benchmarks") / f"{chosen.name}.csv"
    try:
        specs = [spec.with_limit(given.time_limit) for spec in chosen.specs()]
        if given.list:
            print("\n".join(spec.key for spec in specs))
            return 0
        repeats = chosen.repeats if given.repeats is None else given.repeats
        tally = run(specs, out, repeats, given.workers, quiet=given.quiet)
    except BilevelError as error:
        print(error, file=sys.stderr)
        return 2
    if not given.quiet:
        counts = ", ".join(f"{count} {status}" for status, count in tally.statuses.items())
        print(f"{tally.done} runs made ({counts or 'none'}), {tally.skipped} skipped; the store is {out}")
    return 130 if tally.interrupted else int("crashed" in tally.statuses)


if __name__ == "__main__":
    raise SystemExit(main())
