"""Every check of a certificate, with a traffic light: pass, FAIL, or reported where there is no tolerance to hold it to."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from studies.page.panels.schedule import WAYS
from studies.page.parts.folder import MissingPieceError, ResultsFolder
from studies.page.parts.html import light, number, table, text

HEADS = ("check", "verdict", "value", "tolerance", "unit", "where", "detail")
Checks = list[Mapping[str, Any]]
_WORDS = {"checked": "checked by a proof", "solver": "the solver's word", "none": "none"}
"""Whose word the bound of a point is."""


def draw(results: ResultsFolder) -> str:
    """Each certificate of the folder; of a front, whose files keep a status for each point, those."""
    found = dict(_certificates(results))
    if results.kind == "pareto":
        return _statuses(results)
    if results.kind == "compare":
        return _answer(results)
    if not any(found.values()):
        raise MissingPieceError("the folder holds no certificate, as no point was found")
    several = len(found) > 1
    body = "".join(_one(name, checks, several) for name, checks in found.items() if checks)
    return body + (_statuses(results) if results.kind == "compare-equilibrium" else "")


def _certificates(results: ResultsFolder) -> Iterable[tuple[str, Checks]]:
    if results.kind == "solve":
        yield "the answer", results.data["certificate"]
    if results.kind in ("equilibrium", "compare-equilibrium"):
        yield "end of the iteration", results.json("trace.json")["solution"]["certificate"]
    if results.kind == "market":
        ways = results.data["ways"]
        for way in (name for name in WAYS if name in ways):
            yield f"{way} way", ways[way]["certificate"]


def _one(name: str, checks: Checks, several: bool) -> str:
    verdicts = [_verdict(check) for check in checks]
    counts = Counter(verdicts)
    said = ", ".join(f"{counts[word]} {word}" for word in ("pass", "FAIL", "reported") if counts[word])
    rows = [
        [text(check["check"]), light(verdict), _value(check["value"]), number(check["tolerance"], 3), text(check["unit"]),
         text(check["where"]), text(check["detail"])]
        for check, verdict in zip(checks, verdicts, strict=True)
    ]  # fmt: skip
    heading = f"<h3>{text(name)}</h3>" if several else ""
    return heading + table(HEADS, rows, f"Checks of {name}: {said}", (2, 3))


def _value(value: float | None) -> str:
    return number(value, 3 if value is None or abs(value) < 1 else 7)


def _verdict(check: Mapping[str, Any]) -> str:
    if check["tolerance"] is None:
        return "reported"
    return "pass" if check["ok"] else "FAIL"


def _statuses(results: ResultsFolder) -> str:
    """Points of a front: certified, or the status that says why not."""
    money, points = results.currency, results.json("front.json")["points"]
    # Older versions do not say whose word a bound is
    told = all("proven" in point for point in points)
    heads = (
        "point",
        "verdict",
        "network loss (kWh)",
        f"station profit ({money})",
        f"bound ({money})",
        "gap (relative)",
        *(["the bound is"] if told else []),
    )
    rows = [
        [str(k), light(p["status"]), number(p["network_loss_kwh"], 7), number(p["station_profit"], 7), number(p["bound"], 7),
         number(p["gap"], 3), *([_WORDS[p["proven"]]] if told else [])]
        for k, p in enumerate(points, 1)
    ]  # fmt: skip
    if not rows:
        raise MissingPieceError("the front has no point")
    return table(heads, rows, "Points of the front; each was certified as a solve is", range(2, 6))


def _answer(results: ResultsFolder) -> str:
    """A comparison keeps the verdict on the exact answer alone."""
    exact = results.data["exact"]
    if exact is None:
        raise MissingPieceError("the exact method was not asked for, and heuristics have no certificate")
    return f'<p class="verdict">{light(exact["status"])} exact answer: {text(exact["reason"])}</p>'
