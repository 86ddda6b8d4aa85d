"""Refusals about the structure of a Pyomo model, before any number is read."""

from typing import Any

import pyomo.environ as pyo

from bilevel.errors import ModelError
from bilevel.model import Follower

_KNOWN = {
    pyo.Block, pyo.Var, pyo.Param, pyo.Set, pyo.RangeSet, pyo.Expression, pyo.Objective, pyo.Constraint,
    pyo.Suffix, pyo.BuildCheck, pyo.BuildAction, Follower,
}  # fmt: skip


def owners_of(followers: list[Any]) -> dict[int, int]:
    """Variable id to follower number."""
    owners: dict[int, int] = {}
    for at, block in enumerate(followers):
        nested = next(iter(block.component_data_objects(Follower, active=True, descend_into=True)), None)
        if nested is not None and nested is not block:
            raise ModelError(
                f"follower {nested.name!r} sits inside follower {block.name!r}: only two levels are solved"
            )
        for variable in block.component_data_objects(pyo.Var, descend_into=pyo.Block):
            if variable.parent_component() is not block.component("dual_values"):
                owners[id(variable)] = at
    return owners


def refuse_orphans(model: Any, followers: list[Any], variables: tuple[Any, ...]) -> None:
    """A deactivated follower's variable that is still used would silently become the leader's."""
    used, active = {id(variable) for variable in variables}, {id(block) for block in followers}
    for block in model.component_data_objects(Follower, descend_into=True):
        if id(block) in active:
            continue
        for variable in block.component_data_objects(pyo.Var, descend_into=pyo.Block):
            if id(variable) in used:
                raise ModelError(
                    f"variable {variable.name!r} is used, but its follower {block.name!r} is deactivated: fix the variable, "
                    "or activate the follower"
                )


def one_objective(block: Any, whose: str) -> Any:
    """The only active objective of a leader or follower."""
    found = list(block.component_data_objects(pyo.Objective, active=True, descend_into=pyo.Block))
    if len(found) != 1:
        names = ", ".join(repr(str(objective.name)) for objective in found) or "none"
        remedy = "deactivate all but one" if found else "add a pyomo Objective"
        raise ModelError(f"{whose} needs exactly one active objective, found {names}: {remedy}")
    return found[0]


def refuse_unknown_components(model: Any) -> None:
    """Everything active must be of a kind that is compiled; nothing is ignored without a word."""
    for block in model.block_data_objects(active=True, descend_into=(pyo.Block, Follower)):
        for component in block.component_objects(active=True, descend_into=False):
            if component.ctype not in _KNOWN:
                raise ModelError(
                    f"component {component.name!r} of kind {component.ctype.__name__} would be ignored: transform it to "
                    "constraints or deactivate it first"
                )
