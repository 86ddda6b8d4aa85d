"""Dispatches with an even supply: a search of levels and splits on the physical system, all at once with exact power flows.

What the main grid feeds in is held at a level; how generators share the rest is free in every period.  Levels and splits are tried
on a grid that closes in on the best.  Nothing is proven here: an answer is a point for `bilevel.solve` to start from and certify.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from formulations.carbon.states import Dispatched
from formulations.carbon.system import CarbonSystem
from studies import tolerances

LEVELS, SPLITS, GRIDS, RESPONSES, FLAT_ROUNDS = 24, 33, 6, 4, 8
"""Levels and splits of one grid, how often it closes in, how often users respond to one, how often outputs meet new losses."""

_CLOSER = 0.2
_SEED = 1


def cheapest_even(
    system: CarbonSystem, variance_max_kw2: float, stop: Callable[[], bool] = lambda: False
) -> Dispatched | None:
    """The cheapest dispatch for users that was found with a variance within the limit, or the most even one where none was.

    Only dispatches count that keep the network's limits and to which the users' response settles; None without any.  It ends with
    what was found when `stop` says so.
    """
    best: Dispatched | None = None
    baseline = system.baseline().output_kw
    for output in (baseline, *_ends(system, len(baseline))):
        best = _better(best, Dispatched(output, system.settle(output)), variance_max_kw2)
    charging = system.settle(baseline).charging_kw
    grid = _whole(system, charging)
    for _ in range(GRIDS):
        for _ in range(RESPONSES):
            if stop():
                return best
            tried = grid.tried(system, charging, green=True, stop=stop)
            at = tried.best(system, charging, variance_max_kw2, green=True)
            if at is None:
                return best
            day = Dispatched(tried.output[at], system.settle(tried.output[at], start_kw=charging))
            for other in (day, tried.settled(system, charging, variance_max_kw2)):
                best = _better(best, other, variance_max_kw2)
            closer = grid.closer(tried, at)
            moved = float(np.abs(day.settled.charging_kw - charging).max(initial=0.0))
            charging = day.settled.charging_kw
            if not moved > tolerances.SAME_CHARGING_KW:
                break
        grid = closer
    return best


def least_loss_even(system: CarbonSystem, charging_kw: Any, variance_max_kw2: float) -> Any:
    """Outputs (periods, generators) with the least losses found at this charging, of those as even as any; None without any."""
    grid, output = _whole(system, charging_kw), None
    for _ in range(GRIDS):
        tried = grid.tried(system, charging_kw, green=False)
        at = tried.best(system, charging_kw, variance_max_kw2, green=False)
        if at is None:
            return output
        output, grid = tried.output[at], grid.closer(tried, at)
    return output


def _better(best: Dispatched | None, day: Dispatched | None, limit: float) -> Dispatched | None:
    if day is None or not (bool(day.settled.settled) and float(day.settled.state.limit_violation) == 0.0):
        return best
    if best is None:
        return day

    def rank(one: Dispatched) -> tuple[float, float]:
        return max(one.variance_kw2 - limit, 0.0), one.bill

    return min(best, day, key=rank)


@dataclass(frozen=True, eq=False)
class _Tried:
    """For every level the outputs (L, T, G) with the best splits, and their shares (L, T, G - 1)."""

    output: Any
    share: Any

    def best(self, system: CarbonSystem, charging: Any, limit: float, green: bool) -> int | None:
        """The level that is even enough and cheapest (or with the least losses), else the most even one."""
        state = system.state(self.output, charging)
        value = system.costs(charging, state.station_factor).bill if green else state.loss_kwh
        valid = state.converged & np.isfinite(value) & (state.limit_violation == 0)
        if not valid.any():
            return None
        return _first(valid, state.variance_kw2 - limit, value)

    def settled(self, system: CarbonSystem, charging: Any, limit: float) -> Dispatched | None:
        """The best of all levels after users have responded, who may leave the best one before."""
        days = system.settle(self.output, start_kw=charging)
        valid = days.settled & (days.state.limit_violation == 0)
        if not valid.any():
            return None
        at = _first(valid, days.state.variance_kw2 - limit, days.costs.bill)
        return Dispatched(self.output[at], system.settle(self.output[at], start_kw=charging))


def _first(valid: Any, excess: Any, value: Any) -> int:
    """The valid case with the least value of those with the least excess."""
    excess = np.where(valid, np.maximum(excess, 0.0), np.inf)
    return int(np.argmin(np.where(excess <= excess.min(), value, np.inf)))


@dataclass(frozen=True, eq=False)
class _Grid:
    """Levels (L,) in kW within `limits`, and for every level, split and period the shares (L, K, T, G - 1) that generators take."""

    levels: Any
    limits: tuple[float, float]
    shares: Any
    width: float = 1.0

    def tried(
        self, system: CarbonSystem, charging: Any, green: bool, stop: Callable[[], bool] = lambda: False
    ) -> _Tried:
        """The level as supply wherever limits allow; splits with the greenest charging, where nobody charges the least losses.

        Where `stop` says so, outputs meet no more of the losses that they make.
        """
        levels = self.levels[:, None, None]
        lowest = np.tile(system.output_min_kw, (charging.shape[0], 1))
        # Where the least outputs leave no power flow, the largest may have one
        total = np.nan_to_num(system.supply_kw(lowest, charging), nan=np.inf) + lowest.sum(axis=1) - levels
        output = _split(system, np.broadcast_to(total, self.shares.shape[:-1]), self.shares)
        for _ in range(FLAT_ROUNDS):
            if stop():
                break
            supply = system.supply_kw(output, charging)
            total = np.where(np.isfinite(supply), output.sum(axis=-1) + supply - levels, output.sum(axis=-1))
            output = _split(system, total, self.shares)
        state = system.state(output, charging)
        emitted = (state.station_factor * charging).sum(axis=-1)
        drawn = state.supply_kw + output.sum(axis=-1)
        value = np.where(green & (charging.sum(axis=-1) > 0), emitted, drawn)
        chosen = np.argmin(np.where(np.isfinite(value), value, np.inf), axis=1)[:, None, :, None]
        return _Tried(
            np.take_along_axis(output, chosen, axis=1)[:, 0], np.take_along_axis(self.shares, chosen, axis=1)[:, 0]
        )

    def closer(self, tried: _Tried, at: int) -> "_Grid":
        """A finer grid around level `at` and its best splits."""
        step, width = (self.levels[-1] - self.levels[0]) / (LEVELS - 1), self.width * _CLOSER
        levels = np.clip(np.linspace(self.levels[at] - 2 * step, self.levels[at] + 2 * step, LEVELS), *self.limits)
        offsets = _shares(self.shares.shape[-1])[:, None, :] - 0.5
        shares = np.clip(tried.share[at][None] + width * offsets, 0.0, 1.0)
        return replace(self, levels=levels, shares=np.broadcast_to(shares, (LEVELS, *shares.shape)), width=width)


def _whole(system: CarbonSystem, charging: Any) -> _Grid:
    """All levels that every period can meet, or what lies between the periods where no level is."""
    lowest, highest = (system.supply_kw(end, charging) for end in _ends(system, len(charging)))
    known = [supply[np.isfinite(supply)] for supply in (lowest, highest)]
    low, high = sorted((float(known[0].max()), float(known[1].min()))) if all(map(len, known)) else (0.0, 0.0)
    shares = _shares(max(len(system.output_max_kw) - 1, 0))[:, None, :]
    whole = np.broadcast_to(shares, (LEVELS, len(shares), charging.shape[0], shares.shape[-1]))
    return _Grid(np.linspace(low, high, LEVELS), (low, high), whole)


def _ends(system: CarbonSystem, periods: int) -> list[Any]:
    """All outputs at their largest, and at their least, (periods, generators) in kW."""
    return [np.tile(output, (periods, 1)) for output in (system.output_max_kw, system.output_min_kw)]


def _shares(free: int) -> Any:
    """Points (K, free) in [0, 1], the middle among them: a line for two generators, random ones for more."""
    if free == 0:
        return np.zeros((1, 0))
    if free == 1:
        return np.linspace(0.0, 1.0, SPLITS)[:, None]
    drawn = np.random.default_rng(_SEED).random((8 * SPLITS - 1, free))
    return np.concatenate([np.full((1, free), 0.5), drawn])


def _split(system: CarbonSystem, total: Any, shares: Any) -> Any:
    """Outputs (..., G) that add up to `total` where limits allow, each generator taking its share of what it may."""
    low, high = system.output_min_kw, system.output_max_kw
    left = np.clip(total, low.sum(), high.sum())
    parts = []
    for g in range(len(low) - 1):
        least = np.maximum(low[g], left - high[g + 1 :].sum())
        most = np.minimum(high[g], left - low[g + 1 :].sum())
        parts.append(least + shares[..., g] * np.maximum(most - least, 0.0))
        left = left - parts[-1]
    parts += [np.clip(left, low[-1], high[-1])] if len(low) else []
    return np.stack(parts, axis=-1) if parts else np.zeros((*np.shape(total), 0))
