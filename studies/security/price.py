"""The best answers for one margin after the other, each with its worst tie (`bilevel.solve(ties="secure", margin=...)`).

Margin 0 is the optimistic answer, with users who break ties as the leader likes.  Margins rise, and each search starts from the
last decision that was found: schedules that hold with one margin often hold with the next, at prices that are farther apart.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pyomo.common.collections import ComponentMap

from bilevel import files, tolerances
from bilevel.compile.compiler import compile_model
from bilevel.errors import BilevelError
from bilevel.journals.lock import held
from bilevel.progress import Progress
from bilevel.reformulate.ties import OPTIMISTIC, SECURE, wanted
from bilevel.search.plan import pick
from bilevel.solve import solve
from bilevel.status import Status
from instances import Instance
from studies.security.row import MarginRow, row_of

MARGINS = (0.0, 0.0001, 0.001, 0.005, 0.01, 0.02, 0.03, 0.05)
"""Of charging prices, in currency/kWh."""
TIME_LIMIT = 120.0
"""Of each margin, in seconds."""
FILE = "margins.jsonl"
_FORMAT = 1
NUMBERS = (
    "objective", "price_of_security", "bound", "gap", "worst_tie", "worst_tie_bound", "broken_by", "charging_peak_kw",
    "network_loss_kwh", "station_profit", "seconds",
)  # fmt: skip


@dataclass(frozen=True)
class Search:
    """How every margin is solved, as of `bilevel.solve`; `time_limit` in seconds."""

    solver: str = "auto"
    mode: str = "auto"
    cones: str = "tangent"
    gap: float = 1e-4
    time_limit: float = TIME_LIMIT

    def settings(self) -> dict[str, Any]:
        """For files: all but the time limit, which every row tells of itself."""
        return {"solver": self.solver, "mode": self.mode, "cones": self.cones, "gap": self.gap}


@dataclass(frozen=True)
class SecurityPrice:
    """Answer of `price_of_security`: rows by rising margin; `margins` are all that were asked for.

    `sense`: 1 where the leader wants its objective small, -1 where large; `unit`: of the objective, "" for weighted sums; `solved`:
    how many of the rows this run solved.
    """

    case: Instance
    rows: tuple[MarginRow, ...]
    margins: tuple[float, ...]
    sense: int
    unit: str
    search: Search
    solved: int

    @property
    def complete(self) -> bool:
        """Whether every margin has its row."""
        return len(self.rows) == len(self.margins)

    @property
    def closed(self) -> bool:
        """Whether every row is certified, or proven to have no answer."""
        return self.complete and all(row.closed for row in self.rows)

    def price(self, row: MarginRow) -> float:
        """What the row's objective is worse by than the optimistic one, in its unit; NaN where either is missing."""
        first = self.rows[0] if self.rows and self.rows[0].margin_per_kwh == 0 else None
        # Added to 0, so that nothing is not -0
        return math.nan if first is None else self.sense * (row.objective - first.objective) + 0.0

    def to_frame(self) -> pd.DataFrame:
        """One row a margin: margin_per_kwh, status, broken_row and `NUMBERS`, units as of `MarginRow`."""
        rows = [
            {
                "margin_per_kwh": row.margin_per_kwh,
                "status": row.status,
                **{name: self.price(row) if name == "price_of_security" else getattr(row, name) for name in NUMBERS},
                "broken_row": row.broken_row,
            }
            for row in self.rows
        ]
        return pd.DataFrame(rows, columns=["margin_per_kwh", "status", *NUMBERS, "broken_row"])


def price_of_security(
    model: Any, case: Instance, margins: Iterable[float] = MARGINS, search: Search | None = None, unit: str = "",
    store: Path | None = None, about: Mapping[str, Any] | None = None,
    progress: Callable[[int, int, MarginRow], None] | None = None, live: bool = False,
) -> SecurityPrice:  # fmt: skip
    """Solve a pricing model of `formulations.charging_pricing` for every margin (currency/kWh; 0 is the optimistic answer).

    - `unit`: of the model's objective, for tables and figures;
    - `store`: a folder that keeps every row as it is found, for a problem that `about` describes in plain JSON types; rows in it
      are not solved again, but for those that were not closed in a shorter time limit than now; one run has it at a time;
    - `progress` is called with rows done, rows in all, and the row; `live` shows the searches' own line.

    Ctrl-C keeps the rows found; the one that it stopped is not in the store.  Raises what `bilevel.solve` raises, before any work
    for a margin that is too small for solvers, and `BilevelError` for a store of another problem.
    """
    asked, search = _checked(margins), search or Search()
    program = _require(model, asked, search)
    header = {"format": _FORMAT, **(about or {}), **search.settings()}
    with held(None if store is None else store / FILE, "give another folder as store"):
        rows, solved = _solved(model, case, asked, search, store, header, progress, live)
    return SecurityPrice(case, tuple(rows[m] for m in sorted(rows)), asked, program.sign, unit, search, solved)


