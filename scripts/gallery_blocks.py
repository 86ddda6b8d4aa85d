"""The blocks of docs/gallery by name: Markdown made of the files in a results folder, one function a block."""

import ast
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from studies.writing import latex

Z19 = {"method": "method", "status": "status", "network_loss_kwh": "loss kWh", "station_profit": "profit EUR",
       "ev_bill": "bills EUR", "cpu_seconds": "CPU s", "time_ratio": "over tangents", "gap_percent": "gap %"}  # fmt: skip
X23 = {"method": "method", "variance_kw2": "variance kW²", "fitness": "fitness", "mean_fitness": "mean", "std_fitness": "std",
       "electricity_cost": "electricity $", "carbon_cost": "carbon $", "bill": "bill $", "saved_percent": "saved %",
       "cpu_seconds": "CPU s"}  # fmt: skip
MARKET = {"way": "way", "status": "status", "dso_cost": "operator's cost EUR", "bound": "proven bound EUR", "gap": "gap",
          "loss_kwh": "loss kWh", "peak_kw": "peak kW", "users_bill": "users' bill EUR"}  # fmt: skip
CREDIT = {"quantity": "quantity", "day_0": "day 0", "flat": "flat fee", "credit": "credit points", "change": "change",
          "rises": "rises in (share of seeds)"}  # fmt: skip
FRONT = {"network_loss_kwh": "loss kWh", "station_profit": "profit EUR", "bound": "proven most EUR", "gap": "gap",
         "certified": "certified"}  # fmt: skip


def shown(value: Any) -> str:
    """A cell: text as it is, nothing for what is missing, small numbers in powers of ten, others to 6 digits."""
    if isinstance(value, str | bool):
        return str(value)
    if value != value:
        return ""
    return "0" if abs(value) < 1e-12 else f"{value:.2e}" if abs(value) < 1e-2 else latex.digits(float(value), 6)


def markdown(table: pd.DataFrame, columns: dict[str, str]) -> str:
    """The columns of a table as Markdown, with the given heads."""
    rows: Iterable[Iterable[str]] = (
        [shown(value) for value in row] for row in table[list(columns)].itertuples(index=False)
    )
    lines = [columns.values(), ["---"] * len(columns), *rows]
    return "\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n\n"


def made(versions: dict[str, str], command: str, of: str = "") -> str:
    """The line under a table: command and versions."""
    return f"`python {command}`; {', '.join(f'{name} {version}' for name, version in versions.items())}{of}.\n"


def machine(table: pd.DataFrame) -> str:
    """Cores and operating system of a table's runs."""
    return f" on {table['cores'].iloc[0]} cores, {table['platform'].iloc[0].partition('-')[0]}"


def verified(results: Path, kind: str) -> tuple[int, int, float, list[str]]:
    """Of the proofs whose names match: how many, their leaves, seconds that the checker took, what it said of each bound."""
    files = sorted((results / "verified").glob(f"{kind}.txt"))
    said = [dict(re.findall(r"^(proven|leaves|checked)\b:? (.*)$", file.read_text(), re.MULTILINE)) for file in files]
    leaves = sum(int(one["leaves"].partition(",")[0]) for one in said)
    seconds = sum(float(one["checked"].split()[1]) for one in said)
    return len(files), leaves, seconds, [one["proven"].removeprefix("bound ") for one in said]


def proof(results: Path, kind: str, certificate: Iterable[dict[str, Any]], seconds: dict[str, float]) -> str:
    """Two lines: what the proof of a bound is, or why there is none, which is what the certificate says."""
    number, leaves, checked, bounds = verified(results, kind)
    if not number:
        why = next((line["detail"] for line in certificate if line["check"] == "bound proof"), "none was asked for")
        why = why.removeprefix("none: ")
        return f"No proof of this bound can be checked; the certificate's line `bound proof` says why: {why}.\n"
    made = f"; making the proof took {seconds['prove']:.1f} s" if "prove" in seconds else ""
    tree = "1 leaf proves" if leaves == 1 else f"{leaves} leaves prove"
    text = f"The bound is proven: {tree} {float(bounds[0]):.3f}{made},\n"
    return text + f"and `python -m bilevel.verify` followed it in {checked:.1f} s, without a solver.\n"


def methods(results: Path) -> pd.DataFrame:
    """The rows of methods; those that the time limit stopped say so, as their seconds are too few then."""
    table = pd.read_csv(results / "z19/table_z19.csv")
    late = table["at_limit"] & (table["status"] != "heuristic")
    return table.assign(method=table["method"].where(~late, table["method"] + " (stopped at the limit)"))


def z19(results: Path, runs: dict[str, str]) -> str:
    """The table of methods, with a sentence that follows from it."""
    table = methods(results)
    proven, best = table[table["status"] == "certified"], table["bound"].max()
    worst = table.loc[table["status"] == "heuristic", "gap_percent"]
    text = f"Of {len(table) - 2} exact rows {len(proven)} are certified, and no method can be below {best:.2f}. "
    text += f"GA and PSO end {worst.max():.1f} % and {worst.min():.1f} % above that bound.\n"
    versions = table["versions"].dropna().iloc[0].replace(";", ",")
    end = f"`python {runs['z19']}`{machine(table)}; {versions} (first exact row).\n"
    return markdown(table, Z19) + text + "\n" + end


