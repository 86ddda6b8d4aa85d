"""Ways to hand complementarity pairs to a solver; a new one is one file with `name`, `features`, `apply` and a line here."""

from typing import Protocol, cast

from bilevel.bounds import Bounds
from bilevel.errors import UnknownNameError
from bilevel.kkt import Pairs
from bilevel.modes import big_m, sos1
from bilevel.program import Mask, Mip, Vector


class Mode(Protocol):
    """`features` are what the solver must offer; `needs_bounds` asks for finite proven limits of duals and slacks."""

    name: str
    features: frozenset[str]
    needs_bounds: bool

    def apply(self, mip: Mip, pairs: Pairs, bounds: Bounds) -> Mip:
        """The program with the pairs enforced; the mode's own columns come last."""

    def complete(self, x: Vector, first: int, pairs: Pairs, slack_zero: Mask) -> Vector:
        """Fill the mode's own columns of a point, which start at `first`."""


MODES: dict[str, Mode] = {mode.name: mode for mode in (cast(Mode, big_m), cast(Mode, sos1))}


def find(name: str) -> Mode:
    """The registered mode; raises `UnknownNameError` with the nearest name."""
    if name not in MODES:
        raise UnknownNameError("mode", name, MODES)
    return MODES[name]
