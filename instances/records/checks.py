"""Checks of single values: each returns nothing or raises `InstanceError` with the remedy.

``owner`` names the object in the words of the user ("branch 3-4"), ``field`` the attribute with its unit.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Collection, Iterable, Sized
from numbers import Integral, Real

from instances import tolerances
from instances.records.errors import InstanceError, nearest, quoted, shown

# Control characters, surrogates, and what ends a line or a paragraph
_NO_SIGNS = frozenset({"Cc", "Cs", "Zl", "Zp"})
# The mark of byte order, which editors leave in the first cell of a table: a name with it looks as one without
_BYTE_ORDER = "\ufeff"
# Letters from right to left are text; these turn what a program prints behind a name
_TURNS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})

__all__ = ["as_tuples", "filled", "integer", "known", "number", "text", "unique"]


def number(
    owner: str,
    field: str,
    value: object,
    *,
    at_least: float = -math.inf,
    above: float = -math.inf,
    at_most: float = math.inf,
    unlimited: bool = False,
) -> None:
    """Refuse all but a finite real number in the range; infinity passes if ``unlimited`` (no limit)."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InstanceError(f"{owner} has {field} {quoted(value)}; give a number")
    given = _float(value)
    largest = tolerances.LARGEST
    if not -largest <= given <= largest and not (unlimited and given == math.inf):
        raise InstanceError(f"{owner} has {field} {shown(value)}; give a finite number below {largest:g} in size")
    if given < at_least:
        raise InstanceError(f"{owner} has {field} {shown(value)}; give a value of at least {at_least:g}")
    if given <= above:
        raise InstanceError(f"{owner} has {field} {shown(value)}; give a value above {above:g}")
    if given > at_most:
        raise InstanceError(f"{owner} has {field} {shown(value)}; give a value of at most {at_most:g}")


def _float(value: Real) -> float:
    """Return the number as a float, or NaN where a whole number is too large to be one."""
    try:
        return float(value)
    except OverflowError:
        return math.nan


def integer(owner: str, field: str, value: object, *, at_least: int) -> None:
    """Refuse anything but a whole number of at least ``at_least``, and one that is larger than any field may be."""
    if isinstance(value, Integral) and int(value) > tolerances.LARGEST:
        # Not written out: Python itself refuses to write thousands of digits
        raise InstanceError(f"{owner} has {field} above {tolerances.LARGEST:g}; give a smaller whole number")
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InstanceError(f"{owner} has {field} {quoted(value)}; give a whole number")
    if value < at_least:
        raise InstanceError(f"{owner} has {field} {shown(value)}; give a whole number of at least {at_least}")


def text(owner: str, field: str, value: object) -> None:
    """Refuse anything but one line of text without spaces around it, so that files can carry it and people read it."""
    if not isinstance(value, str):
        raise InstanceError(f'{owner} has {field} {quoted(value)}; give text, such as "{shown(value)}"')
    if not value or value != value.strip() or any(map(_is_no_sign, value)):
        raise InstanceError(f"{owner} has {field} {quoted(value)}; give one line of text without spaces around it")


def _is_no_sign(letter: str) -> bool:
    """Tell whether a letter is a control character, ends a line, is half a character, marks byte order, or turns others round."""
    return (
        letter == _BYTE_ORDER
        or unicodedata.category(letter) in _NO_SIGNS
        or unicodedata.bidirectional(letter) in _TURNS
    )


def unique(kind: str, names: Iterable[str | tuple[str, ...]]) -> None:
    """Refuse the first name, or pair of names, that occurs twice."""
    seen: set[str | tuple[str, ...]] = set()
    for name in names:
        if name in seen:
            said = shown(name) if isinstance(name, str) else " to ".join(map(shown, name))
            raise InstanceError(f'two {kind} are named "{said}"; give each its own name')
        seen.add(name)


def filled(owner: str, field: str, table: Sized) -> None:
    """Refuse an empty table."""
    if not len(table):
        raise InstanceError(f"{owner} has no {field}; give at least one")


def known(owner: str, kind: str, name: str, names: Collection[str]) -> None:
    """Refuse a reference to a ``kind`` that is not among ``names``, with the nearest one."""
    if name not in names:
        raise InstanceError(
            f'{owner} names the unknown {kind} "{shown(name)}"; give an existing {kind}{nearest(name, names)}'
        )


def as_tuples(record: object, *fields: str) -> None:
    """Turn lists into tuples, so that a frozen record stays immutable, comparable and hashable."""
    for field in fields:
        object.__setattr__(record, field, tuple(getattr(record, field)))
