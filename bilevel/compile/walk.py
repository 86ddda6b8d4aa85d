"""What a model declares: its blocks and components, without what a `Reference` only shows from elsewhere."""

from collections.abc import Iterator
from typing import Any

import pyomo.environ as pyo
from pyomo.core.base.block import BlockData

from bilevel.errors import ModelError

Place = tuple[tuple[str, Any], ...]
"""Names of containers and their indices, from a component outwards: not one name, which Pyomo would have to read."""


def blocks(root: Any, kinds: tuple[Any, ...] = (pyo.Block,), active: bool | None = None) -> Iterator[Any]:
    """`root` and the blocks of these kinds that are declared below it; with `active=True` only those that are."""
    # What an inactive block holds is inactive with it, whatever it says of itself
    if active is not None and root.active != active:
        return
    yield root
    for kind in kinds:
        for container in root.component_map(kind).values():
            if not container.is_reference():
                for block in container.values():
                    yield from blocks(block, kinds, active)


def declared(root: Any, ctype: Any, kinds: tuple[Any, ...] = (pyo.Block,), active: bool | None = None) -> Iterator[Any]:
    """The component data of one type that are declared in `root` and in its blocks of these kinds."""
    for block in blocks(root, kinds, active):
        for container in block.component_map(ctype).values():
            if not container.is_reference():
                yield from (data for data in container.values() if active is None or data.active == active)


def place(component: Any) -> Place:
    """Where a component data stands in its model: container and index, block by block; the same place in a clone of the model."""
    found: list[tuple[str, Any]] = []
    while component is not None and component.parent_block() is not None:
        found.append((str(component.parent_component().local_name), component.index()))
        component = component.parent_block()
    return tuple(found)


def require_model(model: Any) -> None:
    """Refuses what is no constructed Pyomo model; whether it has followers is asked later."""
    if not isinstance(model, BlockData):
        raise ModelError(
            f"{str(model)[:60]!r} is no Pyomo model but of type {type(model).__name__}: give a ConcreteModel"
        )
    if not model.is_constructed():
        raise ModelError(f"model {model.name!r} has no data yet: call its create_instance() first")


def require_own(component: Any, root: Any, what: str) -> None:
    """Refuses a variable or row that is not of the same model as `root`; `what` names what uses it."""
    if not hasattr(component, "parent_block"):
        raise ModelError(
            f"{what} {str(component)[:60]!r}, which is no component of a Pyomo model: give the component itself"
        )
    if _root(component) is None or _root(component) is not _root(root):
        raise ModelError(
            f"{what} {_name(component)!r} of another model, or of none: use the one of this model (after clone(), rows keep naming "
            "what was not copied with them)"
        )


def _root(component: Any) -> Any:
    """The outermost block that holds a component, None where its model is gone."""
    block = component
    try:
        while block.parent_block() is not None:
            block = block.parent_block()
    except AttributeError:
        return None
    return block if isinstance(block, BlockData) else None


def _name(component: Any) -> str:
    """Its full name; what is left of it where its model is gone."""
    try:
        return str(component.name)
    except AttributeError:
        return str(getattr(component, "local_name", component.__class__.__name__))
