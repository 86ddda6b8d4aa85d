"""Options that parts declare: what values they allow, who takes them, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
from oracles import tiny_case

import formulations
from bilevel import BilevelError, UnknownNameError
from formulations.options import Option, Part, declared, find, require_taken
from formulations.parts import ALL, PRICING


def option(**changes: Any) -> Option:
    return Option(**{"name": "wear_per_kwh", "help": "wear", "example": "0.5", **changes})


@pytest.mark.parametrize(
    ("changes", "value", "read"),
    [
        ({}, "0.25", 0.25),
        ({}, 3, 3.0),
        ({"kind": int, "least": 1}, "7", 7),
        ({"kind": int}, 7.0, 7),
        ({"kind": str}, [1, 2], [1, 2]),
        ({"kind": str, "choices": ("sum", "mean")}, "mean", "mean"),
        ({"least": 0.0, "most": 1.0}, 1, 1.0),
    ],
)
def test_values_are_read(changes: dict[str, Any], value: Any, read: Any) -> None:
    found = option(**changes).read(value)
    assert found == read
    assert type(found) is type(read)


@pytest.mark.parametrize(
    ("changes", "value", "words"),
    [
        ({}, "x", "wear_per_kwh is x: give a number, such as 0.5"),
        ({}, True, "is True"),
        ({}, math.inf, "is inf"),
        ({"above": 0.0, "unit": "currency/kWh"}, 0.0, "is 0.0: give a positive number of currency/kWh"),
        ({"above": 1.0}, 1.0, "a number above 1,"),
        ({"above": 0.0, "most": 2.0}, 3, "a positive number of at most 2,"),
        ({"least": 0.0}, -1, "a number of at least 0,"),
        ({"least": 0.0, "most": 1.0}, 1.5, "a number from 0 to 1,"),
        ({"kind": int}, 1.5, "a whole number,"),
        ({"kind": int}, math.nan, "is nan"),
        ({"kind": str, "choices": ("sum", "mean")}, "max", "a choice of sum, mean,"),
    ],
)
def test_values_that_the_declaration_does_not_allow_are_refused(
    changes: dict[str, Any], value: Any, words: str
) -> None:
    with pytest.raises(BilevelError, match=words):
        option(**changes).read(value)


def test_a_part_has_the_options_of_its_add() -> None:
    def add(*, wear_per_kwh: float) -> None: ...

    with pytest.raises(BilevelError, match="'worn' declares no option wear_per_kwh"):
        Part(name="worn", add=add)
    with pytest.raises(BilevelError, match="'worn' has in its add no keyword-only parameter share"):
        Part(name="worn", add=add, options=(option(), option(name="share")))


def test_options_are_bound_or_take_their_defaults() -> None:
    seen: list[float] = []
    part = Part(name="worn", add=lambda *, wear_per_kwh: seen.append(wear_per_kwh), options=(option(default=0.1),))
    for given in ({}, {"wear_per_kwh": None}, {"wear_per_kwh": "2", "of_another": 3}):
        part.with_options(given).add()
    assert seen == [0.1, 0.1, 2.0]
    with pytest.raises(BilevelError, match="wear_per_kwh is x"):
        part.with_options({"wear_per_kwh": "x"})


def test_one_name_or_flag_has_one_declaration() -> None:
    def part(name: str, own: Option) -> Part:
        return Part(name=name, add={"a": lambda *, a: a, "b": lambda *, b: b}[own.name], options=(own,))

    a, b = option(name="a"), option(name="b", flag="a")
    shared = declared({"follower": {"one": part("one", a), "two": part("two", a)}})
    assert shared["a"].parts == ("one", "two")
    for other, kind in ((option(name="a", default=2), "follower"), (b, "follower"), (a, "tariff")):
        registries: dict[str, dict[str, Part]] = {"follower": {"one": part("one", a)}, "tariff": {}}
        registries[kind]["two"] = part("two", other)
        with pytest.raises(BilevelError, match=f"{kind} 'two' declares option .* give it another name"):
            declared(registries)


def test_options_that_no_chosen_part_takes_are_refused() -> None:
    chosen = {"objective": ["loss"], "follower": ["ev_user"], "tariff": ["free"], "flow": ["distflow"]}
    require_taken(PRICING, chosen, {"blocks": None, "discomfort_per_kwh": None})
    with pytest.raises(
        BilevelError, match=r"tariff 'free' takes no blocks: .* choose tariff 'blocks' or 'block_levels'"
    ):
        require_taken(PRICING, chosen, {"blocks": "a=0-2"})
    with pytest.raises(UnknownNameError, match="unknown option 'discomfort': did you mean 'discomfort_per_kwh'"):
        formulations.charging_pricing(tiny_case(), follower="elastic", discomfort=0.1)
    with pytest.raises(UnknownNameError, match="unknown tariff 'level': did you mean 'levels'"):
        find("tariff", "level", PRICING["tariff"])


def test_every_declaration_is_whole() -> None:
    for known in declared(ALL).values():
        own = known.option
        read = own.read(own.example)
        assert own.read(read) == read
        assert own.default is not None or own.default_words
        assert own.default is None or own.read(own.default) == own.default
    for registry in ALL.values():
        for part in registry.values():
            assert part.about
