"""Where leader variables may be: whole numbers, steps, sets of numbers, intervals with gaps; against enumeration of the domain."""

import logging
import math
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bilevel
from bilevel import ModelError
from bilevel.compile.compiler import compile_model
from bilevel.interchange import read_mps, write_mps
from bilevel.interchange.pyomo_model import load_values, reformulate


@pytest.fixture(autouse=True)
def no_warnings_of_pyomo() -> Any:
    """Pyomo warns of RangeSet(0, 0, 0), which it makes a set of one number."""
    logger = logging.getLogger("pyomo")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


def model(domain: Any, cost: float, low: float | None = None, high: float | None = None, need: float = 6.0) -> Any:
    """Leader min cost * x + 3 y, follower min y with y >= need - x and y >= 0."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(domain=domain, bounds=(low, high))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 50))
    m.f.o = pyo.Objective(expr=m.f.y)
    m.f.c = pyo.Constraint(expr=m.f.y >= need - m.x)
    m.o = pyo.Objective(expr=cost * m.x + 3 * m.f.y)
    return m


def best(points: Any, cost: float, need: float = 6.0) -> float:
    """The optimum over these x."""
    return min((cost * x + 3 * max(0.0, need - x) for x in points), default=math.inf)


def semi(low: float, high: float | None) -> Any:
    """{0} and [low, high]."""
    return pyo.Set(initialize=[0]) | pyo.RangeSet(low, high, 0)


DOMAINS = {
    "steps of 4": (lambda: pyo.RangeSet(0, 10, 4), [0, 4, 8]),
    "steps downwards": (lambda: pyo.RangeSet(9, 0, -4), [9, 5, 1]),
    "steps of 0.3": (lambda: pyo.RangeSet(0, 7, 0.3), np.arange(0, 7, 0.3)),
    "whole numbers and a half": (lambda: pyo.RangeSet(0.5, 8, 1), np.arange(0.5, 8)),
    "a set": (lambda: pyo.Set(initialize=[1, 4, 7]), [1, 4, 7]),
    "a set at unequal distances": (lambda: pyo.Set(initialize=[1, 5, 12]), [1, 5, 12]),
    "a set of fractions": (lambda: pyo.Set(initialize=[0.5, 2.5, 3.25]), [0.5, 2.5, 3.25]),
    "a list": (lambda: [-2, 1.5, 4], [-2, 1.5, 4]),
    "one number": (lambda: pyo.Set(initialize=[3]), [3]),
    "semicontinuous": (lambda: semi(4.5, 8), [0, *np.linspace(4.5, 8, 71)]),
    "whole numbers and an interval": (
        lambda: pyo.RangeSet(0, 3) | pyo.RangeSet(4.2, 5.7, 0), [*range(4), *np.linspace(4.2, 5.7, 151)]
    ),
    "steps and an interval": (lambda: pyo.RangeSet(1, 9, 4) | pyo.RangeSet(2, 2.5, 0), [1, 5, 9, *np.linspace(2, 2.5, 51)]),
    "intervals that meet": (lambda: pyo.RangeSet(0, 2, 0) | pyo.RangeSet(2, 5, 0), np.linspace(0, 5, 501)),
    "an interval": (lambda: pyo.RangeSet(1, 5, 0), np.linspace(1, 5, 401)),
    "an intersection": (lambda: pyo.RangeSet(0, 9, 2) & pyo.RangeSet(3, 7, 0), [4, 6]),
    "whole numbers": (lambda: pyo.RangeSet(2, 9), range(2, 10)),
    "binary": (lambda: pyo.Binary, [0, 1]),
}  # fmt: skip


@pytest.mark.parametrize("cost", [-1.0, 1.0, 2.0, 3.5])
@pytest.mark.parametrize("kind", DOMAINS)
def test_the_optimum_over_a_domain_is_that_of_its_numbers(kind: str, cost: float) -> None:
    domain, numbers = DOMAINS[kind]
    m = model(domain(), cost)
    solution = bilevel.solve(m, progress=False)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(best(numbers, cost), rel=1e-6, abs=1e-6)
    assert min(abs(m.x.value - number) for number in numbers) <= 0.006, "a grid of 0.01 in intervals"
    assert solution.value(m.x) == m.x.value and set(solution.values) == {"x", "f.y"}


@pytest.mark.parametrize("solver", ["scip", "gurobi", "highs"])
def test_every_solver_keeps_gaps_and_bounds_cut_domains(solver: str) -> None:
    for domain, low, high, numbers in (
        (semi(4, None), None, 6.5, [0, *np.linspace(4, 6.5, 251)]), (pyo.RangeSet(0, None, 5), 3, 17, [5, 10, 15]),
        (pyo.RangeSet(-5, None, -2), -20, None, range(-19, -4, 2)), (pyo.Set(initialize=[1, 5, 12]), 2, 11.9, [5]),
        (pyo.RangeSet(1, None, 5) | pyo.RangeSet(1, None, -5), -5, 9, [-4, 1, 6]),
    ):  # fmt: skip
        solution = bilevel.solve(model(domain, 1.0, low, high), solver, progress=False)
        assert solution.status == "certified", solution.reason
        assert solution.objective == pytest.approx(best(numbers, 1.0), rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_random_unions_against_enumeration(data: Any) -> None:
    """Points and intervals at multiples of 1/2, which may overlap; the optimum is at an end of some piece or at x = need."""
    ends = st.integers(-4, 20).map(lambda k: k / 2)
    points = data.draw(st.lists(ends, max_size=4, unique=True))
    intervals = data.draw(st.lists(st.tuples(ends, ends).map(sorted), max_size=2 if points else 3, min_size=not points))
    low, high = sorted(data.draw(st.tuples(ends, ends)))
    cost, need = data.draw(st.sampled_from([-2.0, 0.5, 1.0, 2.9, 3.5])), data.draw(ends)
    domain: Any = pyo.Set(initialize=points) if points else None
    for a, b in intervals:
        piece = pyo.RangeSet(a, b, 0)
        domain = piece if domain is None else domain | piece
    pieces = [*((p, p) for p in points), *intervals]
    inside = [(max(a, low), min(b, high)) for a, b in pieces if max(a, low) <= min(b, high)]
    numbers = [x for a, b in inside for x in (a, b, min(max(need, a), b))]
    m = model(domain, cost, low, high, need)
    if max(b for _, b in pieces) < low or min(a for a, _ in pieces) > high:
        with pytest.raises(ModelError, match=r"'x' has lower bound .* above its upper bound"):
            bilevel.solve(m, progress=False)
        return
    solution = bilevel.solve(m, progress=False)
    if not numbers:
        assert solution.status == "infeasible" and "'x'" in solution.reason
        return
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(best(numbers, cost, need), rel=1e-5, abs=1e-5)


# ---- bounds of whole numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["highs", "scip", "gurobi"])
@pytest.mark.parametrize(
    ("low", "high"),
    [(0.4, 2.6), (0.6, 2.4), (0.5, 2.7), (-3.5, -0.1), (0, 2.9999999999), (3.0000000001, 5.2), (-0.3, 0.7)],
)
def test_integer_bounds_are_rounded_inwards(low: float, high: float, solver: str) -> None:
    numbers = range(math.ceil(low - 1e-8), math.floor(high + 1e-8) + 1)
    for cost in (-3.0, 1.0, 4.0):
        m = model(pyo.Integers, cost, low, high)
        solution = bilevel.solve(m, solver, progress=False)
        assert solution.status == "certified", solution.reason
        assert solution.objective == pytest.approx(best(numbers, cost))
        assert m.x.value in numbers


@pytest.mark.parametrize(
    ("domain", "low", "high", "words"),
    [
        (pyo.Integers, 1.2, 1.8, r"'x' has no whole number between its bounds 1\.2 and 1\.8"),
        (pyo.Integers, -0.8, -0.2, r"'x' has no whole number"),
        (pyo.RangeSet(0, 10, 4), 5, 7, r"'x' has no value of its domain between its bounds 5 and 7"),
        (pyo.Set(initialize=[1, 4, 12]), 5, 7, r"'x' has no value of its domain"),
        (pyo.Set(initialize=[]), None, None, r"'x' has no value of its domain"),
    ],
)
def test_no_number_between_the_bounds_is_infeasible_by_name(domain: Any, low: Any, high: Any, words: str) -> None:
    m = model(domain, 1.0, low, high)
    for solver in ("highs", "scip"):
        solution = bilevel.solve(m, solver, progress=False)
        assert solution.status == "infeasible"
        with pytest.raises(AssertionError, match=words):
            raise AssertionError(solution.reason)
    assert bilevel.cooperative(m, progress=False).status == "infeasible"
    with pytest.raises(ModelError, match=words):
        reformulate(m)


# ---- the certificate ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("domain", "value"),
    [
        (pyo.RangeSet(0, 10, 4), 6.0), (pyo.Set(initialize=[1, 4, 12]), 4.5), (semi(4.5, 8), 3.0), (pyo.Integers, 4.5),
        (pyo.RangeSet(0, 7, 0.3), 3.01), (pyo.Set(initialize=[1, 4, 12]), 4.0001), (semi(4.5, 8), 4.4999),
    ],
)  # fmt: skip
def test_a_value_off_its_domain_fails_alone(domain: Any, value: float) -> None:
    m = model(domain, 1.0, 0, 10)
    m.x.set_value(value, skip_validation=True)
    m.f.y.set_value(6.0 - value)
    objective = value + 3 * (6.0 - value)
    certificate = bilevel.certify(m, bound=objective)
    assert [check.name for check in certificate.checks if not check.ok] == ["leader rows"]
    assert certificate.status == "rejected" and certificate["leader rows"].where.endswith("of x")
    m.x.domain = pyo.Reals
    assert bilevel.certify(m, bound=objective).ok, "the domain alone was broken"


def test_a_value_in_its_domain_passes() -> None:
    m = model(semi(4.5, 8), 1.0)
    for x in (4.5, 6.0):
        m.x.set_value(x)
        m.f.y.set_value(6.0 - x)
        assert bilevel.certify(m, bound=18 - 2 * x).ok


def test_many_far_numbers_do_not_loosen_the_check() -> None:
    """A thousand numbers up to 1e6 in the row that chooses one; x is 1e-3 off the nearest."""
    m = model(pyo.Set(initialize=[4.0, *(float(k * k) for k in range(10, 1000))]), 1.0, need=5.0)
    m.x.set_value(4.001, skip_validation=True)
    m.f.y.set_value(0.999)
    assert not bilevel.certify(m, bound=6.998)["leader rows"].ok


# ---- refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("domain", "words"),
    [
        (pyo.Set(initialize=["a", 1]), "'x' has domain .* which holds more than numbers"),
        (pyo.Set(initialize=[(1, 2)]), "the bounds of variable 'x' cannot be evaluated"),
        (pyo.Any, "'x' has domain Any, which holds more than numbers"),
        (pyo.Reals - pyo.Set(initialize=[0]), "'x' has an interval without its end"),
        (semi(4, None), "'x' has gaps in its domain and no end .*finite bounds"),
        (pyo.Integers | pyo.RangeSet(0.2, 0.7, 0), "'x' has gaps in its domain and no end"),
    ],
)
def test_domains_that_cannot_be_modelled_are_refused_by_name(domain: Any, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        bilevel.solve(model(domain, 1.0), progress=False)


def owned(domain: Any) -> Any:
    """The follower's k joins in y >= 6 - x - k."""
    m = model(pyo.Reals, 1.0, 0, 4)
    m.f.k = pyo.Var(domain=domain, bounds=(0, 9))
    m.f.c.set_value(m.f.y >= 6 - m.x - m.f.k)
    return m


