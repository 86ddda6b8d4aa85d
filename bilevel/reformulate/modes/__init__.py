"""Ways to hand complementarity to a solver; a new one is one file with the names of `Mode` and a line here."""

from typing import Protocol, cast

from bilevel.errors import UnknownNameError
from bilevel.program.solver_program import SolverProgram
from bilevel.reformulate.modes import big_m, branching, indicator, product, sos1, strong_duality
from bilevel.reformulate.single_level import Reformulation
from bilevel.solvers import Feature


class Mode(Protocol):
    """`needs_bounds` asks for finite proven limits of all duals and slacks; `conic` modes take followers with quadratic rows;
    `branches`: the program holds no complementarity, as the search branches on pairs itself; `pairs`: each pair has its own rows,
    sets or sides, so that secure answers can ask for its margin.

    `needs` is what the solver must offer for any program, so that one without it is refused before limits are proven.
    """

    name: str
    needs_bounds: bool
    conic: bool
    branches: bool
    pairs: bool
    needs: frozenset[Feature]

    def features(self, form: Reformulation) -> frozenset[Feature]:
        """What the solver must offer for this program."""

    def apply(self, form: Reformulation) -> SolverProgram:
        """`form.mip` with complementarity enforced; the mode's own columns come last."""


# Mode auto takes the first that bounds and solver allow: big-M branches fast, and asks for binaries alone
MODES: dict[str, Mode] = {
    m.name: m for m in (cast(Mode, f) for f in (big_m, branching, sos1, indicator, product, strong_duality))
}


def find(name: str) -> Mode:
    """The registered mode; raises `UnknownNameError` with the nearest name."""
    if not isinstance(name, str) or name not in MODES:
        raise UnknownNameError("mode", name, (*MODES, "auto"))
    return MODES[name]
