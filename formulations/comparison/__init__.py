"""The exact answer beside heuristics: runs of equal budget, the table of both, and what the exact bound proves of them.

    case = instances.load("ieee33")
    found = comparison.compare(comparison.pick(case), comparison.Settings(("exact", "ga", "pso"), runs=5))
    print(found.verdict().sentence)
    print(found.table())

A problem that can be compared is one file and a line in `PROBLEMS`.
"""

from formulations.comparison.base import Candidates, ExactAnswer, Problem, Quantity
from formulations.comparison.contest import Step, compare
from formulations.comparison.problems import PROBLEMS, pick
from formulations.comparison.runs import Run, search
from formulations.comparison.settings import EXACT, METHODS, Settings
from formulations.comparison.summary import Comparison, Verdict

__all__ = [
    "EXACT",
    "METHODS",
    "PROBLEMS",
    "Candidates",
    "Comparison",
    "ExactAnswer",
    "Problem",
    "Quantity",
    "Run",
    "Settings",
    "Step",
    "Verdict",
    "compare",
    "pick",
    "search",
]
