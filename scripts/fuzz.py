"""Solve random small bilevel problems and compare every answer with oracles that share no code with the engine.

    python scripts/fuzz.py --n 20000 --seed 7 --jobs 2
    python scripts/fuzz.py --only "loose:7000123" --shrink

Families in turn, each problem in HiGHS, SCIP and Gurobi, in mode auto or another that the solver has: everything the
engine takes, as drawn; loose limits; units from 1e-4 to 1e5; References; domains with steps and gaps; integer prices
with revenue; semidefinite followers; rows shared by followers; multipliers that the leader reads; idle rows; slacks;
all of these together; and data in tenths, whose sums are off by rounding.  Asked for by name, integer-follower: followers with
integer variables, against enumeration.  The k-th problem has seed
seed * 1,000,000 + k.  Prints versions, counts by family and by solver, and each answer that is WRONG, CRASHED or HUNG
with the `--only` that repeats it; the exit code is 1 if there is any.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import fuzz_pool
import integer_verdicts
from fuzz_families import FAMILIES, build
from fuzz_shrink import shrink, sketch
from fuzz_verdicts import BAD, SOLVERS, VERDICTS, Verdict, judge_case, versions

SEEDS, EVERY = 1_000_000, 500
# A family, a seed, and solvers
Task = tuple[str, int, tuple[str, ...]]


def judge_task(task: Task) -> list[Verdict]:
    if task[0] == integer_verdicts.FAMILY:
        return integer_verdicts.judge_all(*task[1:])
    return judge_case(build(*task[:2]), task[2])


def answers(tasks: list[Task], given: argparse.Namespace) -> Iterator[tuple[Task, list[Verdict]]]:
    """Of every task; one whose process was killed or died is done again solver by solver, to know which one it was."""
    again: list[Task] = []
    for task, found in fuzz_pool.run(judge_task, tasks, given.jobs, given.limit):
        if not isinstance(found, str):
            yield task, found
        elif len(task[2]) > 1:
            again += [(*task[:2], (solver,)) for solver in task[2]]
        else:
            yield (
                task,
                [Verdict(task[1], found, task[0], task[2][0], "?", "", "its process gave no answer", given.limit)],
            )
    if again:
        yield from answers(again, given)


def table(counts: Counter[tuple[str, str]]) -> pd.DataFrame:
    groups = sorted({group for group, _ in counts})
    frame = pd.DataFrame([[counts[group, name] for name in VERDICTS] for group in groups], groups, list(VERDICTS))
    frame.loc["all"] = frame.sum()
    return frame


def run(tasks: list[Task], given: argparse.Namespace) -> tuple[list[Counter[tuple[str, str]]], list[Verdict]]:
    counts: list[Counter[tuple[str, str]]] = [Counter(), Counter()]
    bad, started = [], time.perf_counter()
    for done, (task, found) in enumerate(answers(tasks, given), start=1):
        for verdict in found:
            for counter, group in zip(counts, (f"{verdict.kind}, {verdict.solver}", verdict.solver), strict=True):
                counter[group, verdict.verdict] += 1
            if verdict.verdict in BAD or (given.only and not given.quiet):
                print(f'--only "{task[0]}:{task[1]}": {verdict}', flush=True)
        bad += [verdict for verdict in found if verdict.verdict in BAD]
        if done % EVERY == 0:
            print(f"{done} of {len(tasks)}, {len(bad)} bad, {time.perf_counter() - started:.0f} s", flush=True)
    return counts, bad


def tasks_of(given: argparse.Namespace) -> list[Task]:
    solvers = tuple(given.solvers)
    if given.only:
        return [(family, int(seed), solvers) for family, _, seed in (name.rpartition(":") for name in given.only)]
    first = given.seed * SEEDS + given.first
    return [(given.family[k % len(given.family)], first + k, solvers) for k in range(given.n)]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"n": 2000, "seed": 7, "jobs": 2, "first": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default: {default}")
    parser.add_argument(
        "--family",
        nargs="+",
        default=list(FAMILIES),
        choices=[*FAMILIES, integer_verdicts.FAMILY],
        help="default: all but integer-follower",
    )
    parser.add_argument("--solvers", nargs="+", default=list(SOLVERS), choices=SOLVERS, help="default: all")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for a problem in all solvers; default: 60")
    parser.add_argument("--only", nargs="+", metavar="FAMILY:SEED", help="these problems only, every verdict printed")
    parser.add_argument(
        "--shrink", action="store_true", help="reduce what is WRONG or CRASHED to a small model and print it"
    )
    parser.add_argument("--quiet", action="store_true", help="with --only: print nothing that is not bad")
    parser.add_argument(
        "--solver-version", action="store_true", help="print the versions of solvers and packages, and end"
    )
    return parser.parse_args()


def main() -> int:
    given = arguments()
    print(versions(), flush=True)
    if given.solver_version:
        return 0
    counts, bad = run(tasks_of(given), given)
    for counter in counts:
        print(table(counter).to_string(), end="\n\n")
    if given.shrink:
        for verdict in (verdict for verdict in bad if verdict.solver in SOLVERS and verdict.kind in FAMILIES):
            print(
                sketch(
                    shrink(build(verdict.kind, verdict.seed), verdict.solver, verdict.mode),
                    verdict.solver,
                    verdict.mode,
                )
            )
    by_verdict = Counter(verdict.verdict for verdict in bad)
    print(", ".join(f"{by_verdict[name]} {name}" for name in BAD))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
