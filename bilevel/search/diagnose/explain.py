"""Loose cones in the model's own words: what makes them so, and what to do; asked for where an answer or refusal rests on them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from bilevel.certify.certificate import Certificate
from bilevel.errors import LooseConeError
from bilevel.model import registered, relaxed_equalities
from bilevel.program.bilevel_program import Program
from bilevel.program.rows import Vector
from bilevel.search.diagnose import loose_cones
from bilevel.solution import Solution

Explainer = Callable[[Any], str]
"""Of the model with the values of the point: a sentence without its full stop."""

_KEY = "loose_cones_explainer"


def explain_loose_cones(model: Any, explainer: Explainer) -> None:
    """Register `explainer(model) -> str`, which says why cones of this model are loose at its values, and the remedy.

    It joins the `reason` of answers that are not certified for their loose cones, and the refusal of duals that rest on them.
    `model` may be a block of the model that is solved: of several the one with the loosest cones is asked, and named.
    """
    model.__dict__[_KEY] = explainer


def _explanation(model: Any) -> str:
    """What the model, or the block of it with the loosest cones at its values, says of them; nothing where none has words."""
    asked = list(registered(model, _KEY))
    if not asked:
        return ""
    block = asked[0] if len(asked) == 1 else max(asked, key=_looseness)
    words: str = block.__dict__[_KEY](block)
    return words if block is model else f"{block.name}: {words}"


def _looseness(block: Any) -> float:
    """How far the loosest row that stands for an equality is from one, in the row's own unit."""
    rows = [data for row in relaxed_equalities(block) for data in (row.values() if row.is_indexed() else [row])]
    return max((min(abs(float(row.lslack())), abs(float(row.uslack()))) for row in rows), default=0.0)


def explained(model: Any, solution: Solution) -> Solution:
    """The answer, whose values stand in the model, with the model's explanation where its cones are why it is not certified."""
    words = _explanation(model) if _rests_on_cones(solution.certificate) else ""
    return replace(solution, reason=f"{solution.reason}; {words}") if words else solution


def _rests_on_cones(certificate: Certificate) -> bool:
    """Whether cones are loose, or were closed by a charge at a cost that the gap does not bear."""
    failing = {check.name for check in certificate.checks if not check.ok}
    charged = any(check.name == loose_cones.NAME for check in certificate.checks)
    # A broken cone fails the same check, and the model's words are about loose ones
    loose = any(check.name == "cones" and check.detail == "loose" for check in certificate.checks if not check.ok)
    return loose or (charged and "global gap" in failing)


def refusal(model: Any, program: Program, error: LooseConeError) -> LooseConeError:
    """The same refusal with the model's explanation at the point that it is about."""
    with _loaded(program, error.x):
        words = _explanation(model)
    return LooseConeError(f"{error}; {words}", error.x) if words else error


@contextmanager
def _loaded(program: Program, x: Vector) -> Iterator[None]:
    """The point in the model's variables for a while."""
    before = [(variable, variable.value) for _, variable in program.own]
    # Unchecked: a solver's point may miss a bound by its tolerance, and what stood there before may be anything
    for at, variable in program.own:
        variable.set_value(float(x[at]), skip_validation=True)
    try:
        yield
    finally:
        for variable, value in before:
            variable.set_value(value, skip_validation=True)
