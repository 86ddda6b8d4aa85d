"""The table of pessimistic problems: every optimum is found again by enumeration, and on lines by a formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import literature_oracle
import numpy as np
import pytest
from literature_loader import evaluate
from ties import line, several
from ties.judging import TIES, Case, of_table, run, worth
from ties.matrices import Tied, tied
from ties.responses import Bases, Known, decided
from ties.security import enumerated
from ties.table import load, problems

ENTRIES = {entry["name"]: entry for entry in problems()}
INF = np.inf
WAYS: dict[str, Callable[[Tied], Known]] = {
    "line": line.pessimistic, "prices": several.priced, "rows": several.limited,
    "integers": lambda p: enumerated(p, 1.0)["pessimistic"],
}  # fmt: skip

WORST: dict[str, Callable[[float], float]] = {
    "bard_1991_ex2": lambda x: 10 - 12 * x if x <= 0.5 else 9 - 10 * x,
    "bard_1991_variant": lambda x: 10 - 13 * x if x <= 0.5 else 8 - 9 * x,
    "floudas_1999_926": lambda x: 10 - x,
    "bard_1998_812": lambda x: 10 - 10.1 * x,
    "clark_westerberg_1990b": lambda x: -6 if 2 <= x <= 6 else 8 - 7 * x if x < 2 else 7 * x - 48,
    "dempe_2002_p32": lambda y: y,
    "bard_1991_ex1": lambda x: 8 if x == 2 else x,
    "dempe_2012": lambda x: x,
    "morgan_patrone_2006a": lambda x: -x - 1 if x < 0 else 1 - x,
    "yezza_1996_31": lambda x: 4 - 2 * x if x <= 0.25 else 2 * x + 1,
    "lucchetti_1987": lambda x: (1 + x) / 2,
    "toll_setting_5": lambda x: -x * ((x < 2.5) + (x < 1)),
    "toll_setting_5_users": lambda x: -x * ((x < 2.5) + (x < 1)),
    "fruits_issue_82": lambda p: 0 if p > 0.09 + 1e-9 else INF,
    "fruits_issue_82_low_price": lambda p: INF,
    "triangle": lambda x: x - 1 if x > 0 else x + 1,
    "row_for_every_tie": lambda x: -x if x <= 1 else INF,
    "no_decision_for_every_tie": lambda x: INF,
    "price_levels": lambda x: -(0, 2, 2, 3)[round(x)],
    "one_price_of_two_hours": lambda p: -2 * p if p < 5 else -8,
    "two_users_of_a_line": lambda x: x if 0 < x < 0.5 else INF,
    "switch_in_the_rows": lambda z: z,
    "worst_and_best_apart": lambda x: 1.5 * x if x <= 3 else 9 - 1.5 * x,
    "free_only_at_the_end": lambda x: x,
    "row_that_ties_break_at_the_best": lambda x: -x if x > 1 else INF,
    "leader_row_opens_the_line": lambda x: x if x > 1 else INF,
}
"""The worst tie of each decision, minimised, as the derivations say; infinite where some tie breaks a row."""


def close(found: float, known: float) -> bool:
    return found == known or abs(found - known) <= 1e-6 * max(1.0, abs(known))


def test_the_table_is_whole() -> None:
    assert len(ENTRIES) == len(problems()) >= 35
    for entry in ENTRIES.values():
        assert len(entry["derivation"]) > 10 and entry["source"], entry["name"]
        assert isinstance(entry["source"], dict) == (entry["name"] not in OWN), entry["name"]
        assert load(entry).name == entry["name"]
    assert sum(not entry["attained"] for entry in ENTRIES.values()) >= 8
    assert sum(entry["pessimistic"] is None for entry in ENTRIES.values()) >= 3
    assert sum(len(of_table(entry, "secure")) for entry in ENTRIES.values()) >= 8


OWN = {
    "triangle", "row_for_every_tie", "no_decision_for_every_tie", "price_levels", "two_hours", "one_price_of_two_hours",
    "two_users_of_a_line", "switch_in_the_rows", "worst_and_best_apart", "free_only_at_the_end",
    "row_that_ties_break_at_the_best", "leader_row_opens_the_line",
}  # fmt: skip
"""Those whose data nobody published."""


@pytest.mark.parametrize("name", ENTRIES)
def test_it_does_not_matter_when_the_leader_decides_the_rest(name: str) -> None:
    assert tied(ENTRIES[name]).follows() == []


@pytest.mark.parametrize("name", ENTRIES)
def test_the_optimistic_optimum_by_the_complementarity_sides(name: str) -> None:
    entry = ENTRIES[name]
    found = literature_oracle.solve(entry)
    if entry["optimistic"] is None:
        assert found.kind == "infeasible"
    else:
        assert found.kind == "optimal" and close(found.optimum, entry["optimistic"])


@pytest.mark.parametrize("name", ENTRIES)
def test_the_pessimistic_optimum_by_every_way_that_fits(name: str) -> None:
    entry = ENTRIES[name]
    (case,) = of_table(entry, "pessimistic")
    p, fits = tied(entry), 0
    for way, solve in WAYS.items():
        if way == "line" and (len(p.x) != 1 or p.integer.any()):
            continue
        try:
            found = solve(p)
        except ValueError:
            continue
        fits += 1
        assert close(found.value, case.known.value), way
        assert found.attained == entry["attained"], way
    assert fits
    assert case.known.value >= of_table(entry, "optimistic")[0].known.value - 1e-9


@pytest.mark.parametrize("name", WORST)
def test_the_worst_tie_of_each_decision_in_closed_form(name: str) -> None:
    p = tied(ENTRIES[name])
    bases = Bases(p)
    low, high = max(p.lower[0], -10.0), min(p.upper[0], 10.0)
    places = np.arange(low, high + 1) if p.integer[0] else np.linspace(low, high, 81)
    if name.startswith("fruits"):
        places = np.array([*places, 0.09]) if high > 0.09 else places
    decisions = {float(x): decided(p, bases, np.array([x])) for x in places}
    found = {x: decision.worst for x, decision in decisions.items() if decision is not None}
    assert len(found) >= min(len(places), 9)
    for x, value in found.items():
        assert close(value, WORST[name](x)), x


def test_a_formula_for_every_line_that_has_ties() -> None:
    plain = {
        "hu_huang_zhang_2009",
        "bialas_karwan_1984a",
        "besancon_2019_17",
    }  # unique answers, or ties that nobody sees
    assert {name for name, entry in ENTRIES.items() if len(entry["leader"]["variables"]) == 1} - plain == set(WORST)


def test_zeng_2020_in_closed_form() -> None:
    p = tied(ENTRIES["zeng_2020"])
    bases = Bases(p)
    for x1, x2 in np.random.default_rng(0).uniform(0, 5, (50, 2)):
        decision = decided(p, bases, np.array([x1, x2]))
        assert decision is not None
        assert close(decision.worst, 20 - 10 * x1 - 8 * x2 + 14 * min(4 * x2, 0.8 * (x1 + x2), 10 - x1 - x2))
        assert close(decision.best, -250 + 17 * x1 + 19 * x2 - 5 * min(4 * x2, 10 - x1 - x2))


@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if "secure" in entry])
def test_the_secure_optima(name: str) -> None:
    p = tied(ENTRIES[name])
    values = []
    for case in of_table(ENTRIES[name], "secure"):
        assert case.margin is not None
        found = enumerated(p, case.margin)["secure"] if p.integer.all() else line.secured(p, case.margin)
        assert close(found.value, case.known.value)
        if found.x:
            assert close(worth(case, p, Bases(p), np.array(found.x)), found.value)
        values.append(found.value)
    (pessimistic,) = of_table(ENTRIES[name], "pessimistic")
    assert min(values) >= pessimistic.known.value - 1e-9
    assert values == sorted(values), "a larger margin leaves fewer decisions"


def test_margins_may_need_multipliers_of_more_rows_than_fix_the_answer() -> None:
    """At x = 0 of `row_for_every_tie`, y1 + y2 <= 0 with 1 + m leaves m for both bounds, and no basis alone has that much."""
    p = tied(ENTRIES["row_for_every_tie"])
    bases = Bases(p)
    multipliers = bases.multipliers[0] + bases.multipliers[1] @ np.zeros(1)
    assert (multipliers[bases.feasible(np.zeros(1))[1]].min(axis=1) < 0.5).all()
    assert line.secured(p, 0.5).value == 0


@pytest.mark.parametrize("name", ENTRIES)
def test_the_engine_agrees_on_the_optimistic_optimum(name: str) -> None:
    (case,) = of_table(ENTRIES[name], "optimistic")
    found = run(case)
    assert found.verdict == "right", found.reason


def test_what_is_of_another_kind_is_refused() -> None:
    entry: dict[str, Any] = {
        "leader": {"sense": "min", "objective": "x**2", "variables": {"x": [0, 1]}, "rows": []},
        "followers": {"f": {"sense": "min", "objective": "y", "variables": {"y": [0, 1]}, "rows": []}},
    }
    with pytest.raises(ValueError, match=r"x\*x is neither"):
        tied(entry)
    entry["leader"]["objective"] = "x"
    entry["followers"]["f"]["rows"] = ["x*y <= 1"]
    with pytest.raises(ValueError, match="a row holds a product"):
        tied(entry)
    entry["followers"]["f"] |= {"rows": [], "objective": "0*y", "variables": {"y": [0, None]}}
    with pytest.raises(ValueError, match="no limits"):
        line.pessimistic(tied(entry))
    entry["followers"]["f"]["variables"]["y"] = [0, 1, "Integers"]
    with pytest.raises(ValueError, match="y is an integer of a follower"):
        tied(entry)


def test_a_variable_that_could_follow_the_answers_is_told() -> None:
    entry = {
        "leader": {"sense": "min", "objective": "z", "variables": {"x": [0, 1], "z": [0, 1]}, "rows": ["z >= y"]},
        "followers": {"f": {"sense": "min", "objective": "x*y", "variables": {"y": [0, 1]}, "rows": []}},
    }
    assert tied(entry).follows() == ["z"]


def test_the_ways_of_breaking_ties() -> None:
    assert set(TIES) == {"optimistic", "pessimistic", "secure"}
    assert (
        evaluate(ENTRIES["zeng_2020"]["leader"]["objective"], {"x1": 0, "x2": 2, "y1": 0, "y2": 8, "y3": 0, "y4": 0})
        == -252
    )
    assert Case(ENTRIES["two_hours"], "pessimistic", Known(-10.0)).sign == -1
