"""What users pay lies within the price limits, and its mean within its cap ([YZ] (15), (16)): a check by the data alone."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyomo.environ as pyo

from bilevel import Check, tolerances
from formulations import tolerances as formulation_tolerances
from formulations.aggregators import AggregatorModel
from formulations.case_parts import market_of
from instances import Aggregator, Instance

NAME = "prices paid"


def paid_within_limits(case: Instance, kind: AggregatorModel) -> Callable[[Any], list[Check]]:
    """A checker for `bilevel.add_check`: how far a price that users pay is outside its limits, over the largest of these."""
    limits = case.price_limits
    low, high, cap = limits.price_min_per_kwh, limits.price_max_per_kwh, limits.price_mean_max_per_kwh
    size = max(abs(low), abs(high), formulation_tolerances.LEAST_PRICE_LIMIT_PER_KWH)

    def paid(model: Any, aggregator: Aggregator) -> np.ndarray:
        block = model.aggregator[aggregator.name]
        posted = np.array([float(pyo.value(model.price[aggregator.station, t])) for t in model.T])
        ev_kw = np.array([float(model.per_unit.kw(pyo.value(block.ev[t]))) for t in model.T])
        return np.asarray(kind.paid_per_kwh(case, aggregator, posted, ev_kw))

    def check(model: Any) -> list[Check]:
        worst, where, detail = 0.0, "", f"limits {low:.6g} to {high:.6g}, mean at most {cap:.6g}"
        for aggregator in market_of(case).aggregators:
            price = paid(model, aggregator)
            outside = np.append(np.maximum(low - price, price - high), price.mean() - cap) / size
            t = int(np.argmax(np.where(np.isnan(outside), np.inf, outside)))
            # Written so that NaN counts as the worst
            if not outside[t] <= worst:
                place = f"in period {t}" if t < len(price) else "in the mean"
                worst, where = float(outside[t]), f"{aggregator.name} {place}"
                detail = (
                    f"users pay {(*price, price.mean())[t]:.6g}, limits {low:.6g} to {high:.6g}, mean at most {cap:.6g}"
                )
        return [Check(NAME, worst, tolerances.USER_PRICE, "relative", where, detail)]

    return check