def test_followers_have_no_gaps_unless_fixed() -> None:
    for domain in (pyo.Set(initialize=[1, 4, 7]), semi(4, 6), pyo.EmptySet):
        with pytest.raises(ModelError, match=r"follower variable 'f\.k' is limited to .*: .*whole numbers only"):
            bilevel.solve(owned(domain), progress=False)
    assert bilevel.solve(owned(pyo.RangeSet(1, 5, 0)), progress=False).objective == pytest.approx(1.0)
    m = owned(pyo.Set(initialize=[1, 4, 7]))
    m.f.k.fix(4)
    assert bilevel.solve(m, progress=False).objective == pytest.approx(2.0)


@pytest.mark.parametrize(("value", "where"), [(3, "domain"), (4.5, "domain"), (-1, "bounds"), (12, "bounds")])
def test_a_variable_fixed_where_it_may_not_be_is_refused(value: float, where: str) -> None:
    m = owned(pyo.Set(initialize=[1, 4, 7]))
    m.f.k.fix(value, skip_validation=True)
    with pytest.raises(ModelError, match=rf"'f\.k' is fixed at {value:g}, outside of its {where}"):
        bilevel.solve(m, progress=False)
    m = model(pyo.Integers, 1.0, 0, 5)
    m.x.fix(2 + 1e-12)
    assert bilevel.solve(m, progress=False).status == "certified", "rounding does not count"