def z19_paper(results: Path, _runs: dict[str, str]) -> str:
    """What the paper prints, and the ratios of both tables, which alone can be compared."""
    table = methods(results)
    heads = {"network_loss_kwh": "loss kW", "station_profit": "profit $", "ev_bill": "bills $", "cpu_seconds": "CPU s"}
    columns = {f"paper_{name}": f"paper: {head}" for name, head in heads.items()}
    table = table[~table["method"].str.contains("unscaled")]
    ratios = {"paper_time_ratio": "paper: over MILP", "time_ratio": "here: over tangents"}
    return markdown(table, {"method": "method", **columns, **ratios})


def pricing(results: Path, runs: dict[str, str]) -> str:
    """The solve behind the figures."""
    found = json.loads((results / "pricing/solution.json").read_text(encoding="utf-8"))
    case = found["case"]
    text = f"{found['status'].capitalize()}: loss {case['network_loss_kwh']:.1f} kWh, profit {case['station_profit']:.2f} EUR, "
    text += f"bills {case['ev_bill']:.2f} EUR; objective {found['objective']:.3f}, bound {found['bound']:.3f}.\n\n"
    text += proof(results, "pricing", found["certificate"], found["seconds"]) + "\n"
    return text + made(found["versions"], runs["pricing"])


def front(results: Path, runs: dict[str, str]) -> str:
    """The points of the front."""
    about = json.loads((results / "front/front.json").read_text(encoding="utf-8"))
    number, leaves, seconds, _ = verified(results, "front-*")
    points = about["points"]
    checked = [*about["proven"].values(), *(point["proven"] for point in points)].count("checked")
    if number != checked:
        raise ValueError(
            f"the front has {checked} proofs, and {number} files of them were checked: run the gallery anew"
        )
    text = f"Of {len(points) + 2} bounds, of points and both ends, {checked} are proven, by {number} proofs of {leaves} leaves.\n"
    text += f"Making them took {about['seconds']['prove']:.0f} s, and `python -m bilevel.verify` followed them in\n"
    text += f"{seconds:.1f} s, without a solver.\n"
    table = markdown(pd.read_csv(results / "front/front.csv"), FRONT)
    return table + text + "\n" + made(about["versions"], runs["front"])


def market(results: Path, runs: dict[str, str]) -> str:
    """The market three ways."""
    table = pd.read_csv(results / "market/comparison.csv").set_index("way", drop=False)
    exact, iterated, least = table.loc[["exact", "equilibrium", "cooperative"], "dso_cost"]
    about = json.loads((results / "market/market.json").read_text(encoding="utf-8"))
    text = f"The iteration costs the operator {iterated - exact:.2f} EUR ({100 * (iterated / exact - 1):.2f} %) more than the\n"
    text += f"exact prices; cooperation could save {exact - least:.2f} EUR ({100 * (1 - least / exact):.2f} %) of their cost.\n"
    way = about["ways"]["exact"]
    text += "\n" + proof(results, "market", way["certificate"], way["seconds"]).replace(
        "The bound", "The exact way's bound"
    )
    return markdown(table, MARKET) + text + "\n" + made(about["versions"], runs["market"])


def credit(results: Path, runs: dict[str, str]) -> str:
    """Credit points against a flat fee, over the last ten days."""
    table = pd.read_csv(results / "credit/comparison.csv")
    shares = table.set_index("quantity")["change"]
    table["quantity"] = table["quantity"].str.replace("_", " ")
    text = f"The share of energy charged in the valley changes by {100 * shares['valley_share']:+.1f} points, that at the\n"
    text += (
        f"peak by {100 * shares['peak_share']:+.1f} points, and the charging peak by {shares['ev_peak_kw']:+.0f} kW.\n"
    )
    return markdown(table, CREDIT) + text + f"\n`python {runs['credit']}`; versions as above.\n"


def x23(results: Path, runs: dict[str, str], day: str) -> str:
    """The table of a day, with the paper's rows."""
    table = pd.read_csv(results / f"x23/{day}.csv")
    exact = table.set_index("method").loc["exact"]
    text = f"By the bound of the exact search no dispatch that is as even has a bill below {exact['bill_bound']:.3f} $; its own\n"
    text += f"bill is {exact['bill']:.3f} $. "
    line = [{"check": "bound proof", "detail": table["bound_proof"].iloc[0]}]
    text += proof(results, f"x23-{day}_proof", line, {})
    versions = ast.literal_eval(table["versions"].iloc[0])
    return markdown(table, X23) + text + "\n" + made(versions, runs["x23"], machine(table))


BLOCKS = {
    "z19": z19, "z19_paper": z19_paper, "pricing": pricing, "front": front, "market": market, "credit": credit,
    "x23_weekday": lambda results, runs: x23(results, runs, "weekday"),
    "x23_weekend": lambda results, runs: x23(results, runs, "weekend"),
}  # fmt: skip
