"""The table of faults as data: bad inputs of every kind, made from nothing, and what a command has to say to each."""

from file_faults.lines.calls import CALLS
from file_faults.lines.cases import CASES
from file_faults.lines.line import Line, Place, done
from file_faults.lines.results import RESULTS
from file_faults.lines.stores import STORES

__all__ = ["LINES", "Line", "Place", "done"]

LINES: tuple[Line, ...] = (*CASES, *RESULTS, *STORES, *CALLS)
"""All of them, in the order in which they are printed."""
