"""The order of the tests."""

from __future__ import annotations

import pytest

FIRST = "test_bilevel_solver_releases.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A release of a solver that gives wrong answers fails every other test too, so it is told by name before them."""
    items.sort(key=lambda item: item.path.name != FIRST)
