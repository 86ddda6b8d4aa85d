"""What a file may cost to run: steps, cells of matrices, and how deep its brackets go."""

from __future__ import annotations

from dataclasses import dataclass

from instances.records.errors import InstanceError

__all__ = ["Budget"]

MOST_STEPS = 5_000_000
"""Numbers, names, signs and brackets that are read: a feeder of 100,000 buses has 3 million."""
MOST_CELLS = 50_000_000
"""Cells of all matrices that are made, of 8 bytes each: a feeder of 100,000 buses is converted by 10 million."""
MOST_DEPTH = 50
"""Brackets within brackets, each of which takes a few frames of the interpreter's stack."""
REMEDY = "write plain numbers in its place"


@dataclass(slots=True)
class Budget:
    """What is spent of the limits while one file runs; each method raises `InstanceError` where its limit is passed."""

    steps: int = 0
    cells: int = 0
    depth: int = 0

    def step(self, count: int = 1) -> None:
        """Count what is read."""
        self.steps += count
        if self.steps > MOST_STEPS:
            raise InstanceError(f"the file takes more than {MOST_STEPS} steps up to here; {REMEDY}")

    def fill(self, cells: int) -> None:
        """Count the cells of a matrix, before it is made."""
        self.cells += cells
        if self.cells > MOST_CELLS:
            raise InstanceError(f"the file makes matrices of more than {MOST_CELLS} cells up to here; {REMEDY}")

    def enter(self) -> None:
        """Count a bracket that opens; `leave` is its end."""
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise InstanceError(f"brackets are nested more than {MOST_DEPTH} deep; {REMEDY}")

    def leave(self) -> None:
        """Count a bracket that closes."""
        self.depth -= 1
