"""Refusals about the structure of a Pyomo model, before any number is read."""

from typing import Any

import pyomo.environ as pyo

from bilevel.compile.walk import blocks, declared, require_own
from bilevel.errors import ModelError
from bilevel.model import Follower

_KNOWN = {
    pyo.Block, pyo.Var, pyo.Param, pyo.Set, pyo.RangeSet, pyo.Expression, pyo.Objective, pyo.Constraint,
    pyo.Suffix, pyo.BuildCheck, pyo.BuildAction, Follower,
}  # fmt: skip


def owners_of(followers: list[Any]) -> dict[int, int]:
    """Variable id to follower number; refuses a follower without a variable, and one inside another."""
    owners: dict[int, int] = {}
    for at, block in enumerate(followers):
        nested = next(declared(block, Follower, active=True), None)
        if nested is not None:
            raise ModelError(
                f"follower {nested.name!r} sits inside follower {block.name!r}: only two levels are solved"
            )
        # Multipliers that the leader reads stand in the follower's block, but are the leader's variables
        read = block.component("dual_values")
        own = [variable for variable in declared(block, pyo.Var) if variable.parent_component() is not read]
        if not own:
            raise ModelError(
                f"follower {block.name!r} has no variable of its own, so it decides nothing: declare its variables inside the "
                "Follower block (a Reference declares none), or give its rows to the leader"
            )
        owners.update((id(variable), at) for variable in own)
    return owners


def refuse_orphans(model: Any, followers: list[Any], variables: tuple[Any, ...]) -> None:
    """A deactivated follower's variable that is still used would silently become the leader's."""
    used, active = {id(variable) for variable in variables}, {id(block) for block in followers}
    for block in declared(model, Follower):
        if id(block) in active:
            continue
        for variable in declared(block, pyo.Var):
            if id(variable) in used:
                raise ModelError(
                    f"variable {variable.name!r} is used, but its follower {block.name!r} is deactivated: fix the variable, "
                    "or activate the follower"
                )


def refuse_strange_limit(component: Any, block: Any) -> None:
    """A limit of a multiplier is about a row or a variable that the follower declares."""
    require_own(component, block, f"follower {block.name!r} limits the dual of")
    home = component.parent_block()
    while home is not None and home is not block:
        home = home.parent_block()
    if home is None or component.ctype not in (pyo.Constraint, pyo.Var) or component.is_indexed():
        raise ModelError(
            f"follower {block.name!r} limits the dual of {component.name!r}, which is no single row or variable of its own: give "
            "one that is declared in it"
        )


def one_objective(block: Any, whose: str) -> Any:
    """The only active objective of a leader or follower."""
    found = list(declared(block, pyo.Objective, active=True))
    if len(found) != 1:
        names = ", ".join(repr(str(objective.name)) for objective in found) or "none"
        remedy = "deactivate all but one" if found else "add a pyomo Objective"
        raise ModelError(f"{whose} needs exactly one active objective, found {names}: {remedy}")
    return found[0]


def refuse_unknown_components(model: Any) -> None:
    """Everything active must be of a kind that is compiled; nothing is ignored without a word."""
    for block in blocks(model, (pyo.Block, Follower), active=True):
        for component in block.component_objects(active=True, descend_into=False):
            # What a Reference shows is met where it is declared
            if component.ctype not in _KNOWN and not component.is_reference():
                raise ModelError(
                    f"component {component.name!r} of kind {component.ctype.__name__} would be ignored: transform it to "
                    "constraints or deactivate it first"
                )
