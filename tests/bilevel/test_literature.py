"""The literature set in every mode and solver: right, or an explicit refusal, or not certified; never certified and wrong."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
import pytest
from literature_loader import DEFAULT, combinations, evaluate, problems, relations, run, too_early
from literature_oracle import follower_excess, solve

import bilevel

ENTRIES = {entry["name"]: entry for entry in problems()}
SOLVED = [name for name, entry in ENTRIES.items() if entry["expect"] == "optimal"]
ENUMERATED = [
    name
    for name, entry in ENTRIES.items()
    # Sides of complementarity are none of followers with integers, whose problems tests/bilevel/integer goes through
    if entry["expect"] != "refused" and not entry["class"].endswith(("QCP", "-MILP")) and "NLP" not in entry["class"]
]
OTHERS = [pair for pair in combinations() if pair != DEFAULT]
SECONDS = {"default": 20.0, "others": 3.0}  # what takes longer is not certified, which is allowed
SHARE = 8
RIGHT = {
    ("auto", "highs"): 11, ("auto", "scip"): 13, ("auto", "gurobi"): 12,
    ("big_m", "highs"): 9, ("big_m", "scip"): 10, ("big_m", "gurobi"): 9,
    ("branching", "highs"): 15,
    ("sos1", "scip"): 13, ("sos1", "gurobi"): 13, ("indicator", "scip"): 12, ("indicator", "gurobi"): 14,
    ("product", "scip"): 12, ("product", "gurobi"): 14, ("strong_duality", "scip"): 12, ("strong_duality", "gurobi"): 11,
    ("strong_duality", "highs"): 3,
}  # fmt: skip
"""Right answers that each has to have of its 17 or 18 entries: one or two less than there were when this was written."""
WHOLE = {("strong_duality", "highs")}
"""Pairs that refuse nearly all entries, at once: they see all of them, as a share may have no right answer."""

# Products of the two levels in the leader's objective that no multiple of the follower's own product gives, or whose
# follower is quadratic or sees the leader in its rows: to be refused by name until a nonconvex solver takes them
REFUSED_PRODUCT = r"product of leader variable|whose revenue the leader counts|makes the term nonconvex"


def test_the_set_is_large_and_every_entry_is_whole() -> None:
    assert len(ENTRIES) == len(problems()) >= 60
    for entry in ENTRIES.values():
        assert entry["expect"] in ("optimal", "infeasible", "unbounded", "refused"), entry["name"]
        assert {"authors", "year", "title"} <= entry["source"].keys(), entry["name"]
        assert ("optimum" in entry) == ("solution" in entry) == (entry["expect"] == "optimal"), entry["name"]
        assert ("published" in entry) == ("why" in entry), entry["name"]
    assert len(SOLVED) >= 50
    assert len(ENTRIES) - len(SOLVED) >= 6


@pytest.mark.parametrize("name", ENUMERATED)
def test_known_answer_by_enumeration(name: str) -> None:
    """SciPy and HiGHS over the complementarity sides; nothing of the engine takes part."""
    entry = ENTRIES[name]
    found = solve(entry)
    assert found.kind == entry["expect"]
    if found.kind != "optimal":
        return
    assert found.optimum == pytest.approx(entry["optimum"], rel=1e-6, abs=1e-6)
    assert evaluate(entry["leader"]["objective"], entry["solution"]) == pytest.approx(found.optimum, rel=1e-6, abs=1e-6)
    assert follower_excess(entry, entry["solution"]) < 1e-6
    if "published" in entry:
        assert abs(entry["published"] - entry["optimum"]) > 1e-5, "a published value that is right needs no reason"


def test_dempe_1992b_by_its_response() -> None:
    entry = ENTRIES["dempe_1992b"]
    x = np.linspace(0, 40, 400_001)
    leader = (x - 3.5) ** 2 + (np.minimum(3, np.sqrt(x)) + 4) ** 2
    assert leader.min() == pytest.approx(entry["optimum"]) and x[leader.argmin()] == entry["solution"]["x"]


def test_gumus_floudas_2001_ex1_by_its_response() -> None:
    """The quartic is least where x + y is nearest to 20, of all y from 0 to 50 - 4 x."""
    entry = ENTRIES["gumus_floudas_2001_ex1"]
    x = np.linspace(0, 12.5, 1_250_001)
    y = np.minimum(20 - x, 50 - 4 * x)
    leader = np.where(y <= 4 * x, 16 * x**2 + 9 * y**2, np.inf)
    assert leader.min() == pytest.approx(entry["optimum"])
    assert (x[leader.argmin()], y[leader.argmin()]) == pytest.approx((entry["solution"]["x"], entry["solution"]["y"]))


@pytest.mark.parametrize(
    "name", ["bard_1991_ex1", "yezza_1996_31", "toll_setting_1", "toll_setting_4_users", "henderson_quandt_1958"]
)
def test_enumeration_without_rewriting_products_agrees(name: str) -> None:
    known = ENTRIES[name]["optimum"]
    assert solve(ENTRIES[name], rewrite=False).optimum == pytest.approx(known, rel=1e-6, abs=1e-6)


def test_expressions_run_no_code() -> None:
    assert evaluate("-2*(x + 1)**2/4 - y", {"x": 1.0, "y": 3.0}) == -5.0
    assert relations("1 <= x <= 2", {"x": 5.0}) == [(1.0, "<=", 5.0), (5.0, "<=", 2.0)]
    for text in ("__import__('os')", "x.real", "x[0]", "(lambda: 1)()", "x if x else x", "'text'"):
        with pytest.raises(ValueError, match="not allowed"):
            evaluate(text, {"x": 1.0})
    with pytest.raises(ValueError, match="no row"):
        relations("x + 1", {"x": 1.0})


@pytest.mark.parametrize("name", ENTRIES)
def test_default_settings_are_right_or_refuse_with_a_reason(name: str) -> None:
    entry = ENTRIES[name]
    _skip_early(entry)
    found = run(entry, *DEFAULT, SECONDS["default"])
    if entry["expect"] == "refused":
        assert found.verdict == "refused", found.reason
        assert re.search(entry["reason"], found.reason), found.reason
        return
    if found.verdict == "refused" and _may_refuse(entry, found.error):
        pytest.skip(f"refused: {found.reason}")
    assert found.verdict == "right" or _may_stay_uncertified(entry, found), found.reason


@pytest.mark.parametrize(("mode", "solver"), OTHERS)
def test_modes_are_right_on_their_share_or_say_why_not(mode: str, solver: str) -> None:
    """Each on an eighth of the entries, another one each; `scripts/literature.py` runs all pairs on all entries."""
    counts: Counter[str] = Counter()
    whole = (mode, solver) in WHOLE
    for entry in list(ENTRIES.values())[0 if whole else OTHERS.index((mode, solver)) % SHARE :: 1 if whole else SHARE]:
        if too_early(entry):
            continue
        found = run(entry, mode, solver, SECONDS["others"])
        allowed = ("refused",) if entry["expect"] == "refused" else ("right", "refused", "not certified")
        assert found.verdict in allowed, (entry["name"], found.reason)
        assert found.verdict != "refused" or len(str(found.error)) > 20, "a refusal says why"
        counts[found.verdict] += 1
    if (mode, solver) in RIGHT:
        assert counts["right"] >= RIGHT[mode, solver], counts
    else:
        assert counts.keys() <= {"refused"}, "a solver without what the mode needs"


def _skip_early(entry: dict[str, Any]) -> None:
    early = too_early(entry)
    if early:
        pytest.skip(early)


def _may_refuse(entry: dict[str, Any], error: Exception | None) -> bool:
    """No proven bound on a solver without a mode that needs none, a product that cannot be made linear, or an entry that
    may be refused in place of its verdict."""
    return (
        isinstance(error, bilevel.UnboundedDualError)
        or bool(re.search(REFUSED_PRODUCT, str(error)))
        or ("reason" in entry and bool(re.search(entry["reason"], str(error))))
    )


def _may_stay_uncertified(entry: dict[str, Any], found: Any) -> bool:
    """At an optimum of 0 a relative gap has nothing to compare with; an entry may name a check that it cannot pass."""
    excused = entry.get("optimum") == 0 or ("uncertified" in entry and re.search(entry["uncertified"], found.reason))
    return found.verdict == "not certified" and bool(excused)