# ---- the other ways out --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["steps of 4", "a set at unequal distances", "semicontinuous", "steps and an interval"]
)
def test_single_level_models_and_files_keep_domains(kind: str, tmp_path: Any) -> None:
    domain, numbers = DOMAINS[kind]
    for cost in (1.0, 2.0):
        m = model(domain(), cost)
        single = reformulate(m)
        pyo.SolverFactory("appsi_highs").solve(single)
        load_values(single, m)
        assert bilevel.certify(m, bound=pyo.value(single.kkt.objective)).ok
        assert pyo.value(m.o) == pytest.approx(best(numbers, cost), rel=1e-6)
        write_mps(m, tmp_path / "m.mps", tmp_path / "m.aux")
        again = read_mps(tmp_path / "m.mps", tmp_path / "m.aux")
        assert bilevel.solve(again, progress=False).objective == pytest.approx(best(numbers, cost), rel=1e-6)


def test_fronts_and_warm_starts_keep_domains() -> None:
    m = model(pyo.Set(initialize=[1, 3.5, 5]), 1.0)
    front = bilevel.pareto(m, maximize=-m.f.y, limit=m.x, points=4, progress=False)
    assert [p.limited for p in front.points] == pytest.approx([1, 3.5, 5], rel=1e-3)
    assert [p.maximized for p in front.points] == pytest.approx([-5, -2.5, -1], rel=1e-3)
    front.load(1)
    assert m.x.value == 3.5
    m.x.set_value(5)
    solution = bilevel.solve(m, progress=False, warm_start=True)
    assert solution.status == "certified" and solution.objective == pytest.approx(8.0)


def test_plain_models_get_no_columns_for_domains() -> None:
    for domain in (
        pyo.Reals,
        pyo.NonNegativeReals,
        pyo.Binary,
        pyo.Integers,
        pyo.RangeSet(1, 5, 0),
        pyo.RangeSet(0, 9),
    ):
        program = compile_model(model(domain, 1.0, 0, 1))
        assert program.columns == 2 and not program.domains.splits and not program.domains.rows


@pytest.mark.parametrize("high", [5.0, 5.0 - 1e-12, 5.0 + 1e-12])
def test_an_end_of_an_interval_that_a_bound_misses_by_rounding_is_in(high: float) -> None:
    """x in {0} or [5, 10] and at least 1: 5 is what is left, and y = 1."""
    solution = bilevel.solve(model(semi(5, 10), 1.0, 1.0, high), progress=False)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(5.0 + 3.0, rel=1e-6)
