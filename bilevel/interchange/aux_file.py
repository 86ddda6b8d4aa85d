"""The AUX file of MibS: which columns and rows of an MPS file are the follower's, and the follower's objective.

Name form, each keyword on a line of its own (`input.md` of MibS; spellings differ between its versions and all are read):

    @NUMVARS, @NUMCONSTRS          count on the next line          (also @NUMCONSTR, @NUMCONSTS)
    @OBJSENSE                      MIN or MAX on the next line     (without it: MIN)
    @VARSBEGIN ... @VARSEND        lines "column coefficient"
    @CONSTRSBEGIN ... @CONSTRSEND  lines "row"                     (also @CONSTRBEGIN, @CONSTSBEGIN; the end may be missing)
    @NAME, @MPS, @LP               one line, not used

Index form, lines "key value": N and M count columns and rows; LC and LR name one of them, by its position from 0 or by its
name; LO gives coefficients in the order of the LC; OS is the sense, 1 or -1.  The objective row has no position.
"""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

from bilevel.errors import ModelError, did_you_mean
from bilevel.reading import numbers

_COUNTS = {"NUMVARS": "N", "NUMCONSTR": "M", "NUMCONSTRS": "M", "NUMCONSTS": "M", "NUMCONS": "M"}
_SECTIONS = {
    "VARSBEGIN": "vars", "CONSTRSBEGIN": "rows", "CONSTRBEGIN": "rows", "CONSTSBEGIN": "rows",
    "VARSEND": "", "CONSTRSEND": "", "CONSTREND": "", "CONSTSEND": "",
    "NAME": "skip", "MPS": "skip", "LP": "skip", "OBJSENSE": "sense", **dict.fromkeys(_COUNTS, "count"),
}  # fmt: skip
_SENSES = {"MIN": 1, "MINIMIZE": 1, "1": 1, "MAX": -1, "MAXIMIZE": -1, "-1": -1}
_KEYS = ("N", "M", "LC", "LR", "LO", "OS", "IC", "IB")
_NEAR = 0.75
"""How alike names are that may have been meant: names such as x1 and x2 say nothing."""
_INDEX = re.compile(r"[0-9]{1,18}")


@dataclass
class Auxiliary:
    """What an AUX file says: follower columns and rows as (name or index, line), coefficients, sense (+1 minimises).

    `interdiction`: of every follower column what the leader pays for taking it away, with a `budget` (IC and IB); empty where the
    files have the leader written out.
    """

    path: Path
    columns: list[tuple[str, int]] = field(default_factory=list)
    rows: list[tuple[str, int]] = field(default_factory=list)
    cost: list[float] = field(default_factory=list)
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    interdiction: list[float] = field(default_factory=list)
    budget: float | None = None
    sense: int = 1
    indexed: bool = False

    def error(self, line: int, what: str) -> ModelError:
        """A refusal that names file and line."""
        return ModelError(f"{self.path}, line {line}: {what}")

    def number(self, line: int, token: str) -> float:
        """A finite number."""
        value = numbers.number(token)
        if not math.isfinite(value):
            raise self.error(line, f"{token!r} is not a finite number")
        return value

    def count(self, key: str, line: int, token: str) -> None:
        """Note how many columns (N) or rows (M) there should be."""
        if not _INDEX.fullmatch(token):
            raise self.error(line, f"{token!r} is not a count")
        self.counts[key] = int(token), line

    def direction(self, line: int, token: str) -> None:
        """Note the follower's sense."""
        # The sense may be a number, and is one in the index form: 1, +1, 1. or 1.0
        named = token.upper().removesuffix(".0").removesuffix(".").removeprefix("+")
        if named not in _SENSES:
            raise self.error(line, f"objective sense {token!r} is neither 1 (minimise) nor -1 (maximise)")
        self.sense = _SENSES[named]


def read(path: Path, text: str) -> Auxiliary:
    """An AUX file, checked for itself: keys, numbers, counts."""
    found = Auxiliary(path)
    section = ""
    for line, raw in enumerate(text.splitlines(), 1):
        tokens = raw.split()
        if not tokens or raw.lstrip()[0] in "*#":
            continue
        if tokens[0].startswith("@"):
            section = _section(found, line, tokens)
        elif section:
            section = _entry(found, section, line, tokens)
        else:
            _pairs(found, line, tokens)
    _check(found)
    return found


def _section(found: Auxiliary, line: int, tokens: list[str]) -> str:
    key = tokens[0].upper().removeprefix("@")
    if key not in _SECTIONS:
        known = ", ".join(f"@{name}" for name in ("NUMVARS", "NUMCONSTRS", "VARSBEGIN", "CONSTRSBEGIN", "OBJSENSE"))
        raise found.error(
            line,
            f"keyword {tokens[0]!r} is not known: {did_you_mean('@' + key, [f'@{name}' for name in _SECTIONS])}"
            f"known are {known}, and those that end these sections",
        )
    section = f"count {_COUNTS[key]}" if key in _COUNTS else _SECTIONS[key]
    return section if len(tokens) == 1 else _entry(found, section, line, tokens[1:])


