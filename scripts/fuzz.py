"""Solve random small bilevel problems and compare every answer with oracles that share no code with the engine.

    python scripts/fuzz.py --n 20000 --seed 7 --workers 2

Problem k is drawn from seed * 1,000,000 + k (`--first 0 --n 1 --seed 0` and so on repeat single cases): one to three LP or
convex QP followers, every sense of row, prices, revenue, integers; each in one solver and mode, one in four relabelled,
with repeated rows or with data scaled by 1e-3 to 1e3.  Prints counts by class and verdict, and the seed of each answer that is
wrong or crashed; the exit code is 1 if there is any.
"""

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from fuzz_verdicts import BAD, VERDICTS, Verdict, judge

SEEDS, EVERY = 1_000_000, 500


def table(counts: Counter[tuple[str, str]]) -> pd.DataFrame:
    groups = sorted({group for group, _ in counts})
    frame = pd.DataFrame([[counts[group, name] for name in VERDICTS] for group in groups], groups, list(VERDICTS))
    frame.loc["all"] = frame.sum()
    return frame


def run(seeds: range, workers: int) -> tuple[list[Counter[tuple[str, str]]], list[Verdict]]:
    counts: list[Counter[tuple[str, str]]] = [Counter(), Counter()]
    bad, started = [], time.perf_counter()
    with ProcessPoolExecutor(workers) as pool:
        for done, verdict in enumerate(pool.map(judge, seeds, chunksize=10), start=1):
            for counter, group in zip(counts, (verdict.kind, f"{verdict.solver} {verdict.mode}"), strict=True):
                counter[group, verdict.verdict] += 1
            if verdict.verdict in BAD:
                bad.append(verdict)
                print(verdict, flush=True)
            if done % EVERY == 0:
                print(f"{done} of {len(seeds)}, {len(bad)} bad, {time.perf_counter() - started:.0f} s", flush=True)
    return counts, bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"n": 2000, "seed": 7, "workers": 2, "first": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default: {default}")
    given = parser.parse_args()
    first = given.seed * SEEDS + given.first
    counts, bad = run(range(first, first + given.n), given.workers)
    for counter in counts:
        print(table(counter).to_string(), end="\n\n")
    by_verdict = Counter(verdict.verdict for verdict in bad)
    print(f"{by_verdict['wrong']} wrong, {by_verdict['crashed']} crashed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
