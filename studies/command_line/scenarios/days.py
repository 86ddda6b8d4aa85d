"""Days that may come as an option names them: how many are to be drawn, or the folder that holds them."""

from typing import Annotated, Any

import typer

import instances
from bilevel.reading import numbers
from instances import Instance, Scenarios
from studies.command_line.refusals.numbers import share_range

WillingRange = Annotated[
    Any,
    typer.Option(
        "--willing",
        parser=share_range,
        metavar="LOW-HIGH",
        help="Draw the share of users that follow prices from this range, such as 0.5-0.9; the others charge on arrival.",
    ),
]


def days(asked: str, case: Instance, seed: int, evs: int | None = None, willing: Any = None) -> Scenarios:
    """So many days drawn for the case, or those of a folder; raises `InstanceError` for a number out of range or another folder."""
    count = numbers.whole(asked)
    if count is None:
        return instances.read_scenarios(asked)
    return instances.draw_scenarios(case, count, seed, evs=evs, willing=willing)
