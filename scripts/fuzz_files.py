"""Change real folders and files at random, give them to the commands that read them, and judge what comes out.

    python scripts/fuzz_files.py --n 50000 --seed 3
    python scripts/fuzz_files.py --only case:3:17

Cases, feeders, results of every command, stores of fronts and contests, and files of other tools are written anew; a change
knows their structure (a field of JSON, a cell, a column, a line, bytes).  The commands run in processes that are killed after
`--limit` seconds.  What is refused must be refused in one sentence with exit code 2; what is taken must be right: a case agrees
with docs/data-format.md, a page claims nothing that its numbers deny, a store gives the front that no store gives.  Prints counts
by command and by kind of change, and each TRACEBACK, HANG, WRONG acceptance and NOISE (lines beside the sentence) with the
`--only` that repeats it; the exit code is 1 if there is any.  Ctrl-C ends with the counts so far.
"""

import argparse
import functools
import os
import pickle
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import fuzz_pool
from file_faults.sources import KINDS, Source, make
from file_faults.verdicts import BAD, HANG, OUTCOMES, TRACEBACK, Verdict, example

SHARES = {"case": 0.6, "solved": 0.02, "results": 0.28, "store": 0.02, "contest": 0.02, "file": 0.06}
"""Of the examples, by kind: those that solve take half a second each."""
MEMORY, EVERY = 6 * 2**30, 1000
Task = tuple[str, str, int, int]
"""The folder of the sources, a kind, a seed and which example of it."""


@functools.cache
def sources(folder: str, kind: str) -> list[Source]:
    """What `write_sources` made; also limits the memory of the process."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    found: list[Source] = pickle.loads((Path(folder) / f"{kind}.pickle").read_bytes())
    return found


def write_sources(kinds: list[str], folder: str) -> None:
    for kind in kinds:
        (Path(folder) / kind).mkdir()
        (Path(folder) / f"{kind}.pickle").write_bytes(pickle.dumps(make([kind], Path(folder) / kind)))


def work(task: Task) -> Verdict:
    folder, kind, seed, index = task
    return example(sources(folder, kind), f"{kind}:{seed}:{index}", Path(folder) / f"worker-{os.getpid()}")


def tasks(given: argparse.Namespace, folder: str) -> Iterator[Task]:
    if given.only:
        for name in given.only:
            kind, seed, index = name.split(":")
            yield folder, kind, int(seed), int(index)
        return
    total = sum(SHARES[kind] for kind in given.kind)
    # In turn, so that a run that is cut short has seen all of them
    counts = {kind: max(1, round(given.n * SHARES[kind] / total)) for kind in given.kind}
    order = sorted((index / count, kind, index) for kind, count in counts.items() for index in range(count))
    yield from ((folder, kind, given.seed, index) for _, kind, index in order)


def table(counts: Counter[tuple[str, str]]) -> str:
    groups = sorted({group for group, _ in counts})
    rows = [("", *OUTCOMES, "all")]
    for group in groups:
        numbers = [counts[group, name] for name in OUTCOMES]
        rows.append((group, *map(str, numbers), str(sum(numbers))))
    totals = [sum(counts[group, name] for group in groups) for name in OUTCOMES]
    rows.append(("all", *map(str, totals), str(sum(totals))))
    return "\n".join(f"{row[0]:28}" + "".join(f"{cell:>11}" for cell in row[1:]) for row in rows)


def run(given: argparse.Namespace, folder: str) -> list[Counter[tuple[str, str]]]:
    counts: list[Counter[tuple[str, str]]] = [Counter(), Counter()]
    bad, started = 0, time.perf_counter()
    try:
        for done, (task, found) in enumerate(
            fuzz_pool.run(work, tasks(given, folder), given.jobs, given.limit), start=1
        ):
            name = ":".join(map(str, task[1:]))
            if isinstance(found, str):
                outcome = HANG if found == fuzz_pool.HUNG else TRACEBACK
                found = Verdict(task[1], name, "?", outcome, f"its process gave no answer: {found}")
            counts[0][found.source, found.outcome] += 1
            counts[1][found.kind, found.outcome] += 1
            bad += found.outcome in BAD
            if found.outcome in BAD or given.only:
                print(f"--only {name}: {found}", flush=True)
            if done % EVERY == 0:
                print(f"{done} done, {bad} bad, {time.perf_counter() - started:.0f} s", flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    return counts


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"n": 2000, "seed": 3, "jobs": 1}.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default: {default}")
    parser.add_argument("--kind", nargs="+", default=list(KINDS), choices=KINDS, help="default: all")
    parser.add_argument("--limit", type=float, default=20.0, help="seconds for an example; default: 20")
    parser.add_argument("--only", nargs="+", metavar="KIND:SEED:INDEX", help="these examples only, each printed")
    return parser.parse_args()


def main() -> int:
    given = arguments()
    folder = tempfile.mkdtemp()
    try:
        kinds = [name.partition(":")[0] for name in given.only] if given.only else given.kind
        write_sources(list(dict.fromkeys(kinds)), folder)
        counts = run(given, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for counter in counts:
        print(table(counter), end="\n\n")
    found = Counter(outcome for (_, outcome), count in counts[0].items() for _ in range(count))
    print(", ".join(f"{found[name]} {name}" for name in OUTCOMES))
    return 1 if any(found[name] for name in BAD) else 0


if __name__ == "__main__":
    sys.exit(main())
