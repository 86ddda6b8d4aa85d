"""The table of Zhang et al. 2019 (Algorithms 12(10) 208) on a shipped case: losses, profit, bills and CPU seconds by method.

GA and PSO are the package's own, MISOCP is the exact cone on SCIP (as this package scales it, and "unscaled" in the model's own
per-unit numbers), MILP the polyhedral tower of the paper and the package's tangents, both on HiGHS.

    python scripts/table_z19.py --case ieee33 --evs 20 --runs 5 --budget 3000 --time-limit 180

The paper states neither its data nor the weights of its two objectives; its exact rows have both the least losses and the most
profit, so that here, too, both count: loss (kWh) less profit (currency), as they are.  CPU seconds are those of the process, from
building the model or the candidates to the answer: means over the runs of GA and PSO, whose best run is shown; ">=" where a search
ended at the time limit (of wall clock).  Ratios of time are to the tangents here, to the MILP in the paper; gaps to the best bound.
"""

import argparse
import os
import platform
import time
from pathlib import Path

import pandas as pd
import pyomo.environ as pyo

import bilevel
import formulations
import instances
from bilevel import solution
from studies import contest
from studies.contest import summary
from studies.writing import latex

PAPER = {"GA": (183.5642, 133.1157, 1207.11, 892.4), "PSO": (178.7535, 127.5048, 1244.34, 411.5),
         "MISOCP": (177.1124, 135.1261, 1142.67, 10.843), "MILP": (177.1121, 135.1372, 1143.12, 0.172)}  # fmt: skip
EXACT = {"MISOCP": ("exact", "scip", True), "MISOCP, unscaled": ("exact", "scip", False),
         "MILP, tower": ("tower", "highs", True), "MILP, tangents": ("tangent", "highs", True)}  # fmt: skip
FIGURES = {"network_loss_kwh": "kWh", "station_profit": "profit", "ev_bill": "bills", "cpu_seconds": "CPU s"}
OURS, THEIRS = [*FIGURES, "time_ratio", "gap_percent"], [*(f"paper_{name}" for name in FIGURES), "paper_time_ratio"]
HEADS = ["method", *FIGURES.values(), "ratio", "gap %", "paper: kW", *list(FIGURES.values())[1:], "ratio"]
DEFAULTS = {"case": "ieee33", "evs": 20, "seed": 0, "runs": 5, "budget": 3000, "population": 30, "time-limit": 180.0,
            "gap": 1e-4, "objective": "loss=1,profit=1", "out": "results/table_z19"}  # fmt: skip


def heuristic(problem: contest.Problem, method: str, given: argparse.Namespace) -> dict:
    started, seeds = time.process_time(), range(given.seed, given.seed + given.runs)
    runs = [contest.search(problem, method.lower(), seed, given.budget, given.population) for seed in seeds]
    seconds, best = (time.process_time() - started) / given.runs, summary.best_run(problem, runs)
    row = {"method": method, "status": "heuristic", "at_limit": False, "cpu_seconds": seconds}
    return row | ({"status": "infeasible"} if best is None else {**best.details, "objective": best.objective})


def exact(case: instances.Instance, method: str, given: argparse.Namespace) -> dict:
    (cones, solver, scaling), started = EXACT[method], time.process_time()
    model = formulations.charging_pricing(case, given.objective)
    found = bilevel.solve(model, solver, "big_m", cones, given.gap, given.time_limit, progress=False, scaling=scaling)
    versions = "; ".join(map(" ".join, found.versions.items()))
    # The limit is of both phases together, as in the solve itself
    late = found.seconds["compile"] + found.seconds["solve"] >= given.time_limit
    row = {"method": method, "status": found.status, "at_limit": late,
           "cpu_seconds": time.process_time() - started, "bound": found.bound, "versions": versions}  # fmt: skip
    point = {"network_loss_kwh": model.network_loss, "station_profit": model.station_profit, "ev_bill": model.ev_bill}
    if found.status in solution.VALID:
        row |= {name: pyo.value(figure) for name, figure in point.items()} | {"objective": found.objective}
    return row


def tabulate(rows: list[dict], given: argparse.Namespace) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    table["time_ratio"] = table["cpu_seconds"] / table["cpu_seconds"].iloc[-1]
    table["gap_percent"] = 100 * ((table["objective"] - table["bound"].max()) / table["objective"].abs()).clip(
        lower=0
    ).round(4)
    published = [PAPER[method.split(",")[0]] for method in table["method"]]
    table[THEIRS] = [(*figures, figures[3] / PAPER["MILP"][3]) for figures in published]
    asked = {f"asked_{name}": value for name, value in vars(given).items() if name != "out"}
    return table.assign(**asked, platform=platform.platform(), processor=platform.machine(), cores=os.cpu_count())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in DEFAULTS.items():
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"default: {default}")
    given, case = parser.parse_args(), instances.load(parser.parse_args().case)
    case = instances.scale(case, given.evs, given.seed)
    problem = contest.pick(case, "pricing", given.objective)
    rows = [heuristic(problem, method, given) for method in ("GA", "PSO")]
    table = tabulate([*rows, *(exact(case, method, given) for method in EXACT)], given)
    out = Path(given.out)
    out.mkdir(parents=True, exist_ok=True)
    table.to_csv(out / "table_z19.csv", index=False)
    texts = table[["method", *OURS, *THEIRS]].map(
        lambda value: value if isinstance(value, str) else latex.digits(value, 5)
    )
    texts["cpu_seconds"] = [
        f"{'>= ' * late}{text}" for text, late in zip(texts["cpu_seconds"], table["at_limit"], strict=True)
    ]
    (out / "table_z19.tex").write_text(latex.booktabs([HEADS], texts.to_numpy().tolist()), encoding="utf-8")
    texts.insert(1, "status", table["status"])
    print(texts.to_string(index=False, header=[HEADS[0], "status", *HEADS[1:]]), f"\nwritten to {out}")


if __name__ == "__main__":
    main()
