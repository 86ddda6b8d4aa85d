"""What was asked and what came of it, in a few lines."""

from collections.abc import Mapping, Sequence
from typing import Any

from formulations.objectives import OBJECTIVES
from studies.page.panels.schedule import WAYS
from studies.page.parts.folder import ResultsFolder
from studies.page.parts.html import facts, light, number, text
from studies.pricing.front_results import FRONTS

Facts = list[tuple[str, str]]


def draw(results: ResultsFolder) -> str:
    """The verdict, the figures, and the problem."""
    verdict, reason, found = _OUTCOMES[results.kind](results)
    seconds = results.data.get("seconds")
    if seconds:
        found.append(("seconds", ", ".join(f"{phase} {value:.2f}" for phase, value in seconds.items())))
    return f'<p class="verdict">{light(verdict)} {text(reason)}</p>{facts([*found, *_problem(results.about)])}'


def _problem(about: Mapping[str, Any]) -> Facts:
    words = {"case": "case", "evs": "sessions", "seed": "seed of the fleet", "tariff": "tariff", "follower": "users",
             "flow": "power flow", "demand": "demand", "scenarios": "days of", "risk": "risk",
             "chance": "limits with a probability"}  # fmt: skip
    return [(said, str(about[name])) for name, said in words.items() if about.get(name) is not None]


_WHOSE = {"checked": ", proven: a checker without a solver followed it", "solver": ", by the solver's word"}
"""Whose word a bound is, by `Solution.proven` or an end of a front; answers of older versions say nothing of it."""


def _solve(results: ResultsFolder) -> tuple[str, str, Facts]:
    data, about, money = results.data, results.about, results.currency
    return data["status"], data["reason"], [
        ("objective", f"{number(data['objective'], 8)} (weights: {_weights(about['objective'])})"),
        ("bound", number(data["bound"], 8) + _WHOSE.get(data.get("proven", ""), "")),
        ("gap", f"{number(data['gap'], 3)} relative"),
        *((item.words, f"{number(about[item.column])} {item.unit or money}")
          for item in OBJECTIVES.values() if item.column in about),
    ]  # fmt: skip


def _weights(weights: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {weight:g}" for name, weight in weights.items())


def _front(results: ResultsFolder) -> tuple[str, str, Facts]:
    front, money = results.json("front.json"), results.currency
    done = (
        "certified"
        if front["certified"] and front["complete"]
        else "not certified"
        if front["complete"]
        else "incomplete"
    )
    whose = {end: _WHOSE.get(word, "") for end, word in front.get("proven", {}).items()}
    return done, front["reason"], [
        ("points", str(len(front["points"]))),
        ("least loss", f"{number(front['least_limited'], 7)} kWh{whose.get('least_limited', '')}"),
        ("most profit", f"{number(front['most_maximized'], 7)} {money}{whose.get('most_maximized', '')}"),
        *([("bounds of points", _points_checked(front["points"]))] if whose else []),
        ("hypervolume", f"{number(front['hypervolume']['least'])} to {number(front['hypervolume']['most'])} kWh {money}"),
        *_other_fronts(results),
    ]  # fmt: skip


def _other_fronts(results: ResultsFolder) -> Facts:
    """How the fronts of other conventions of ties went, where several were traced."""
    if results.kind != "pareto" or not results.has(FRONTS):
        return []
    table = results.table(FRONTS)
    others = table[table["ties"] != table["ties"].iloc[0]].groupby("ties")["certified"]
    return [(f"{name} front", f"{len(good)} points, {int(good.sum())} certified") for name, good in others]


def _points_checked(points: Sequence[Mapping[str, Any]]) -> str:
    checked = sum(point["proven"] == "checked" for point in points)
    if checked == 0:
        return "by the solver's word"
    others = "" if checked == len(points) else "; the others by the solver's word"
    return f"{checked} of {len(points)} proven: a checker without a solver followed them{others}"


def _iteration(results: ResultsFolder) -> tuple[str, str, Facts]:
    trace = results.json("trace.json")
    return trace["status"], trace["reason"], [
        ("iterations", str(trace["iterations"])),
        ("residual", f"{number(trace['residual'], 3)} of the scale of loads"),
        ("last point", f"{trace['solution']['status']}: {trace['solution']['reason']}"),
        ("loss of the last point", f"{number(trace['network_loss_kwh'])} kWh"),
        ("profit of the last point", f"{number(trace['station_profit'])} {results.currency}"),
    ]  # fmt: skip


def _both(results: ResultsFolder) -> tuple[str, str, Facts]:
    verdict, reason, front = _front(results)
    ended, why, trace = _iteration(results)
    found = results.data["comparison"]
    side = "none: the front or the equilibrium has no point" if found is None else found["side"]
    return verdict, f"front of {reason}", [("beside the front", side), *front, ("iteration", f"{ended}: {why}"), *trace]


def _market(results: ResultsFolder) -> tuple[str, str, Facts]:
    ways, money, apart = results.data["ways"], results.currency, results.data["difference"]
    costs = [
        (
            f"operator's cost, {way}",
            f"{number(run['objective'], 7)} {money} ({run['status']}), bound {number(run['bound'], 7)}",
        )
        for way, run in ((name, ways[name]) for name in WAYS if name in ways)
    ]
    if "equilibrium" in ways:
        found, most = number(apart["found"]), number(apart["proven_at_most"])
        costs.append(("iteration costs more by", f"{found} {money}, at most {most}"))
    said = results.data["verdict"]
    verdict = "FAIL" if apart["contradiction"] else said["status"]
    return verdict, apart["contradiction"] or said["reason"], costs


def _security(results: ResultsFolder) -> tuple[str, str, Facts]:
    rows, unit = results.data["rows"], results.data["unit"]
    open_ = [row for row in rows if row["status"] not in ("certified", "infeasible")]
    none = [row for row in rows if row["status"] == "infeasible"]
    verdict = "certified" if results.data["closed"] else "not certified" if results.data["complete"] else "incomplete"
    said = f"{len(rows)} margins, {len(open_)} open, {len(none)} proven to have no answer"
    found = [(f"margin {row['margin_per_kwh']:g} {results.currency}/kWh", _margin(row, unit)) for row in rows]
    return verdict, said, found


def _margin(row: Mapping[str, Any], unit: str) -> str:
    said = f"objective {number(row['objective'], 7)} {unit} ({row['status']}), worst tie {number(row['worst_tie'], 7)}"
    return f"{said}; some tie breaks {row['broken_row']}" if row["broken_row"] else said


def _methods(results: ResultsFolder) -> tuple[str, str, Facts]:
    data = results.data
    problem, exact = data["problem"], data["exact"]
    status = "none" if exact is None else exact["status"]
    verdict = "FAIL" if data["verdict"]["contradiction"] else "incomplete" if not data["complete"] else status
    found = [("problem", f"{problem['sense']} {problem['objective']} ({problem['unit']})"), ("note", problem["note"])]
    return verdict, data["verdict"]["sentence"], found


_OUTCOMES = {
    "solve": _solve, "pareto": _front, "equilibrium": _iteration, "compare-equilibrium": _both, "market": _market,
    "compare": _methods, "security": _security,
}  # fmt: skip
