"""The prices and the charging power of one day, by station: two charts and a table."""

import pandas as pd

from studies.page.parts import svg
from studies.page.parts.html import folded, number, table

HOUR, PERIOD = "hour of the day", "period"


def day(found: pd.DataFrame, currency: str, title: str) -> str:
    """Charts and table of one day.

    `found`: one row a period and station with period, station, price_per_kwh (currency) and, where they are known, hour (the period
    begins) and power_kw.
    """
    axis, label = ("hour", HOUR) if "hour" in found else ("period", PERIOD)
    price = _wide(found, axis, "price_per_kwh")
    charts = [_chart(price, f"Prices, {title}", label, f"price ({currency}/kWh)")]
    parts = {f"price {name} ({currency}/kWh)": price[name] for name in price}
    if "power_kw" in found:
        power = _wide(found, axis, "power_kw")
        charts.append(_chart(power, f"Charging power, {title}", label, "power (kW)"))
        parts |= {f"power {name} (kW)": power[name] for name in power}
    rows = [[number(float(at)), *(number(float(part[at])) for part in parts.values())] for at in price.index]
    numbers = table([label, *parts], rows, f"Prices and charging by period, {title}", range(1 + len(parts)))
    return f'<div class="pair">{"".join(charts)}</div>' + folded(f"Numbers, {title}", numbers)


def _wide(found: pd.DataFrame, axis: str, column: str) -> pd.DataFrame:
    wide = found.pivot_table(index=axis, columns="station", values=column, aggfunc="first", sort=False)
    return wide.sort_index()


def _chart(wide: pd.DataFrame, title: str, x_label: str, y_label: str) -> str:
    x = [float(at) for at in wide.index]
    series = [svg.Series(str(name), x, wide[name].tolist()) for name in wide]
    return svg.lines(series, title, x_label, y_label, step=True)
