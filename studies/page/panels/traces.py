"""How iterations converge: the residual and the objective of an equilibrium, the best values of heuristics."""

import pandas as pd

from studies.page.parts import svg
from studies.page.parts.folder import ResultsFolder
from studies.page.parts.html import folded, number, table, text

COLUMNS = {
    "residual": "residual (relative)",
    "objective": "objective (currency)",
    "cost_excess": "cost excess (relative)",
}


def draw(results: ResultsFolder) -> str:
    """Empty for solves and fronts, which leave no trace."""
    if results.kind == "compare":
        return _methods(results)
    if results.kind in ("equilibrium", "compare-equilibrium", "market"):
        return _iteration(results)
    return ""


def _iteration(results: ResultsFolder) -> str:
    # Days that may come have no iteration
    if results.kind == "market" and results.data.get("trace") is None:
        return ""
    trace = results.table("trace.csv")
    x = trace["iteration"].tolist()
    residual = svg.Series("residual", x, trace["residual"].tolist())
    cost = svg.Series("objective", x, trace["objective"].tolist())
    charts = svg.lines([residual], "Residual of the iteration", "iteration", COLUMNS["residual"], log=True)
    charts += svg.lines([cost], "Leader's objective", "iteration", f"cost ({results.currency})")
    end = results.data["trace"] if results.kind == "market" else results.json("trace.json")
    kept = [name for name in ("iteration", *COLUMNS) if name in trace]
    rows = [[number(float(v)) for v in row] for row in trace[kept].itertuples(index=False)]
    heads = [COLUMNS.get(name, name) for name in kept]
    numbers = folded("Numbers of the iteration", table(heads, rows, "Iterations", range(len(heads))))
    return f'<p>{text(end["status"])}: {text(end["reason"])}</p><div class="pair">{charts}</div>{numbers}'


def _methods(results: ResultsFolder) -> str:
    curves, unit = results.table("convergence.csv"), results.data["problem"]["unit"]
    if curves.empty:
        return "<p>No run of a heuristic, so nothing to draw.</p>"
    series = [_median(str(name), part) for name, part in curves.groupby("method", sort=False)]
    exact = results.data["exact"]
    ends = [float(curves["evaluations"].min()), float(curves["evaluations"].max())]
    if exact is not None and exact["bound"] is not None:
        series.append(svg.Series("proven bound", ends, [exact["bound"]] * 2))
    label = f"best so far ({unit})"
    return svg.lines(series, "Best value by evaluations, median of the feasible runs", "evaluations", label)


def _median(name: str, part: pd.DataFrame) -> svg.Series:
    return svg.Series(name, part["evaluations"].tolist(), part["median"].tolist())
