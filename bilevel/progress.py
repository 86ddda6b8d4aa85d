"""Progress of a long solve on one line, and Ctrl-C that stops it while keeping what was found."""

import contextlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.text import Text

from bilevel import tolerances
from bilevel.errors import require
from bilevel.interrupts import hearing

_PLAIN_INTERVAL_SECONDS = 5.0


@dataclass(frozen=True)
class ProgressEvent:
    """State of a solve: bound and incumbent in the user's sense of the objective (NaN while unknown), relative gap.

    `answers`: of integer followers, how many the search knows and rules decisions out by; 0 for continuous followers.
    """

    phase: str
    bound: float
    incumbent: float
    gap: float
    seconds: float
    answers: int = 0

    def line(self) -> str:
        """One line for people."""
        gap = f"{self.gap:.2e}" if self.gap < float("inf") else "-"
        phase = f"{self.phase} ({self.answers})" if self.answers else self.phase
        return (
            f"{phase:<18} bound {self.bound:<12.8g} incumbent {self.incumbent:<12.8g} "
            f"gap {gap:<8} {self.seconds:5.1f} s"
        )


class Progress:
    """Context of one solve: prints (or calls back), and turns the first Ctrl-C into an orderly stop.

    `show` is True for a live line on standard error, False for silence, or a callable that takes every `ProgressEvent`.
    A second Ctrl-C raises KeyboardInterrupt, as soon as no solver is left by it.  `sign` is -1 when the user maximises.

    One inside another is a part of it: a Ctrl-C in the part stops the whole, and stops every later part as it begins.  So does one
    that a whole process heard, as the command line's, which listens to SIGTERM too (`bilevel.interrupts.hearing`).
    """

    def __init__(self, show: "bool | Callable[[ProgressEvent], None]" = True, sign: float = 1.0) -> None:
        self.sign = sign
        self.started = time.monotonic()
        self.name, self.bound, self.incumbent = "starting", float("-inf"), float("inf")
        self.local = self.trusted = False
        self.listening, self.heard = hearing.part(), hearing.Heard()
        self.finishing = False
        self.nodes = self.answers = 0
        self.sink, self.live = _sink(show)

    def __enter__(self) -> "Progress":
        self.heard = self.listening.__enter__()
        if self.live is not None:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live is not None:
            self.live.stop()
        self.listening.__exit__()

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C was pressed, or something else asked to stop; may be set."""
        return self.heard.asked

    @interrupted.setter
    def interrupted(self, stopped: bool) -> None:
        self.heard.stopped = stopped

    @property
    def interrupted_at(self) -> float:
        """When (of time.monotonic); infinite where it was not."""
        return self.heard.asked_at

    @property
    def why(self) -> str:
        """What asked to stop."""
        return self.heard.why

    def stop(self) -> bool:
        """Whether Ctrl-C was pressed, and what was found is not being finished yet; or pressed twice."""
        return (self.interrupted and not self.finishing) or hearing.ending()

    def phase(self, name: str, local: bool = False, trusted: bool = False, later: bool = False) -> None:
        """A new phase; in a `local` one the solver's bounds hold for a restriction only and are not shown.

        One that may end in a refusal is shown `later`, with the first number: a refusal is one sentence on its own.

        The solver's incumbents are shown in a `trusted` phase only: elsewhere they may break cones that have no tangent yet.
        """
        self.name, self.local, self.trusted = name, local, trusted
        if not later:
            self._show()

    def update(self, bound: float, incumbent: float) -> None:
        """Proven bound and best incumbent, minimised."""
        self.bound, self.incumbent = bound, incumbent
        self._show()

    def report(self, bound: float, incumbent: float) -> None:
        """What a running solver says, minimised; it can only improve what is known."""
        if not self.local:
            self.bound = max(self.bound, bound)
        if self.trusted:
            self.incumbent = min(self.incumbent, incumbent)
        self._show()

    def event(self) -> ProgressEvent:
        """The present state in the user's sense."""
        # Solvers give 1e20 for a number that they do not have yet
        known = abs(self.bound) < 1e19 and abs(self.incumbent) < 1e19
        # A bound beyond the incumbent, by a tolerance of the solver, is no negative gap
        gap = (
            max(0.0, self.incumbent - self.bound) / max(abs(self.incumbent), tolerances.LEAST_SIZE)
            if known
            else float("inf")
        )
        return ProgressEvent(
            self.name, _known(self.sign * self.bound), _known(self.sign * self.incumbent), gap,
            time.monotonic() - self.started, self.answers,
        )  # fmt: skip

    def _show(self) -> None:
        if self.sink is None:
            return
        try:
            self.sink(self.event())
        except Exception as error:  # noqa: BLE001 - the user's own code may raise anything, and what was found is kept
            # Within a solver's callback an exception would be lost, or end the process
            self.sink = None
            self.heard.stop(f"the progress callable raised {type(error).__name__}: {error}")


class Quiet:
    """A watch that shows nothing and stops for nothing but a second Ctrl-C."""

    def stop(self) -> bool:
        """Whether the run is being left."""
        return hearing.ending()

    def report(self, bound: float, incumbent: float) -> None:
        """Nothing to show."""


def _known(value: float) -> float:
    return value if abs(value) < 1e19 else float("nan")


def _sink(
    show: "bool | Callable[[ProgressEvent], None]",
) -> "tuple[Callable[[ProgressEvent], None] | None, Live | None]":
    if show is False:
        return None, None
    if show is not True:
        require("progress", show, callable(show), "True, False, or a callable that takes a ProgressEvent")
        return show, None
    # Standard output is for results, which may be piped
    console = Console(stderr=True)
    # A live line would fill a log with its redrawings
    if not console.is_terminal:
        return _Plain(), None
    live = Live(console=console, transient=True, refresh_per_second=8)
    return lambda event: live.update(Text(event.line().replace("nan", "-"))), live


class _Plain:
    """One line every few seconds, and at every change of phase, for logs."""

    def __init__(self) -> None:
        self.last = (-_PLAIN_INTERVAL_SECONDS, "")

    def __call__(self, event: ProgressEvent) -> None:
        seconds, phase = self.last
        if event.phase != phase or event.seconds - seconds >= _PLAIN_INTERVAL_SECONDS:
            self.last = (event.seconds, event.phase)
            # A full disk behind standard error is no reason to end a search
            with contextlib.suppress(OSError):
                print(event.line().replace("nan", "-"), file=sys.stderr, flush=True)
