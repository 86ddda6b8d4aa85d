"""Exact bilevel optimisation of Pyomo models with follower blocks."""

from bilevel.certificate import Certificate, certify
from bilevel.cooperative import cooperative
from bilevel.equilibrium import EquilibriumTrace, equilibrium
from bilevel.errors import (
    BilevelError,
    FeatureError,
    LicenceError,
    LooseConeError,
    ModelError,
    UnboundedDualError,
    UnknownNameError,
)
from bilevel.explain import explain_loose_cones
from bilevel.front import FrontPoint, ParetoFront
from bilevel.interchange import read_mps, write_mps
from bilevel.leader import LeaderOptimum, LeaderProblem
from bilevel.model import Check, Follower, add_check, relaxes_equality
from bilevel.pareto import pareto
from bilevel.price_rules import PriceRule
from bilevel.progress import ProgressEvent
from bilevel.results import Solution
from bilevel.single_level import load_values, reformulate, write_model
from bilevel.solve import solve

__all__ = [
    "BilevelError",
    "Certificate",
    "Check",
    "EquilibriumTrace",
    "FeatureError",
    "Follower",
    "FrontPoint",
    "LeaderOptimum",
    "LeaderProblem",
    "LicenceError",
    "LooseConeError",
    "ModelError",
    "ParetoFront",
    "PriceRule",
    "ProgressEvent",
    "Solution",
    "UnboundedDualError",
    "UnknownNameError",
    "add_check",
    "certify",
    "cooperative",
    "equilibrium",
    "explain_loose_cones",
    "load_values",
    "pareto",
    "read_mps",
    "reformulate",
    "relaxes_equality",
    "solve",
    "write_model",
    "write_mps",
]
