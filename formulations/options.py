"""Parts of a model by name, each with the options that it declares in its own file.

Python, the command line, the command that a report prints and the documents take an option from its declaration alone.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self, TypeVar

from bilevel.errors import BilevelError, UnknownNameError, require, short
from bilevel.reading import numbers


@dataclass(frozen=True, kw_only=True)
class Option:
    """An option of a part: a keyword-only parameter of its `add`.

    - `name`: the keyword, with its unit, such as "discomfort_per_kwh"; `flag`: its name on the command line without dashes, by
      default the same with "-" for "_";
    - `kind`: float, int or str, what a text is read as; the value of a str without `choices` is the part's own to read;
    - `default`: its value where none is given, None where the part finds one; `default_words` says how;
    - `help`: a phrase for people, `unit` of the value, `example` of a text, `metavar` for what stands in its place in a help;
    - `above`, `least`, `most`: limits of a number, of which the first is not allowed itself; `choices`: the texts allowed.
    """

    name: str
    help: str
    example: str
    kind: type[float] | type[int] | type[str] = float
    default: Any = None
    default_words: str = ""
    unit: str = ""
    flag: str = ""
    metavar: str = ""
    above: float = -math.inf
    least: float = -math.inf
    most: float = math.inf
    choices: tuple[str, ...] = ()

    @property
    def command_flag(self) -> str:
        """The name on the command line, without dashes in front."""
        return self.flag or self.name.replace("_", "-")

    @property
    def words(self) -> str:
        """What it does, with unit and example, in one sentence."""
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.help}{unit}, such as {self.example}."

    @property
    def said_default(self) -> str:
        """The default for people."""
        return self.default_words or str(self.default)

    @property
    def wanted(self) -> str:
        """What a value has to be, without an article."""
        if self.choices:
            return f"choice of {', '.join(self.choices)}"
        if self.kind is str:
            return "text"
        if self.above == 0:
            noun = f"positive {self._noun}"
        else:
            noun = self._noun + (f" above {self.above:g}" if self.above > -math.inf else "")
        if self.least > -math.inf and self.most < math.inf:
            return f"{noun} from {self.least:g} to {self.most:g}"
        low = f" of at least {self.least:g}" if self.least > -math.inf else ""
        return noun + low + (f" of at most {self.most:g}" if self.most < math.inf else "")

    @property
    def _noun(self) -> str:
        return "whole number" if self.kind is int else "number"

    def read(self, value: Any) -> Any:
        """The value as the part gets it; raises `BilevelError` for one that the declaration does not allow."""
        if self.choices:
            allowed, found = value in self.choices, value
        elif self.kind is str:
            allowed, found = True, value
        else:
            found = self._number(value)
            allowed = math.isfinite(found) and found > self.above and self.least <= found <= self.most
        if not allowed:
            unit = f" of {self.unit}" if self.unit and not self.choices else ""
            raise BilevelError(f"{self.name} is {value}: give a {self.wanted}{unit}, such as {self.example}")
        return found

    def _number(self, value: Any) -> float:
        try:
            # True is 1.0 to Python, and no number that anybody means
            number = (
                math.nan
                if isinstance(value, bool)
                else numbers.number(value)
                if isinstance(value, str)
                else float(value)
            )
        except (TypeError, ValueError, OverflowError):
            return math.nan
        if self.kind is int and math.isfinite(number):
            return int(number) if number == int(number) else math.nan
        return number


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a model: `add` writes it into the model, `about` says in a phrase what it is, `options` are those of its `add`.

    The declared options are the keyword-only parameters of `add`, which needs no defaults of its own.  Raises `BilevelError` where
    they are not.
    """

    name: str
    add: Callable[..., None]
    about: str = ""
    options: tuple[Option, ...] = ()

    def __post_init__(self) -> None:
        """Hold declaration and signature together."""
        parameters = inspect.signature(self.add).parameters.values()
        taken = {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
        for name in sorted(taken ^ {option.name for option in self.options}):
            missing = "declares no option" if name in taken else "has in its add no keyword-only parameter"
            raise BilevelError(f"part {self.name!r} {missing} {name}: let options and add of the part name the same")

    @classmethod
    def of(cls, module: Any) -> Self:
        """The part that a module describes by names of its own, those of this class; what has a default may be left out."""
        return cls(**{field.name: getattr(module, field.name) for field in fields(cls) if hasattr(module, field.name)})

    def with_options(self, given: Mapping[str, Any]) -> Self:
        """The part with its options bound: what `given` has of them and is not None, else their defaults.

        Raises `BilevelError` for a value that its declaration does not allow.
        """
        values = self.values(given)
        return replace(self, add=functools.partial(self.add, **values)) if values else self

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The value of each option: what `given` has of it and is not None, else its default."""
        values = {}
        for option in self.options:
            value = given.get(option.name)
            values[option.name] = option.default if value is None else option.read(value)
        return values


def pairs(what: str, given: Any, wanted: str) -> dict[str, Any]:
    """What the text "loss=1,profit=0.5", or a mapping, gives to names; a name alone in a text has "".

    Raises `BilevelError` for what is neither, saying what is `wanted`, and for a name given twice.
    """
    if not isinstance(given, str):
        require(what, given, isinstance(given, Mapping), wanted)
        return dict(given)
    parts = [part.partition("=") for part in given.split(",")]
    found = {name.strip(): value.strip() for name, _, value in parts}
    if len(found) < len(parts):
        raise BilevelError(f"{what} {short(repr(given))} names a term twice: give each term one value")
    return found


P = TypeVar("P", bound=Part)
Kinds = Mapping[str, Mapping[str, Part]]
"""Registries by kind: parts by name."""


def find(kind: str, name: str, registry: Mapping[str, P]) -> P:
    """The registered part of that name; raises `UnknownNameError` with the nearest one."""
    if name not in registry:
        raise UnknownNameError(kind, name, registry)
    return registry[name]


@dataclass(frozen=True)
class Declared:
    """An option, the kind of parts that take it, and their names."""

    option: Option
    kind: str
    parts: tuple[str, ...]


def declared(kinds: Kinds) -> dict[str, Declared]:
    """The options of all parts of some kinds, by name; parts of one kind may share an option.

    Raises `BilevelError` where one name or one flag is declared in two ways.
    """
    found: dict[str, Declared] = {}
    flags: dict[str, str] = {}
    for kind, registry in kinds.items():
        for name, part in registry.items():
            for option in part.options:
                earlier = found.get(option.name, Declared(option, kind, ()))
                owner = flags.setdefault(option.command_flag, option.name)
                if (earlier.option, earlier.kind, owner) != (option, kind, option.name):
                    raise BilevelError(
                        f"{kind} {name!r} declares option {option.name} (--{option.command_flag}), which is declared "
                        "otherwise before: give it another name"
                    )
                found[option.name] = replace(earlier, parts=(*earlier.parts, name))
    return found


def require_taken(kinds: Kinds, chosen: Mapping[str, Iterable[str]], given: Mapping[str, Any]) -> None:
    """Refuse options that none of the chosen parts takes; those that are None were not given.

    Raises `UnknownNameError` for an option of no part, and `BilevelError` for one of other parts only.
    """
    known = declared(kinds)
    for name in given:
        if name not in known:
            raise UnknownNameError("option", name, known)
        found = known[name]
        if given[name] is not None and not set(chosen[found.kind]) & set(found.parts):
            mine, takers = ",".join(chosen[found.kind]), " or ".join(map(repr, found.parts))
            raise BilevelError(f"{found.kind} {mine!r} takes no {name}: leave it out, or choose {found.kind} {takers}")
