"""Every mode on prices by one to three hours: none gives up while there is time."""

import pytest

import bilevel
import formulations
import instances


def blocks(hours: int) -> str:
    """The day in blocks of so many hours, as `--blocks` takes them."""
    return ",".join(f"b{start}={start}-{start + hours - 1}" for start in range(0, 24, hours))


@pytest.mark.parametrize("mode", ["strong_duality", "indicator"])
@pytest.mark.parametrize("hours", [1, 3])
def test_a_mode_certifies_what_branching_does(hours: int, mode: str) -> None:
    """By one hour SCIP's nonlinear solver ended the process within METIS (PySCIPOpt 6.3)."""

    def solved(*way: str) -> bilevel.Solution:
        case = instances.scale(instances.load("ieee33"), 5)
        model = formulations.charging_pricing(case, "loss=1,profit=1", tariff="blocks", blocks=blocks(hours))
        return bilevel.solve(model, *way, progress=False, time_limit=60)

    found, known = solved("scip", mode), solved("highs", "branching")
    assert (found.status, known.status) == ("certified", "certified"), (found.reason, known.reason)
    assert found.objective == pytest.approx(known.objective, rel=1e-4)
