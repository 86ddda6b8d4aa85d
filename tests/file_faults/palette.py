"""What a field is set to: values of other types, at the ends of ranges, and texts that some reader takes for something else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

Item = TypeVar("Item")
LONG = "long " * 700


class Chooser(Protocol):
    """Where choices come from: `random.Random`, or a strategy of hypothesis."""

    def pick(self, items: list[Item]) -> Item: ...

    def whole(self, low: int, high: int) -> int: ...


@dataclass(frozen=True)
class Raw:
    """Text that stands in a JSON file as it is, which `json` would not write."""

    text: str


DEEP = Raw("[" * 20_000 + "]" * 20_000)
BROKEN = Raw("[" * 20_000)
JSON_VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2, 3, 0.5, -0.5, 1e-300, 1e30, 1e31, 1e300, -1e308, 10**30, 10**400, -(10**29), 1e18, 2**63,
    float("nan"), float("inf"), float("-inf"), Raw("1e400"), Raw("-0"), Raw("01"), Raw("1_000"), Raw("'x'"), Raw(""), DEEP, BROKEN,
    "", " ", "x", "nan", "NaN", "inf", "1e5", "-1", "1_000", "0x10", "certified", "infeasible", "feasible", "é", "１２", "a\nb",
    "a\x00b", "\ud800", "\u2028", "*", "-1+1", "NA", "null", "#1", "=1+1", "\\input{x}", "<script>alert(1)</script>", "../x", LONG,
    [], {}, [None], [[]], [1, 2], ["x"], {"a": 1}, {"": None}, [True], [1e308, 1e308],
]  # fmt: skip
"""Values of a JSON field."""

CELLS = [
    "", " ", "x", "nan", "NaN", "inf", "-inf", "Infinity", "1e308", "-1e308", "1e400", "1e30", "1e31", "-1", "-0", "0",
    "1", "0.5", "2",
    "1e-300", "1_000", "１２", "٣", "0x10", "1,5", "1.5.", "+5", " 5 ", "1e5", "1.", ".5", "9" * 400, "9" * 5000,
    "True", "None", "null",
    "NA", "#1", "# x", "*", "-1+1", "=1+1", "@x", "a\nb", 'a"b', '"', "a;b", "é", "a\x00b", "\ufeff1",
    "\u2028", "\u202e1", "\x1b[31m",
    "2019-01-01", LONG,
]  # fmt: skip
"""Texts of a CSV cell."""

BYTES = [
    b"",
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xe9",
    b"\r",
    b"\n",
    b",",
    b'"',
    b"#",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\x1a",
    b"\xed\xa0\x80",
]
"""Bytes that are put into a file anywhere."""
