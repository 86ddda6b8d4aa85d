"""The command line that makes a results folder again, from what the folder records."""

import re
import shlex
from collections.abc import Mapping
from typing import Any

from formulations.objectives import OBJECTIVES
from formulations.options import declared
from formulations.parts import ALL
from studies.page.parts.folder import ResultsFolder
from studies.pricing.front_results import FRONTS

Options = dict[str, Any]


def line(results: ResultsFolder) -> str:
    """The command, a line an option, with every option written out, also those at their defaults, but for those that were None."""
    options = {**_problem(results), **_OPTIONS[results.kind](results), "out": results.path.resolve().name}
    words = [shlex.join(["bilevel", results.kind, str(results.about["case"])])]
    for name, value in options.items():
        if value is not None:
            words.append(shlex.join([f"--{name.replace('_', '-')}", _said(value)]))
    return " \\\n  ".join(words)


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{name}={_said(weight)}" for name, weight in value.items())
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value)


def _problem(results: ResultsFolder) -> Options:
    """The fleet, where one was drawn, and prices and users."""
    about = results.about
    found: Options = {"follower": about.get("follower")}
    found |= {known.option.command_flag: about.get(name) for name, known in declared(ALL).items()}
    found |= {name: about.get(name) for name in ("scenarios", "risk", "chance", "willing")}
    # Days that were drawn have the seed of the fleet, where one was drawn
    found["seed"] = about.get("scenarios_seed")
    if about.get("seed") is not None:
        found |= {"evs": about.get("evs"), "seed": about["seed"]}
    if results.kind in ("solve", "pareto"):
        found["tariff"] = about.get("tariff")
    return found


def _search(settings: Mapping[str, Any]) -> Options:
    asked = settings.get("mode_asked", settings.get("mode"))
    # Results of older versions say nothing of ties
    names = ("solver", "cones", "gap", "time_limit", "ties", "margin")
    return {"mode": asked, **{name: settings.get(name) for name in names}}


def _solve(results: ResultsFolder) -> Options:
    weights = results.about["objective"]
    return {"objective": weights, "flow": results.about.get("flow"), **_search(results.data["settings"])}


def _front(results: ResultsFolder) -> Options:
    settings = results.json("front.json")["settings"]
    found = {"method": settings["method"], "points": settings["points"], **_search(settings)}
    if results.kind == "pareto" and results.has(FRONTS):
        fronts = results.table(FRONTS)
        margins = fronts["margin_per_kwh"].dropna()
        found |= {
            "ties": ",".join(fronts["ties"].unique()),
            "margin": None if margins.empty else float(margins.iloc[0]),
        }
    return found | ({} if settings["method"] == "augmented" else {"tolerance": settings["tolerance"]})


def _iteration(results: ResultsFolder) -> Options:
    settings = results.json("trace.json")["settings"]
    return {
        **{name: settings[name] for name in ("damping", "tolerance", "max_iterations")},
        "fee": settings["fee_per_kwh"],
    }


def _both(results: ResultsFolder) -> Options:
    return {**_front(results), **_iteration(results)}


def _market(results: ResultsFolder) -> Options:
    data = results.data
    prices = {"demand": data["demand"], "fee": data["fee_per_kwh"], "loss_price": data["loss_price_per_kwh"]}
    return {**prices, **data["settings"]}


def _security(results: ResultsFolder) -> Options:
    settings = results.data["settings"]
    return {"objective": results.about["objective"], "tariff": results.about.get("tariff"), **settings}


def _methods(results: ResultsFolder) -> Options:
    """The seed of a comparison is that of its runs, and of the fleet where one was drawn."""
    data = results.data
    # Results of older versions say nothing of ties
    ties = {name: data["problem"].get(name) for name in ("ties", "margin")}
    found = {"problem": data["problem"]["name"], **data["settings"], **ties}
    if data["problem"]["name"] == "pricing":
        found["objective"] = _weights(data["problem"]["objective"])
    return found


def _weights(said: str) -> dict[str, float]:
    """The weights of an objective that is given in words, such as "2 network loss" or "loss - 0.5 profit"."""
    names = {word: name for name, objective in OBJECTIVES.items() for word in (objective.words, name)}
    known = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    found = re.findall(rf"(?:(\d+(?:\.\d+)?(?:e[+-]?\d+)?) )?\b({known})\b", said, re.ASCII)
    return {names[word]: float(weight or 1) for weight, word in found}


_OPTIONS = {
    "solve": _solve, "pareto": _front, "equilibrium": _iteration, "compare-equilibrium": _both, "market": _market,
    "compare": _methods, "security": _security,
}  # fmt: skip
