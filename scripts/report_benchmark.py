"""What a store of benchmarks says: medians, ratios to the default, performance profiles, scaling with fitted exponents.

    python scripts/report_benchmark.py results/benchmarks/quick.csv --out results/benchmarks/quick

Prints the table and the exponents; writes them as CSV and LaTeX (booktabs), and the figures as PNG and PDF (docs/benchmarks.md).
Exits with 1 when two certified answers contradict each other, 2 for bad input.
"""

import argparse
import sys
from pathlib import Path

from bilevel.errors import BilevelError
from studies.benchmarks import Report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path, help="a store that scripts/benchmark.py wrote")
    parser.add_argument("--out", type=Path, help="folder for the files (default: print only)")
    given = parser.parse_args()
    try:
        report = Report.read(given.store)
    except BilevelError as error:
        print(error, file=sys.stderr)
        return 2
    print(report.text())
    if given.out is not None:
        print(f"written to {given.out}: {', '.join(report.write(given.out))}")
    return int(bool(report.disagreements))


if __name__ == "__main__":
    raise SystemExit(main())
