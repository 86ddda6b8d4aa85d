"""What is known of Pyomo's interfaces: features that were tried or are documented, and names of options."""

from dataclasses import dataclass

from bilevel.solvers.base import Feature


@dataclass(frozen=True)
class Interface:
    """What is known of an interface: features, option names for relative gap, row feasibility and time, and options always set.

    Without an option for the time, it goes through Pyomo's `timelimit`, which most interfaces heed.
    """

    features: frozenset[Feature]
    gap: str = ""
    feasibility: tuple[str, ...] = ()
    time: str = ""
    always: tuple[tuple[str, int], ...] = ()


# A Pyomo model has no indicator constraints of its own
_ALL = frozenset(Feature) - {Feature.INCREMENTAL, Feature.INDICATOR}
_INTEGER, _CONIC = frozenset({Feature.INTEGER}), frozenset({Feature.INTEGER, Feature.CONE})
_HIGHS = Interface(_INTEGER, "mip_rel_gap", ("primal_feasibility_tolerance", "dual_feasibility_tolerance"))
# With dual reductions Gurobi ends some programs that have no end, as in `bilevel.solvers.gurobi`
_GUROBI = Interface(_ALL, "MIPGap", ("FeasibilityTol", "OptimalityTol"), "TimeLimit", (("DualReductions", 0),))
_SCIP = Interface(_ALL - {Feature.SOS1}, "limits/gap", ("numerics/feastol",))
OTHER = Interface(_INTEGER)

KNOWN = {
    "highs": _HIGHS,
    "appsi_highs": _HIGHS,
    "scip": _SCIP,
    "scip_direct": Interface(_ALL, _SCIP.gap, _SCIP.feasibility),
    "gurobi": _GUROBI,
    "gurobi_direct": _GUROBI,
    "cbc": Interface(_INTEGER, "ratioGap", ("primalTolerance",)),
    "glpk": Interface(_INTEGER, "mipgap"),
    "cplex": Interface(_CONIC | {Feature.SOS1}, "mip_tolerances_mipgap"),
    "xpress": Interface(_CONIC, "miprelstop"),
    "mosek": Interface(_CONIC),
    "ipopt": Interface(frozenset()),
    "ipopt_v2": Interface(frozenset()),
}
