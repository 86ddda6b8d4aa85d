"""What a lenient MPS reader would pass over: HiGHS reads "a7" as 0 and drops entries of rows that do not exist.

This check looks at every line of a free-format file (fixed format too, as long as names have no spaces) before HiGHS reads it,
and names the line and the value that is wrong.
"""

import math
from collections.abc import Callable, Iterable
from pathlib import Path

from bilevel import tolerances
from bilevel.errors import ModelError, did_you_mean
from bilevel.reading import numbers

_BOUNDS = {"UP", "LO", "FX", "MI", "PL", "FR", "BV", "LI", "UI"}
_BARE = {"MI", "PL", "FR", "BV"}
_NEAR = 0.75  # names as x1 and x2 are not meant for each other


def check(path: Path, text: str) -> None:
    """Raise `ModelError` for the first line that is not plain MPS."""
    _Check(path).run(text)


class _Check:
    def __init__(self, path: Path) -> None:
        self.path, self.line, self.section = path, 0, ""
        self.rows: dict[str, str] = {}
        self.columns: set[str] = set()
        self.column = ""
        self.entries: set[tuple[str, str, str]] = set()
        self.bounded: set[tuple[str, str]] = set()
        self.sections: dict[str, Callable[[list[str]], None]] = {
            "NAME": self._anything, "OBJSENSE": self._sense, "ROWS": self._row,
            "COLUMNS": self._entry, "RHS": self._side, "RANGES": self._side, "BOUNDS": self._bound,
        }  # fmt: skip

    def run(self, text: str) -> None:
        done = False
        for self.line, raw in enumerate(text.splitlines(), 1):
            tokens = raw.split()
            if not tokens or raw.startswith("*"):
                continue
            # Heads of sections start in the first column, data do not
            if raw[0].isspace():
                if not self.section:
                    raise self._error(
                        f"{raw.strip()!r} stands before any section: an MPS file starts with NAME or ROWS"
                    )
                self.sections[self.section](tokens)
                continue
            self.section, done = tokens[0].upper(), tokens[0].upper() == "ENDATA"
            if done:
                break
            if self.section not in self.sections:
                known = ", ".join(self.sections)
                hint = did_you_mean(self.section, self.sections)
                raise self._error(f"section {tokens[0]!r} is not read: {hint}a linear bilevel problem has {known}")
            if self.section == "OBJSENSE" and len(tokens) > 1:
                self._sense(tokens[1:])
        if not done or "N" not in self.rows.values():
            raise ModelError(
                f"{self.path} is not a whole MPS file: it has no {'objective (N) row' if done else 'ENDATA'}"
            )

    def _error(self, what: str) -> ModelError:
        return ModelError(f"{self.path}, line {self.line}: {what}")

    @staticmethod
    def _meant(name: str, names: Iterable[str]) -> str:
        hint = did_you_mean(name, sorted(names), _NEAR).strip()
        return f": {hint}" if hint else ""

    def _anything(self, tokens: list[str]) -> None:
        pass

    def _sense(self, tokens: list[str]) -> None:
        if len(tokens) != 1 or tokens[0].upper() not in ("MIN", "MAX", "MINIMIZE", "MAXIMIZE"):
            raise self._error(f"objective sense {' '.join(tokens)!r} is neither MIN nor MAX")

    def _row(self, tokens: list[str]) -> None:
        if len(tokens) != 2 or tokens[0].upper() not in ("N", "L", "G", "E"):
            raise self._error(f"{' '.join(tokens)!r} is not a row type (N, L, G, E) and a name without spaces")
        if tokens[1] in self.rows:
            raise self._error(f"row {tokens[1]!r} is declared twice")
        self.rows[tokens[1]] = tokens[0].upper()

    def _entry(self, tokens: list[str]) -> None:
        if len(tokens) == 3 and tokens[1] == "'MARKER'":
            if tokens[2] not in ("'INTORG'", "'INTEND'"):
                raise self._error(f"marker {tokens[2]} is neither 'INTORG' nor 'INTEND'")
            return
        if len(tokens) not in (3, 5):
            raise self._error(f"{' '.join(tokens)!r} is not a column with one or two pairs of a row and a number")
        # HiGHS would take it for a second column of the same name
        if tokens[0] != self.column and tokens[0] in self.columns:
            raise self._error(f"column {tokens[0]!r} goes on after another one: keep its entries together")
        self.column = tokens[0]
        self.columns.add(tokens[0])
        self._values(tokens[0], tokens[1:])

    def _side(self, tokens: list[str]) -> None:
        if len(tokens) not in (2, 3, 4, 5):
            raise self._error(f"{' '.join(tokens)!r} is not made of one or two pairs of a row and a number")
        # The name of the set may be left out, which makes the number of words even
        self._values("", tokens[len(tokens) % 2 :])

    def _values(self, column: str, tokens: list[str]) -> None:
        what = column or self.section
        for row, value in zip(tokens[::2], tokens[1::2], strict=True):
            if row not in self.rows:
                raise self._error(f"row {row!r} is not declared in ROWS{self._meant(row, self.rows)}")
            self._number(value)
            # A column may be called as a section is
            if (self.section, what, row) in self.entries:
                raise self._error(f"{what!r} has two values in row {row!r}")
            self.entries.add((self.section, what, row))

    def _bound(self, tokens: list[str]) -> None:
        kind = tokens[0].upper()
        if kind not in _BOUNDS:
            known = sorted(_BOUNDS)
            hint = did_you_mean(kind, known)
            raise self._error(f"bound type {tokens[0]!r} is not read: {hint}known are {', '.join(known)}")
        rest = tokens[1:]
        if kind not in _BARE:
            if len(rest) not in (2, 3):
                raise self._error(f"{' '.join(tokens)!r} is not a bound type, a set name, a column and a number")
            self._limit(kind, rest.pop())
        # A type that needs no number may have one, which says nothing
        elif len(rest) == 3:
            rest.pop()
        if not rest or rest[-1] not in self.columns:
            named = rest[-1] if rest else ""
            raise self._error(f"column {named!r} is not declared in COLUMNS{self._meant(named, self.columns)}")
        if (kind, rest[-1]) in self.bounded:
            raise self._error(f"column {rest[-1]!r} has two bounds of type {kind}")
        self.bounded.add((kind, rest[-1]))

    def _limit(self, kind: str, token: str) -> None:
        self._number(token, infinite=True)
        value = float(token)
        below = kind in ("LO", "LI")
        if (value if below else -value) >= tolerances.INFINITE or (kind == "FX" and abs(value) >= tolerances.INFINITE):
            raise self._error(
                f"a bound of type {kind} at {token} leaves no value: bounds of 1e20 and more are infinite"
            )
        if kind in ("LI", "UI") and abs(value) < tolerances.INFINITE and value != round(value):
            raise self._error(f"a bound of type {kind} is one of an integer column, and {token} is no whole number")

    def _number(self, token: str, infinite: bool = False) -> None:
        value = numbers.number(token)
        # An infinite bound is none, an infinite coefficient a mistake
        if math.isnan(value) or (math.isinf(value) and not infinite):
            raise self._error(f"{token!r} is not a finite number")
