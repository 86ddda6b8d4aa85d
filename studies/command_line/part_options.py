"""What commands are wrapped in: options that parts of the model declare, of which those of a kind join each command that chooses
from it, and the lock of their folders."""

import functools
import inspect
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from bilevel.errors import BilevelError
from bilevel.journals.lock import held
from formulations.options import Declared, Kinds, Option, Part, declared

_METAVARS = {float: "X", int: "N", str: "TEXT"}


def listed(registry: Mapping[str, Part]) -> str:
    """Parts with what they are, in one line."""
    return ", ".join(f"{part.name} ({part.about})" if part.about else part.name for part in registry.values())


def take_options(command: Callable[..., int], kinds: Kinds) -> Callable[..., int]:
    """The command, whose `**options` are now those of the kinds that its other parameters name, each behind its kind.

    Raises `BilevelError` for an option with the name or the flag of another parameter of the command.
    """
    signature = inspect.signature(command)
    mine = {kind: registry for kind, registry in kinds.items() if kind in signature.parameters}
    found = declared(mine)
    taken: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        if parameter.kind is not parameter.VAR_KEYWORD:
            taken += [parameter, *(_parameter(known) for known in found.values() if known.kind == parameter.name)]
    for known in found.values():
        if {known.option.name, known.option.command_flag.replace("-", "_")} & set(signature.parameters):
            raise BilevelError(
                f"option {known.option.name} (--{known.option.command_flag}) of {known.kind} {known.parts[0]!r} is one of the "
                "command itself: give it another name"
            )

    @functools.wraps(command)
    def taking(**arguments: Any) -> int:
        return command(**arguments)

    taking.__signature__ = signature.replace(parameters=taken)  # type: ignore[attr-defined]
    return taking


def alone(command: Callable[..., int]) -> Callable[..., int]:
    """The command, which holds its folders --out and --proofs from the first check to the last write.

    Raises `BilevelError` with the run that has one of them.
    """

    @functools.wraps(command)
    def holding(**arguments: Any) -> int:
        given = [arguments[name] for name in ("out", "proofs") if arguments.get(name) is not None]
        with ExitStack() as folders:
            for folder in dict.fromkeys(os.path.realpath(folder) for folder in given):
                folders.enter_context(held(Path(folder), "give another folder"))
            return command(**arguments)

    return holding


def _parameter(known: Declared) -> inspect.Parameter:
    option = known.option
    said = typer.Option(
        f"--{option.command_flag}",
        parser=_parser(option),
        metavar=option.metavar or _METAVARS[option.kind],
        help=f"Of {known.kind} {' and '.join(known.parts)}: {option.words} [default: {option.said_default}]",
    )
    return inspect.Parameter(
        option.name,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=None,
        annotation=Annotated[option.kind | None, said],
    )


def _parser(option: Option) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return option.read(text)
        except BilevelError as error:
            raise typer.BadParameter(f"{text} is no {option.wanted}; give one, such as {option.example}") from error

    return read
