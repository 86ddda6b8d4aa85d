"""Give every bad input of the table of faults to its command, and print what the command says.

    python scripts/faults.py
    python scripts/faults.py --kind report store

Each input is made from nothing in a temporary folder, and each command is a process of its own, with limits of time, memory and
file sizes.  A line is ok where the exit code is one of those that are right for it, and a refusal (2) is one sentence.  The
exit code is 1 if a line is not.  Signals, kills and locks stand in tests/faults/signals and tests/faults/stores, calls of the
library in tests/bilevel/test_misuse.py.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from file_faults.lines import LINES, Line, Place, done

KINDS = tuple(dict.fromkeys(line.kind for line in LINES))


def tell(line: Line, place: Place) -> bool:
    started = time.perf_counter()
    found, fault = done(line, place)
    code = "-" if found.code is None else str(found.code)
    said = "".join(c if c.isprintable() else "?" for c in found.sentence.replace(str(place.folder), "..."))
    ok = f"NO: {fault}" if fault else "ok"
    print(
        f"{line.kind} | {line.name[:60]} | {code} | {time.perf_counter() - started:.1f} | {said[:200]} | {ok}",
        flush=True,
    )
    return not fault


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", nargs="+", default=list(KINDS), choices=KINDS, help="default: all")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    place = Place(folder)
    print("kind | input | exit | seconds | sentence | ok")
    try:
        good = [tell(line, place) for line in LINES if line.kind in given.kind]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(good)} lines, {good.count(False)} not ok")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
