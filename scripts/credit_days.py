"""Simulate market days with credit points beside the same days with a flat fee; write the figure and the tables.

    python scripts/credit_days.py                      # what docs/credit-points.md shows
    python scripts/credit_days.py --sensitivity 20     # its second table as well
    python scripts/credit_days.py --time-factor 2      # the first table with another peak-valley factor

Writes days.csv, fees.csv, load.csv (a row a seed, fee rule and day, with columns as in `CreditDays`), comparison.csv and
credit_days.png into --out.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd

import instances
from formulations import case_parts
from studies.market import days as market_days
from studies.market import days_figures
from studies.market.days import Assumptions, NodalPrices
from studies.writing import style

DOUBLE_SHIFT, HALF_SHIFT = 0.40, 0.10


def pairs(
    case: instances.Instance, days: int, seeds: int, given: Assumptions, prices: NodalPrices
) -> list[days_figures.Pair]:
    """Days with credit points and with the flat fee, for seeds 0 to seeds - 1."""
    return [
        (
            market_days.simulate(case, days, seed, True, given, prices),
            market_days.simulate(case, days, seed, False, given, prices),
        )
        for seed in range(seeds)
    ]


def variants(case: instances.Instance) -> Iterator[tuple[str, instances.Instance, Assumptions]]:
    """What the docs vary, one at a time."""
    base = Assumptions()
    yield "as shipped", case, base
    for factor in (1.0, 1.25, 1.5, 1.75, 2.0, 4.0):
        yield f"mu = {factor:g}", _with(case, time_factor=factor), base
    for cost in (HALF_SHIFT, DOUBLE_SHIFT):
        yield f"shift cost {cost:g} per hour", case, replace(base, shift_cost_per_hour=cost)
    for memory in (1, 30):
        yield f"memory of {memory} day{'s' * (memory > 1)}", case, replace(base, memory_days=memory)
    yield "all users reconsider every day", case, replace(base, reconsider_share=1.0)


def _with(case: instances.Instance, **changes: float) -> instances.Instance:
    return replace(case, credit=replace(case_parts.rules(case), **changes))


def sensitivity(case: instances.Instance, days: int, seeds: int, prices: NodalPrices) -> pd.DataFrame:
    """The comparison of every variant, a row each, with nodal prices held at those of day 0: a dispatch a day takes an hour."""
    held, rows = prices(instances.uncontrolled_load_kw(case)), []
    for label, changed, given in variants(case):
        found = days_figures.compare(pairs(changed, days, seeds, given, lambda _: held)).set_index("quantity")
        row: dict[str, object] = {"variant": label}
        for name in ("valley_share", "peak_share", "ev_peak_kw"):
            row |= {f"{name}_{column}": found.loc[name, column] for column in ("flat", "credit", "change", "rises")}
        rows.append(row)
    return pd.DataFrame(rows)


def scarce_days(found: list[days_figures.Pair], case: instances.Instance) -> str:
    """On how many of the days simulated a nodal price is above the price limits, as where limits of the network break."""
    most = case.price_limits.price_max_per_kwh
    days = [(run.fees["nodal_price_per_kwh"] > most).groupby(run.fees["day"]).any() for pair in found for run in pair]
    return f"scarcity prices on {sum(int(day.sum()) for day in days)} of {sum(map(len, days))} days"


def write(found: list[days_figures.Pair], case: instances.Instance, out: Path) -> None:
    """Tables and figure of the pairs."""
    out.mkdir(parents=True, exist_ok=True)
    runs = [run for pair in found for run in pair]
    for name in ("days", "fees", "load"):
        parts = [getattr(run, name).assign(seed=run.seed, fee="credit" if run.credit else "flat") for run in runs]
        pd.concat(parts, ignore_index=True).to_csv(out / f"{name}.csv", index=False, float_format="%.9g")
    days_figures.compare(found).to_csv(out / "comparison.csv", index=False, float_format="%.9g")
    (out / "credit_days.png").write_bytes(style.render(days_figures.days_figure(found, case), "png"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", default="ieee33_aggregator", help="default: ieee33_aggregator")
    parser.add_argument("--days", type=int, default=30, help="default: 30")
    parser.add_argument("--seeds", type=int, default=10, help="default: 10")
    parser.add_argument("--sensitivity", type=int, default=0, help="seeds of each variant; default: 0, none")
    parser.add_argument("--time-factor", type=float, help="default: the case's")
    parser.add_argument("--out", type=Path, default=Path("results/credit_days"), help="default: results/credit_days")
    given = parser.parse_args()
    case = instances.load(given.case)
    if given.time_factor is not None:
        case = _with(case, time_factor=given.time_factor)
    prices = market_days.dispatch_prices(case)
    found = pairs(case, given.days, given.seeds, Assumptions(), prices)
    write(found, case, given.out)
    print(days_figures.compare(found).to_string(index=False, float_format="%.4g"))
    print(scarce_days(found, case))
    if given.sensitivity > 0:
        table = sensitivity(case, given.days, given.sensitivity, prices)
        table.to_csv(given.out / "sensitivity.csv", index=False, float_format="%.9g")
        print(table.set_index("variant").T.to_string(float_format="%.4g"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