def _solved(
    model: Any, case: Instance, asked: tuple[float, ...], search: Search, store: Path | None, header: Mapping[str, Any],
    progress: Callable[[int, int, MarginRow], None] | None, live: bool,
) -> tuple[dict[float, MarginRow], int]:  # fmt: skip
    """Rows by margin, and how many of them were solved now."""
    kept = {} if store is None else _kept(store / FILE, header, search.time_limit, _shape(model))
    rows, solved, last = {m: kept[m] for m in asked if m in kept}, 0, None
    # The searches listen for Ctrl-C themselves; this does between them
    with Progress(False) as line:
        for margin in asked:
            if line.interrupted:
                break
            if margin not in rows:
                row = _row(model, case, margin, search, last, line, live)
                rows[margin], solved = row, solved + 1
                if store is not None and not line.interrupted:
                    files.append(store / FILE, row.to_dict())
                if progress is not None:
                    progress(len(rows), len(asked), row)
            if rows[margin].found:
                last = rows[margin]
    return rows, solved


def _checked(margins: Iterable[float]) -> tuple[float, ...]:
    """The margins in rising order, each once."""
    given = sorted(set(map(float, margins)))
    if not given:
        raise BilevelError("no margin is given: give some in currency/kWh, such as 0,0.001,0.01")
    for margin in given:
        if not (math.isfinite(margin) and margin >= 0):
            raise BilevelError(
                f"margin is {margin!r}: give numbers of at least 0 in currency/kWh, such as 0,0.001,0.01"
            )
    return tuple(given)


def _require(model: Any, margins: tuple[float, ...], search: Search) -> Any:
    """The model's program; raises what a search of the smallest margin would refuse."""
    program = compile_model(model)
    least = min((margin for margin in margins if margin > 0), default=None)
    ties = wanted(OPTIMISTIC if least is None else SECURE, least)
    asked = pick(search.solver, search.mode, search.cones, search.gap, search.time_limit, given=ties)
    asked.plan(asked.level(program))
    return program


def _kept(
    path: Path, header: Mapping[str, Any], time_limit: float, shape: Mapping[str, int] | None = None
) -> dict[float, MarginRow]:
    """Rows of earlier runs by margin, the last of each, without those that more time may close.

    `shape` is the number of prices by station that a row with a point has.
    """

    def read(line: Mapping[str, Any]) -> MarginRow:
        row = MarginRow.read(line)
        if shape is not None and row.found and {c: len(prices) for c, prices in row.price_per_kwh.items()} != shape:
            raise ValueError("it has other prices than the case")
        return row

    def doubts(told: Sequence[files.Told[MarginRow]]) -> dict[int, str]:
        return {at: why for at, (row, summed) in enumerate(told) if not summed and (why := _overclaims(row, header))}

    rows = {row.margin_per_kwh: row for row in files.opened(path, header, "margins", read, doubts=doubts)}
    return {margin: row for margin, row in rows.items() if row.closed or row.time_limit >= time_limit}


def _overclaims(row: MarginRow, header: Mapping[str, Any]) -> str:
    """What a row without a sum says that its numbers do not show; "" where they do."""
    if row.status == Status.INFEASIBLE:
        return "infeasible is what a line without a sum says"
    room = (header.get("gap", 0.0) + tolerances.RESOLUTION) * max(abs(row.objective), 1.0)
    if row.status == Status.CERTIFIED and abs(row.objective - row.bound) > room:
        return "it is certified with a gap that is larger than asked for"
    return ""


def _shape(model: Any) -> dict[str, int]:
    return dict(Counter(station for station, _ in model.price))


def _row(
    model: Any, case: Instance, margin: float, search: Search, last: MarginRow | None, line: Progress, live: bool
) -> MarginRow:
    ties: dict[str, Any] = {"ties": SECURE, "margin": margin} if margin > 0 else {"ties": OPTIMISTIC}
    starts = [] if last is None else [_decision(model, last)]
    solution = solve(
        model, search.solver, search.mode, search.cones, search.gap, search.time_limit, live, warm_start=starts, **ties
    )
    return row_of(model, case, margin, solution, search.time_limit, line.stop)


def _decision(model: Any, row: MarginRow) -> Any:
    prices = row.price_per_kwh
    return ComponentMap((model.price[c, t], prices[c][at]) for c in prices for at, t in enumerate(model.T))
