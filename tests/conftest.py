"""The order of the tests, and a solved case that several folders share."""

from __future__ import annotations

import os
from typing import Any

import hypothesis
import pytest

# Two workers share two cores: more threads for small products of matrices only wait for each other.  Before numpy is loaded
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import bilevel
import formulations
import instances

FIRST = "test_solver_releases.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A release of a solver that gives wrong answers fails every other test too, so it is told by name before them."""
    items.sort(key=lambda item: item.path.name != FIRST)


@pytest.fixture(scope="session")
def solved() -> tuple[instances.Instance, Any, bilevel.Solution]:
    """Five sessions of ieee33, the weighted objective: case, model with its values, solution."""
    case = instances.scale(instances.load("ieee33"), 5)
    model = formulations.charging_pricing(case, "loss=1,profit=1")
    return case, model, bilevel.solve(model, progress=False)


# A busy machine is slow, and how long an example takes says nothing of what it shows
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")
