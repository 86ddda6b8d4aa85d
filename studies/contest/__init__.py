"""The exact answer beside heuristics: runs of equal budget, the table of both, and what the exact bound proves of them.

    case = instances.load("ieee33")
    found = comparison.compare(comparison.pick(case), comparison.Settings(("exact", "ga", "pso"), runs=5))
    print(found.verdict().sentence)
    print(found.table())

A problem that can be compared is one file and a line in `PROBLEMS`.
"""

from studies.contest.compare import Step, compare
from studies.contest.problems import PROBLEMS, pick
from studies.contest.problems.base import Candidates, ExactAnswer, Problem, Quantity
from studies.contest.runs import Run, search
from studies.contest.settings import EXACT, METHODS, Settings
from studies.contest.summary import Comparison, Verdict

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
