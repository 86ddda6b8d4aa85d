"""Files of a front, of an equilibrium and of both compared, and the store of a front that a killed run leaves.

Every file is written whole, one after the other; the store (folder `points`) stands beside them and is never removed.  A run
that is killed between two files leaves old ones beside new ones, and the same command with the store writes all of them again.
"""

import json
import math
import platform
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import pyomo.environ as pyo

from bilevel import EquilibriumTrace, ParetoFront, solvers, tolerances
from bilevel.atomic import write_bytes
from bilevel.errors import BilevelError
from bilevel.front_store import FILE
from bilevel.results import plain
from formulations import front_plots, plots
from instances import Instance, check_folder

LOSS, PROFIT = "network_loss_kwh", "station_profit"
COLUMNS = [LOSS, PROFIT, "bound", "gap", "certified", "seconds"]
STORE, CASE = "points", "case.json"
FORMATS = ("png", "pdf")
FRONT_FILES = ("front.csv", "front.json", "front.tex", "front.png", "front.pdf")
TRACE_FILES = ("trace.csv", "trace.json", "trace.png", "trace.pdf")
COMPARISON_FILES = ("comparison.csv", "comparison.json", "comparison.png", "comparison.pdf")
FILES = (*FRONT_FILES, *TRACE_FILES, *COMPARISON_FILES)
VALID = ("certified", "conditional", "feasible", "unattained")
"""Status of a solution whose point is a decision that the model allows."""


# Facts


def facts(case: Instance, choices: Mapping[str, Any], solver: str) -> dict[str, Any]:
    """Case, evs (sessions), currency, `choices` (seed, tariff, follower and their options), and the versions of the software."""
    packages = ("bilevel-grid", "pyomo", "numpy", "scipy")
    versions = {"python": platform.python_version(), **{name: metadata.version(name) for name in packages}}
    versions[solver] = solvers.find(solver).version()
    return {**_problem(case, choices), "versions": versions}


def _problem(case: Instance, choices: Mapping[str, Any]) -> dict[str, Any]:
    return {"case": case.name, "evs": len(case.sessions), "currency": case.currency, **choices}


@dataclass(frozen=True)
class EquilibriumPoint:
    """Where an equilibrium ends: loss (kWh) and profit (currency), None without a point; status; whether the model allows it."""

    network_loss_kwh: float | None
    station_profit: float | None
    status: str
    valid: bool


def equilibrium_point(model: Any, trace: EquilibriumTrace) -> EquilibriumPoint:
    """The last point of a trace, whose values stand in the model."""
    solution = trace.solution
    if not solution.certificate.checks:
        return EquilibriumPoint(None, None, solution.status, False)
    loss, profit = float(pyo.value(model.network_loss)), float(pyo.value(model.station_profit))
    return EquilibriumPoint(loss, profit, solution.status, solution.status in VALID)


# Comparison


@dataclass(frozen=True)
class Comparison:
    """An equilibrium beside a front; see `compare`.  Losses in kWh, profits in currency.

    - `front_profit`: the most profit of the front's points with at most the equilibrium's loss (-inf if none); `bound_profit`:
      proven, nothing with that loss has more;
    - `front_loss`: the least loss of the front's points with at least the equilibrium's profit (inf if none); `bound_loss`:
      proven, nothing with that profit has less (inf: that profit is out of reach);
    - `side`: "in front" of a proven bound (only a point that breaks the model's rows can be), "behind" (a point of the front is
      better beyond tolerance), "on" (within tolerance of the bound in one of both), or "undecided" (the front is not known finely
      enough there).
    """

    network_loss_kwh: float
    station_profit: float
    valid: bool
    front_profit: float
    bound_profit: float
    front_loss: float
    bound_loss: float
    side: str

    @property
    def profit_forgone(self) -> tuple[float, float]:
        """Least and most of (the front's profit at the same loss - profit); a valid point is never in front, so at least 0 then."""
        return self._from_zero(self.front_profit - self.station_profit, self.bound_profit - self.station_profit)

    @property
    def loss_excess(self) -> tuple[float, float]:
        """Least and most of (loss - the front's loss at the same profit)."""
        return self._from_zero(self.network_loss_kwh - self.front_loss, self.network_loss_kwh - self.bound_loss)

    def _from_zero(self, least: float, most: float) -> tuple[float, float]:
        return (max(0.0, least), max(0.0, most)) if self.valid and self.side != "in front" else (least, most)

    @property
    def contradiction(self) -> bool:
        """Whether a point that the model allows is in front of a proven bound: then one of both is wrong."""
        return self.valid and self.side == "in front"

    def to_frame(self) -> pd.DataFrame:
        """A row for each of profit and loss: quantity, equilibrium, front_found, front_bound, distance_least, distance_most, and
        both distances relative to the front's own value (share_least, share_most)."""
        rows = []
        for name, own, found, bound, (least, most) in (
            (PROFIT, self.station_profit, self.front_profit, self.bound_profit, self.profit_forgone),
            (LOSS, self.network_loss_kwh, self.front_loss, self.bound_loss, self.loss_excess),
        ):
            rows.append((name, own, found, bound, least, most, _share(least, found), _share(most, bound)))
        columns = ["quantity", "equilibrium", "front_found", "front_bound", "distance_least", "distance_most"]
        return pd.DataFrame(rows, columns=[*columns, "share_least", "share_most"])

    def to_dict(self) -> dict[str, Any]:
        """The same in plain JSON types, with `feasible` and `side`."""
        rows = self.to_frame().set_index("quantity").to_dict("index")
        found = {str(name): {str(key): plain(value) for key, value in row.items()} for name, row in rows.items()}
        return {"feasible": self.valid, "side": self.side, "contradiction": self.contradiction, **found}


