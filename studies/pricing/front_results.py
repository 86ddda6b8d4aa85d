"""Files of a front, of an equilibrium and of both compared, and the store of a front that a killed run leaves.

Every file is written whole, one after the other; the store (folder `points`) stands beside them and is never removed.  A run
that is killed between two files leaves old ones beside new ones, and the same command with the store writes all of them again.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from bilevel import EquilibriumTrace, ParetoFront
from bilevel.atomic import write_bytes
from bilevel.errors import BilevelError
from bilevel.files import require_regular, short
from bilevel.front.store import FILE
from bilevel.reformulate.ties import CONVENTIONS
from bilevel.solution import plain
from instances import Instance, check_folder
from studies.pricing.front_comparison import LOSS, PROFIT, Comparison, EquilibriumPoint
from studies.pricing.front_points import DAYS, END_FILES, POINT_FILES
from studies.results_files import versions
from studies.writing import files as writing_files
from studies.writing import latex as writing_latex

COLUMNS = [LOSS, PROFIT, "bound", "gap", "certified", "seconds"]
STORE, CASE = "points", "case.json"
FRONT_FILES = ("front.csv", "front.json", "front.tex", "front.png", "front.pdf")
FRONTS, FRONTS_FILES = "fronts.csv", ("fronts.csv", "fronts.png", "fronts.pdf")
TRACE_FILES = ("trace.csv", "trace.json", "trace.png", "trace.pdf")
COMPARISON_FILES = ("comparison.csv", "comparison.json", "comparison.png", "comparison.pdf")
FILES = (*FRONT_FILES, *POINT_FILES, *TRACE_FILES, *END_FILES, *COMPARISON_FILES)
ALLOWED = (*FILES, *FRONTS_FILES, DAYS)
"""All that a folder may hold beside the store."""


# Contents of the files


def front_files(front: ParetoFront, about: Mapping[str, Any]) -> dict[str, str | bytes]:
    """Files of a front, name to content; without points no figure.  `about` is `reporting.facts`."""
    table = front.to_frame(LOSS, PROFIT)
    files: dict[str, str | bytes] = {
        "front.csv": writing_files.csv(table[COLUMNS]),
        "front.json": writing_files.json_text(versions.stamped({**about, **front.to_dict(LOSS, PROFIT)})),
        "front.tex": latex(table, about),
    }
    return files | (_drawn("front", front, about["currency"]) if front.points else {})


def fronts_files(fronts: Mapping[str, ParetoFront], currency: str) -> dict[str, str | bytes]:
    """Table and figure of fronts by convention of ties, name to content; the table has `COLUMNS` behind ties and margin_per_kwh."""
    tables = []
    for name, front in fronts.items():
        table = front.to_frame(LOSS, PROFIT)[COLUMNS]
        table.insert(0, "ties", name)
        table.insert(1, "margin_per_kwh", front.settings.get("margin"))
        tables.append(table.astype({"margin_per_kwh": float}))
    files: dict[str, str | bytes] = {FRONTS: writing_files.csv(pd.concat(tables, ignore_index=True))}
    return files | (_drawn("fronts", fronts, currency) if any(len(front) for front in fronts.values()) else {})


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
    return {
        "trace.csv": writing_files.csv(trace.to_frame()),
        "trace.json": writing_files.json_text(versions.stamped(data)),
        **_drawn("trace", trace, about["currency"], settings["tolerance"]),
    }


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
    files: dict[str, str | bytes] = {"comparison.json": writing_files.json_text(versions.stamped(data))}
    if found is None:
        return files
    files["comparison.csv"] = writing_files.csv(found.to_frame())
    return files | _drawn("comparison", front, found, about["currency"], trace.solution_tick)


def _drawn(name: str, *what: Any) -> dict[str, str | bytes]:
    """The figure of that name in `studies.pricing.front_figures`, in every format."""
    # Loaded where figures are drawn: matplotlib takes longer to load than a small case to solve
    from studies.pricing import front_figures

    return writing_files.figures(name, getattr(front_figures, name)(*what))


def latex(table: pd.DataFrame, about: Mapping[str, Any]) -> str:
    """The points of a front as a table for the LaTeX package booktabs: loss, profit, bound, gap in per cent, certified."""
    said = ", ".join(
        f"{key} {about[key]}" for key in ("case", "evs", "seed", "tariff", "follower") if about[key] is not None
    )
    money = about["currency"]
    heads = (
        ("network loss", "station profit", "proven bound", "gap", "certified"),
        ("kWh", money, money, "%", ""),
    )
    rows = [
        (_fixed(row[0], 3), _fixed(row[1], 2), _fixed(row[2], 2), _fixed(100 * row[3], 4), "yes" if row[4] else "no")
        for row in table.itertuples(index=False)
    ]
    return writing_latex.booktabs(heads, rows, [said], "rrrrl")


def _fixed(value: Any, decimals: int) -> str:
    return f"{value:.{decimals}f}" if math.isfinite(value) else "--"


# The folder


def check(directory: str | Path) -> None:
    """Raise `InstanceError` when a later `write` to `directory` would be refused; writes nothing."""
    # Fronts of other conventions stand in folders of their names
    known = {*ALLOWED, STORE, *CONVENTIONS, *(path.name for path in _leftovers(Path(directory)))}
    check_folder(directory, known, "a front")


def check_store(directory: Path, case: Instance, choices: Mapping[str, Any], resume: bool) -> None:
    """Raise `BilevelError` when `directory` holds points and `resume` is False, or points of another case or other options."""
    store = directory / STORE
    if not (store / FILE).exists():
        return
    if not resume:
        raise BilevelError(
            f"{directory} holds the points of an earlier run: continue it with --resume, or give another folder with --out"
        )
    _refuse_other(directory, store / CASE, writing_files.problem(case, choices))


@contextmanager
def open_store(directory: Path, case: Instance, choices: Mapping[str, Any]) -> Iterator[Path]:
    """The folder of a front's points below `directory`, for `bilevel.pareto`; a refusal before any point leaves nothing new."""
    store = directory / STORE
    new = [path for path in (store, *store.parents) if not path.exists()]
    if not (store / FILE).exists():
        store.mkdir(parents=True, exist_ok=True)
        about = {**writing_files.problem(case, choices), "versions": {"bilevel-grid": metadata.version("bilevel-grid")}}
        write_bytes(store / CASE, writing_files.json_text(about).encode())
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
    require_regular(path)
    try:
        then = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return
    # What is damaged here says nothing; the store's own first line does
    if not isinstance(then, dict):
        return
    for key, value in now.items():
        if then.get(key) != value:
            raise BilevelError(
                f"{directory} holds the points of another run: {key} is {short(then.get(key))} there and {short(value)} here; "
                "give the same options, or another folder with --out"
            )


def write(directory: Path, contents: Mapping[str, str | bytes], names: Iterable[str]) -> tuple[str, ...]:
    """Write the files into `directory`, each whole or not at all; gives their names.

    `names` are the files that such a result can have: those without content now are of an earlier result, and removed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for path in [*_leftovers(directory), *(directory / name for name in names if name not in contents)]:
        path.unlink(missing_ok=True)
    # JSON first, by which the folder is known as this package's from its first file on
    for name, content in sorted(contents.items(), key=lambda file: not file[0].endswith(".json")):
        write_bytes(directory / name, content.encode() if isinstance(content, str) else content)
    return tuple(contents)


def _leftovers(directory: Path) -> list[Path]:
    """What killed writes left behind."""
    return [path for name in ALLOWED for path in directory.glob(f".{name}.*")] if directory.is_dir() else []