def _entry(found: Auxiliary, section: str, line: int, tokens: list[str]) -> str:
    """Take a line of a section; gives back the section that goes on after it."""
    if section == "vars":
        if len(tokens) != 2:
            raise found.error(line, f"{' '.join(tokens)!r} is not a column name and its coefficient")
        found.columns.append((tokens[0], line))
        found.cost.append(found.number(line, tokens[1]))
        return section
    if section == "skip":
        return ""
    if len(tokens) != 1:
        raise found.error(line, f"{' '.join(tokens)!r} should be one word: names in AUX files have no spaces")
    if section == "rows":
        found.rows.append((tokens[0], line))
        return section
    if section == "sense":
        found.direction(line, tokens[0])
    else:
        found.count(section.removeprefix("count "), line, tokens[0])
    return ""


def _pairs(found: Auxiliary, line: int, tokens: list[str]) -> None:
    if len(tokens) % 2:
        raise found.error(line, f"{' '.join(tokens)!r} is not made of pairs of a key and a value")
    for key, value in zip(tokens[::2], tokens[1::2], strict=True):
        if key in ("N", "M"):
            found.count(key, line, value)
        elif key in ("LC", "LR"):
            (found.columns if key == "LC" else found.rows).append((value, line))
            found.indexed = True
        elif key == "LO":
            found.cost.append(found.number(line, value))
        elif key == "OS":
            found.direction(line, value)
        elif key == "IC":
            found.interdiction.append(found.number(line, value))
        elif key == "IB":
            if found.budget is not None:
                raise found.error(line, f"IB {value} is a second budget: give one")
            found.budget = found.number(line, value)
        else:
            raise found.error(
                line, f"key {key!r} is not known: {did_you_mean(key.upper(), _KEYS)}known are {', '.join(_KEYS)}"
            )


def _check(found: Auxiliary) -> None:
    for key, listed, what in (("N", found.columns, "columns"), ("M", found.rows, "rows")):
        # A count that nobody announced cannot be wrong
        count, line = found.counts.get(key, (len(listed), 0))
        if count != len(listed):
            raise found.error(line, f"{count} follower {what} are announced, but {len(listed)} are listed")
    if len(found.cost) != len(found.columns):
        raise ModelError(
            f"{found.path}: {len(found.columns)} follower columns have {len(found.cost)} coefficients: give one each"
        )
    if bool(found.interdiction) != (found.budget is not None):
        given, missing = ("IC", "IB") if found.interdiction else ("IB", "IC")
        raise ModelError(f"{found.path} has {given} and no {missing}: an interdiction problem needs costs and a budget")
    if not found.columns:
        raise ModelError(f"{found.path} names no follower column: list them under @VARSBEGIN or LC")


def resolve(found: Auxiliary, listed: list[tuple[str, int]], names: list[str], what: str) -> list[int]:
    """Positions in `names` of what was listed, by index where the index form gives numbers, else by name."""
    # One that is no number makes all of them names, of which some may look like numbers
    by_index = found.indexed and all(_INDEX.fullmatch(token) for token, _ in listed)
    at = {name: position for position, name in enumerate(names)}
    # A dict, as a list would be searched once a column
    positions: dict[int, None] = {}
    for token, line in listed:
        position = int(token) if by_index else at.get(token, -1)
        if not 0 <= position < len(names):
            scope = f"0 to {len(names) - 1} (the objective does not count)" if by_index else "those of the MPS file"
            hint = "" if by_index else did_you_mean(token, names, _NEAR)
            raise found.error(line, f"{what} {token!r} does not exist: {hint}use {scope}")
        if position in positions:
            raise found.error(line, f"{what} {token!r} is listed twice")
        positions[position] = None
    return list(positions)


def by_name(columns: list[tuple[str, float]], rows: list[str], mps: str) -> str:
    """The name form; the cost is minimised."""
    lines = ["@NUMVARS", str(len(columns)), "@NUMCONSTRS", str(len(rows)), "@VARSBEGIN"]
    # The shortest digits that read back as the same number
    lines += [f"{name} {cost!r}" for name, cost in columns]
    lines += ["@VARSEND", "@CONSTRSBEGIN", *rows, "@CONSTRSEND", "@MPS", mps]
    return "\n".join(lines) + "\n"


def by_index(columns: list[tuple[int, float]], rows: list[int], sense: int) -> str:
    """The index form."""
    lines = [f"N {len(columns)}", f"M {len(rows)}"]
    lines += [f"LC {at}" for at, _ in columns]
    lines += [f"LR {at}" for at in rows]
    lines += [f"LO {cost!r}" for _, cost in columns]
    return "\n".join([*lines, f"OS {sense}"]) + "\n"
