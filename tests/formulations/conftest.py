"""A solved case that the tests of this folder share."""

from __future__ import annotations

from typing import Any

import pytest

import bilevel
import formulations
import instances


@pytest.fixture(scope="session")
def solved() -> tuple[instances.Instance, Any, bilevel.Solution]:
    """Five sessions of ieee33, the weighted objective: case, model with its values, solution."""
    case = instances.scale(instances.load("ieee33"), 5)
    model = formulations.charging_pricing(case, "loss=1,profit=1")
    return case, model, bilevel.solve(model, progress=False)
