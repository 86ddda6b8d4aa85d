"""Tables 3 and 4 and figures 5 to 10 of Xin et al. 2023 (doi 10.3389/fenrg.2023.1338807) on the shipped weekday and weekend.

    python scripts/tables_x23.py --runs 10 --budget 3000

Rows: without optimisation (WO), the exact optimum, the paper's exchange of factors and charging, heuristics in populations of 30,
whose best run is shown, and what the text of the paper says of its own data.  Fitness is the variance of the main grid's power over
that of WO; costs are of all users; CPU seconds are of one run with all its threads.  Writes <day>.csv, .tex, figures, and the proof
of the exact bound (<day>_proof.json.gz) to --out; where there is none, the column `bound_proof` says why.
"""

import argparse
import os
import platform
import time
from functools import partial
from pathlib import Path

import pandas as pd

import instances
from bilevel.search.proving import proof as proving
from formulations.carbon.system import CarbonSystem
from studies import contest
from studies.carbon import figures as carbon_figures
from studies.carbon import solve as carbon_solve
from studies.carbon import tables as carbon_tables
from studies.contest import figures as contest_figures
from studies.writing import files
from studies.writing import latex as writing_latex

CASES = {"weekday": "ieee33_carbon", "weekend": "ieee33_carbon_weekend"}
PAPER = {"weekday": [("paper, WO", 1.0, 108.9666, 0.0), ("paper, GMO", 6.018e-4, 25.9558, 76.18)],
         "weekend": [("paper, GMO", 1.8e-3, float("nan"), 77.27)]}  # fmt: skip
SHOWN = {"method": ("method", ""), "variance_kw2": ("variance", "kW²"), "fitness": ("fitness", "of WO"),
         "mean_fitness": ("mean", "of WO"), "std_fitness": ("std", "of WO"), "electricity_cost": ("electricity", "$"),
         "carbon_cost": ("carbon", "$"), "bill": ("total", "$"), "saved_percent": ("saved", "%"),
         "cpu_seconds": ("CPU", "s")}  # fmt: skip


def compare(case: instances.Instance, given: argparse.Namespace) -> tuple[dict, contest.Comparison, pd.DataFrame]:
    days, clock = {"WO": CarbonSystem(case).baseline()}, [time.process_time()]
    for name, way in {"exact": partial(carbon_solve.exact, proof=True), "exchange": carbon_solve.exchange}.items():
        days[name] = way(case)
        clock.append(time.process_time())
    settings = contest.Settings(("ga", "gmo", "gwca", "woa"), given.runs, given.budget, population=30)
    runs = contest.compare(contest.pick(case), settings)
    table = carbon_tables.side_by_side(days, runs)
    table.loc[[1, 2], "cpu_seconds"] = pd.Series(clock).diff()
    return days, runs, table


def draw(case: instances.Instance, days: dict, runs: contest.Comparison, table: pd.DataFrame) -> dict:
    pair = [carbon_figures.Day.of("without optimisation", days["WO"]), carbon_figures.Day.of("exact", days["exact"])]
    figures = {part: getattr(carbon_figures, part)(case, pair) for part in ("supply", "charging", "factors")}
    figures |= {"boxplot": contest_figures.boxes(runs), "convergence": contest_figures.convergence(runs)}
    return figures | {"costs": carbon_figures.costs(table, case.currency)}


def proven(exact: carbon_solve.CarbonResult, path: Path) -> str:
    """The certificate's line about the proof of the exact bound, which is written where there is one."""
    solution = exact.solution
    if solution is None:
        return "none: no model was solved"
    if solution.proof is not None:
        solution.proof.write(path)
    lines = [check.detail for check in solution.certificate.checks if check.name == proving.NAME]
    return lines[0] if lines else f"none: {solution.reason}"


def text(value: float | str) -> str:
    if isinstance(value, str) or value != value or abs(value) >= 0.01:
        return value if isinstance(value, str) else writing_latex.digits(value, 5)
    return f"{value:.3e}" if abs(value) > 1e-12 else "0"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"runs": 10, "budget": 3000, "out": Path("results/tables_x23")}.items():
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"default: {default}")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for day, name in CASES.items():
        case = instances.load(name)
        days, runs, table = compare(case, given)
        paper = pd.DataFrame(PAPER[day], columns=["method", "fitness", "bill", "saved_percent"])
        about = {"budget": given.budget, "platform": platform.platform(), "cores": os.cpu_count()}
        about["bound_proof"] = proven(days["exact"], given.out / f"{day}_proof.json.gz")
        about["versions"] = str(files.facts(case, {}, "scip")["versions"])
        both = pd.concat([table, paper], ignore_index=True)
        (given.out / f"{day}.csv").write_text(files.csv(both.assign(**about)), encoding="utf-8")
        texts = both[list(SHOWN)].map(text)
        latex = writing_latex.booktabs(list(zip(*SHOWN.values(), strict=True)), texts.to_numpy().tolist())
        (given.out / f"{day}.tex").write_text(latex, encoding="utf-8")
        for part, figure in draw(case, days, runs, table).items():
            for file, content in files.figures(f"{day}_{part}", figure).items():
                (given.out / file).write_bytes(content)
        print(f"{day}\n{texts.to_string(index=False)}\n")


if __name__ == "__main__":
    main()