def _share(distance: float, of: float) -> float:
    return distance / abs(of) if of and math.isfinite(of) else math.nan


def compare(front: ParetoFront, network_loss_kwh: float, station_profit: float, valid: bool) -> Comparison:
    """Where a point lies beside a front of loss (limited) and profit (maximised), and how far in each of both.

    Tolerance: `tolerances.RESOLUTION` of the point's loss and of its profit.
    """
    loss, profit = network_loss_kwh, station_profit
    near_loss, near_profit = tolerances.RESOLUTION * abs(loss), tolerances.RESOLUTION * abs(profit)
    front_profit = max((p.maximized for p in front.points if p.limited <= loss), default=-math.inf)
    front_loss = min((p.limited for p in front.points if p.maximized >= profit), default=math.inf)
    bound_profit, bound_loss = front.bound_at(loss), least_loss(front, profit)
    if profit > front.bound_at(loss + near_loss) + near_profit:
        side = "in front"
    elif front_profit > profit + near_profit or front_loss < loss - near_loss:
        side = "behind"
    elif bound_profit <= profit + near_profit or bound_loss >= loss - near_loss:
        side = "on"
    else:
        side = "undecided"
    return Comparison(loss, profit, valid, front_profit, bound_profit, front_loss, bound_loss, side)


def least_loss(front: ParetoFront, profit: float) -> float:
    """Proven: nothing with at least this profit has less loss (kWh); inf where the profit itself is out of reach."""
    if profit > front.most_maximized:
        return math.inf
    return max([front.least_limited, *(p.limit for p in front.points if p.bound < profit)])


# Contents of the files


def front_files(front: ParetoFront, about: Mapping[str, Any]) -> dict[str, str | bytes]:
    """Files of a front, name to content; without points no figure.  `about` is `facts`."""
    table = front.to_frame(LOSS, PROFIT)
    files: dict[str, str | bytes] = {
        "front.csv": _csv(table[COLUMNS]),
        "front.json": _json({**about, **front.to_dict(LOSS, PROFIT)}),
        "front.tex": latex(table, about),
    }
    return files | (_figures("front", front_plots.front(front, about["currency"])) if front.points else {})


def trace_files(
    trace: EquilibriumTrace, point: EquilibriumPoint, about: Mapping[str, Any], settings: Mapping[str, Any]
) -> dict[str, str | bytes]:
    """Files of an equilibrium, name to content; `settings`: damping, tolerance, max_iterations, fee_per_kwh."""
    solution = trace.solution.to_dict()
    data = {
        **about,
        "status": trace.status,
        "period": trace.period,
        "reason": trace.reason,
        "iterations": len(trace.iterations),
        "residual": plain(trace.iterations[-1].residual),
        "settings": dict(settings),
        LOSS: point.network_loss_kwh,
        PROFIT: point.station_profit,
        "valid": point.valid,
        "solution_iteration": trace.solution_iteration,
        "solution_tick": trace.solution_tick,
        "prices": {name: plain(value) for name, value in trace.prices.items()},
        "solution": {key: solution[key] for key in ("status", "reason", "objective", "bound", "gap", "certificate")},
    }
    figure = front_plots.trace(trace, about["currency"], settings["tolerance"])
    return {"trace.csv": _csv(trace.to_frame()), "trace.json": _json(data), **_figures("trace", figure)}


