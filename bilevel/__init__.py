"""Exact bilevel optimisation of Pyomo models with follower blocks."""

from bilevel.certify.certificate import Certificate, certify
from bilevel.certify.proof.log import Proof
from bilevel.equilibrium.high_point import cooperative
from bilevel.equilibrium.iteration import EquilibriumTrace, equilibrium
from bilevel.equilibrium.leader_problem import LeaderOptimum, LeaderProblem
from bilevel.equilibrium.price_rules import PriceRule
from bilevel.errors import (
    BilevelError,
    FeatureError,
    LicenceError,
    LooseConeError,
    ModelError,
    UnboundedDualError,
    UnknownNameError,
)
from bilevel.front.pareto import pareto
from bilevel.front.pareto_front import FrontPoint, ParetoFront
from bilevel.interchange import read_mps, write_mps
from bilevel.interchange.pyomo_model import load_values, reformulate, write_model
from bilevel.model import Check, Follower, add_check, relaxes_equality
from bilevel.progress import ProgressEvent
from bilevel.search.diagnose.explain import explain_loose_cones
from bilevel.solution import Attempt, Solution
from bilevel.solve import solve
from bilevel.status import CheckKind, Status

__all__ = [
    "Attempt",
    "BilevelError",
    "Certificate",
    "Check",
    "CheckKind",
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
    "Proof",
    "Solution",
    "Status",
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
