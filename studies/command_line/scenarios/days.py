"""Days that may come as options name them: how many are drawn, or the folder that holds them, and what is wanted over them."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import typer

import instances
from bilevel.reading import numbers
from instances import Instance, InstanceError, Scenarios
from studies.command_line.refusals.numbers import MOST_SCENARIOS, draw_seed, share_range
from studies.command_line.refusals.sentences import shown
from studies.pricing.scenarios import Uncertainty

DaysAsked = Annotated[
    str | None,
    typer.Option(
        "--scenarios",
        metavar="N|DIR",
        help="Days that may come: so many, drawn with --seed, or those of a folder, as 'bilevel scenarios' writes.",
    ),
]
WillingRange = Annotated[
    Any,
    typer.Option(
        "--willing",
        parser=share_range,
        metavar="LOW-HIGH",
        help="Draw the share of users that follow prices from this range, such as 0.5-0.9; the others charge on arrival.",
    ),
]
DrawSeed = Annotated[
    int,
    typer.Option(
        "--seed", parser=draw_seed, metavar="N", help="Seed of what is drawn: a fleet by --evs, days by --scenarios N."
    ),
]
Risk = Annotated[
    str | None, typer.Option(metavar="TERMS", help="Weigh the worst days of --scenarios, such as cvar=0.9,weight=0.5.")
]
Chance = Annotated[
    str | None,
    typer.Option(metavar="LIMITS", help="Limits to hold with a probability, such as voltage=0.95,supply=0.9."),
]


def days(asked: str, case: Instance, seed: int, evs: int | None = None, willing: Any = None) -> Scenarios:
    """So many days drawn for the case, or those of a folder.

    Raises `InstanceError` for a number out of range, and for a folder without days or with days that do not fit the case.
    """
    count = _count(asked)
    if count is None:
        return _fitting(asked, case)
    if not 1 <= count <= MOST_SCENARIOS:
        raise InstanceError(
            f"{shown(asked)} is no number of days from 1 to {MOST_SCENARIOS} that can be drawn: give one, or a folder"
        )
    return instances.draw_scenarios(case, count, seed, evs=evs, willing=willing)


def _fitting(folder: str, case: Instance) -> Scenarios:
    found = instances.read_scenarios(folder)
    for scenario in found.scenarios:
        try:
            instances.realise(case, scenario)
        except InstanceError as error:
            raise InstanceError(f"days of {folder} do not fit the case {case.name}: {error}") from error
    return found


@dataclass(frozen=True)
class Days:
    """The options of days that may come, as they were given: `scenarios` (N or DIR), `willing`, `risk` and `chance`."""

    scenarios: str | None = None
    willing: tuple[float, float] | None = None
    risk: str | None = None
    chance: str | None = None

    def of(self, case: Instance, seed: int, evs: int | None = None) -> Uncertainty:
        """The days of `days`, and what is wanted over them; without `scenarios` the case's own day.

        Raises what `days` raises, and `InstanceError` for shares that would be drawn where no days are.
        """
        require_drawn(self.willing, self.scenarios)
        if self.scenarios is None:
            return Uncertainty(risk=self.risk, chance=self.chance)
        found = days(self.scenarios, case, seed, evs, self.willing)
        drawn = seed if _count(self.scenarios) is not None else None
        willing = None if self.willing is None else _said(self.willing)
        return Uncertainty(self.scenarios, found, self.risk, self.chance, drawn, willing)

    def refuse(self, name: str, why: str, instead: str) -> None:
        """Raise `InstanceError` for the option of this name where it has no meaning, `why`, with the command that takes it."""
        given = getattr(self, name)
        if given is not None:
            raise InstanceError(
                f"--{name} {shown(given)} has no meaning here, as {why}: leave it out, or use {instead}"
            )


ONE_DAY = Days()
"""Nothing was given."""


def take_days(command: Callable[..., int]) -> Callable[..., int]:
    """The command, whose parameter `days` is now the four options of `Days`, in its place."""
    signature = inspect.signature(command)
    taken: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        taken += _OPTIONS if parameter.name == "days" else [parameter]

    @functools.wraps(command)
    def taking(**arguments: Any) -> int:
        given = {option.name: arguments.pop(option.name) for option in _OPTIONS}
        return command(days=Days(**given), **arguments)

    taking.__signature__ = signature.replace(parameters=taken)  # type: ignore[attr-defined]
    return taking


_OPTIONS = [
    inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=annotation)
    for name, annotation in (("scenarios", DaysAsked), ("willing", WillingRange), ("risk", Risk), ("chance", Chance))
]


def require_drawn(willing: tuple[float, float] | None, *asked: str | None) -> None:
    """Raise `InstanceError` for shares that would be drawn with days where none of those asked for are drawn."""
    given = [each for each in asked if each is not None]
    if willing is None or any(_count(each) is not None for each in given):
        return
    where = f"days of {given[0]} are not drawn" if given else "no days are drawn"
    raise InstanceError(
        f"--willing {_said(willing)} is given, and {where}: give --scenarios a number of days, or leave it out"
    )


def _count(asked: str) -> int | None:
    return numbers.whole(asked)


def _said(willing: tuple[float, float]) -> str:
    """A range as the option takes it: without exponents, whose sign would be read as the range's."""
    return "-".join(str(np.format_float_positional(share, trim="0")) for share in willing)