def comparison_files(
    front: ParetoFront, trace: EquilibriumTrace, found: Comparison | None, about: Mapping[str, Any]
) -> dict[str, str | bytes]:
    """Files of both compared, name to content; `found` is None where the front or the equilibrium has no point."""
    data = {
        **about,
        "front": {"complete": front.complete, "certified": front.certified, "points": len(front)},
        "equilibrium": {"status": trace.status, "reason": trace.reason, "point": trace.solution.status,
                        "residual": plain(trace.iterations[-1].residual), "solution_tick": trace.solution_tick},
        "comparison": None if found is None else found.to_dict(),
    }  # fmt: skip
    files: dict[str, str | bytes] = {"comparison.json": _json(data)}
    if found is None:
        return files
    files["comparison.csv"] = _csv(found.to_frame())
    return files | _figures("comparison", front_plots.comparison(front, found, about["currency"], trace.solution_tick))


def latex(table: pd.DataFrame, about: Mapping[str, Any]) -> str:
    """The points of a front as a table for the LaTeX package booktabs: loss, profit, bound, gap in per cent, certified."""
    said = ", ".join(
        f"{key} {about[key]}" for key in ("case", "evs", "seed", "tariff", "follower") if about[key] is not None
    )
    money = _escaped(about["currency"])
    lines = [
        f"% {said}; needs \\usepackage{{booktabs}}",
        r"\begin{tabular}{rrrrl}",
        r"\toprule",
        r"network loss & station profit & proven bound & gap & certified \\",
        rf"kWh & {money} & {money} & \% & \\",
        r"\midrule",
    ]
    for row in table.itertuples(index=False):
        cells = (_fixed(row[0], 3), _fixed(row[1], 2), _fixed(row[2], 2), _fixed(100 * row[3], 4))
        lines.append(" & ".join(cells) + (r" & yes \\" if row[4] else r" & no \\"))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _fixed(value: Any, decimals: int) -> str:
    return f"{value:.{decimals}f}" if math.isfinite(value) else "--"


def _escaped(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "&%$#_{}" else letter for letter in text)


def _csv(table: pd.DataFrame) -> str:
    return table.to_csv(index=False, lineterminator="\n")


def _json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _figures(name: str, figure: Any) -> dict[str, str | bytes]:
    return {f"{name}.{kind}": plots.render(figure, kind) for kind in FORMATS}


# The folder


def check(directory: str | Path) -> None:
    """Raise `InstanceError` when a later `write` to `directory` would be refused; writes nothing."""
    check_folder(directory, {*FILES, STORE, *(path.name for path in _leftovers(Path(directory)))}, "a front")


def check_store(directory: Path, case: Instance, choices: Mapping[str, Any], resume: bool) -> None:
    """Raise `BilevelError` when `directory` holds points and `resume` is False, or points of another case or other options."""
    store = directory / STORE
    if not (store / FILE).exists():
        return
    if not resume:
        raise BilevelError(
            f"{directory} holds the points of an earlier run: continue it with --resume, or give another folder with --out"
        )
    _refuse_other(directory, store / CASE, _problem(case, choices))


@contextmanager
def open_store(directory: Path, case: Instance, choices: Mapping[str, Any]) -> Iterator[Path]:
    """The folder of a front's points below `directory`, for `bilevel.pareto`; a refusal before any point leaves nothing new."""
    store = directory / STORE
    new = [path for path in (store, *store.parents) if not path.exists()]
    if not (store / FILE).exists():
        store.mkdir(parents=True, exist_ok=True)
        write_bytes(store / CASE, _json(_problem(case, choices)).encode())
    try:
        yield store
    except BilevelError:
        if not (store / FILE).exists():
            (store / CASE).unlink()
            for path in new:
                path.rmdir()
        raise


def _refuse_other(directory: Path, path: Path, now: Mapping[str, Any]) -> None:
    """The solver compares every number of the model too; this says the difference in the words of the options."""
    try:
        then = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return
    for key, value in now.items():
        if then.get(key) != value:
            raise BilevelError(
                f"{directory} holds the points of another run: {key} is {then.get(key)!r} there and {value!r} here; "
                "give the same options, or another folder with --out"
            )


def write(directory: Path, contents: Mapping[str, str | bytes], names: Iterable[str]) -> tuple[str, ...]:
    """Write the files into `directory`, each whole or not at all; gives their names.

    `names` are the files that such a result can have: those without content now are of an earlier result, and removed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for path in [*_leftovers(directory), *(directory / name for name in names if name not in contents)]:
        path.unlink(missing_ok=True)
    for name, content in contents.items():
        write_bytes(directory / name, content.encode() if isinstance(content, str) else content)
    return tuple(contents)


def _leftovers(directory: Path) -> list[Path]:
    """What killed writes left behind."""
    return [path for name in FILES for path in directory.glob(f".{name}.*")] if directory.is_dir() else []
