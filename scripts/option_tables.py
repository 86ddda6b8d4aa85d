"""Write the tables of parts and their options into docs/command-line.md, from what the parts declare; --check only compares."""

import sys
from collections.abc import Iterable
from pathlib import Path

from formulations.objectives.objective import Objective
from formulations.options import Part, declared
from formulations.parts import ALL

PAGE = Path(__file__).parents[1] / "docs" / "command-line.md"
START, END = "<!-- parts -->\n", "<!-- end of parts -->\n"


def tables() -> str:
    parts = [(kind, part) for kind, registry in ALL.items() for part in registry.values()]
    rows = [(f"`--{kind}`", f"`{part.name}`", _about(part), _flags(part)) for kind, part in parts]
    options = [
        (f"`--{o.command_flag}`", f"`{o.name}`", f"{known.kind} {_code(known.parts)}", o.said_default, o.words)
        for known in declared(ALL).values()
        for o in [known.option]
    ]
    heads = ("option", "in Python", "of", "default", "meaning")
    return f"{_table(('chosen by', 'part', 'is', 'takes'), rows)}\n{_table(heads, options)}"


def _about(part: Part) -> str:
    if not isinstance(part, Objective):
        return part.about
    return f"{part.about} ({part.unit or 'currency'}), {'small' if part.sense > 0 else 'large'}"


def _flags(part: Part) -> str:
    return _code(f"--{option.command_flag}" for option in part.options)


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [heads, ["---" for _ in heads], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def page(text: str) -> str:
    before, _, rest = text.partition(START)
    return f"{before}{START}\n{tables()}\n{END}{rest.partition(END)[2]}"


def main() -> int:
    now = PAGE.read_text(encoding="utf-8")
    wanted = page(now)
    if "--check" in sys.argv:
        return int(now != wanted)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
