"""Strike solve, pareto, compare and market by signals at random moments, and count what is left.

    python scripts/kill_at_moments.py --n 200 --seed 1

Signals are SIGINT to the whole group as a terminal sends it, once and twice, SIGTERM and SIGKILL to the command alone.  A moment
counts as `old` where the results of before stand untouched (and nothing was kept that a run could go on with), as `new` where whole
new ones do, as `resumed` where the command with --resume went on with what was kept, and ended as it does in one piece.  `lost` is
anything else; `crashed`: a traceback, an exit code that no signal leads to, a process that lives on.  Exit code 1 for one of these.
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "faults" / "signals"))

from moments import COMMANDS, CRASHED, LOST, NEW, OLD, RESUMED, SIGNALS, Cases, Moment, Outcome, strike, whole_runs

_KINDS = (OLD, NEW, RESUMED, LOST, CRASHED)
_EVERY = 20
_LATE, _ANY = 1.1, 0.2
"""Moments are drawn up to so many times what a command takes, so that some come after its end, and this share from its start: the
others once all is imported, which takes longer than the rest."""


def main() -> int:
    asked = _asked()
    draw = random.Random(asked.seed)
    with tempfile.TemporaryDirectory(prefix="moments-") as folder:
        cases = whole_runs(Path(folder), asked.commands)
        moments = [_drawn(draw, cases, asked.commands[number % len(asked.commands)]) for number in range(asked.n)]
        found: list[Outcome] = []
        # Ctrl-C tells what was counted so far
        with suppress(KeyboardInterrupt), ProcessPoolExecutor(asked.jobs) as pool:
            for outcome in pool.map(strike, [cases] * len(moments), moments):
                found.append(outcome)
                if len(found) % _EVERY == 0:
                    print(f"{len(found)} of {asked.n}", file=sys.stderr, flush=True)
                if outcome.kind in (LOST, CRASHED):
                    print(_said(outcome), file=sys.stderr, flush=True)
    print(_table(found))
    return int(any(outcome.kind in (LOST, CRASHED) for outcome in found))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=200, help="moments")
    parser.add_argument("--seed", type=int, default=1, help="of the draw")
    parser.add_argument("--jobs", type=int, default=1, help="commands side by side")
    parser.add_argument(
        "--commands", nargs="+", choices=COMMANDS, default=list(COMMANDS), metavar="NAME", help="of these"
    )
    return parser.parse_args()


def _drawn(draw: random.Random, cases: Cases, command: str) -> Moment:
    """Any signal, at any moment."""
    first = 0.0 if draw.random() < _ANY else min(cases.start, cases.seconds[command])
    return Moment(command, draw.choice(SIGNALS), draw.uniform(first, _LATE * cases.seconds[command]))


def _said(outcome: Outcome) -> str:
    moment = outcome.moment
    return f"{moment.command}, {moment.signal} after {moment.seconds:.3f} s: {outcome.kind}, {outcome.code}, {outcome.remark}"


def _table(found: list[Outcome]) -> str:
    lines = [f"{'command':<20}{'signal':<14}{'moments':>8}" + "".join(f"{kind:>9}" for kind in _KINDS)]
    for command in (*COMMANDS, "all"):
        for name in SIGNALS if command != "all" else ("",):
            mine = [o for o in found if command == "all" or (o.moment.command, o.moment.signal) == (command, name)]
            count = Counter(outcome.kind for outcome in mine)
            lines.append(f"{command:<20}{name:<14}{len(mine):>8}" + "".join(f"{count[kind]:>9}" for kind in _KINDS))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
