"""A Pareto front as what was found and what is proven: points, the bounds between them, hypervolume, dominance."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
from pyomo.common.collections import ComponentMap

from bilevel import tolerances
from bilevel.atomic import write_text
from bilevel.certify.certificate import Certificate
from bilevel.certify.proof.log import Proof
from bilevel.solution import plain
from bilevel.status import Status


@dataclass(frozen=True)
class FrontPoint:
    """One globally solved point.

    `limited`, `maximized`: the two expressions at the point; `limit`: what `limited` was held under (inf without); `bound`: no
    decision with `limited` <= `limit` has more of `maximized` than this; `gap`: (bound - maximized) / |maximized|; `status` and
    `certificate` as of a `Solution`; `seconds`: of its solve; `decisions`: Pyomo name to value; `found`: Pyomo variable to value;
    `proof`: of the bound, where proofs were asked for and one was made.
    """

    limited: float
    maximized: float
    limit: float
    bound: float
    gap: float
    status: Status
    certificate: Certificate
    seconds: float
    decisions: Mapping[str, float]
    found: Mapping[Any, float] = field(default_factory=ComponentMap, repr=False, compare=False)
    proof: Proof | None = field(default=None, repr=False, compare=False)

    @property
    def proven(self) -> str:
        """Whose word the bound is: "checked" where a checker followed a proof of it, "solver", or "none" without a bound."""
        return "checked" if self.proof is not None else "solver" if math.isfinite(self.bound) else "none"

    @property
    def certified(self) -> bool:
        """Whether every check passes."""
        return self.status == Status.CERTIFIED


@dataclass(frozen=True)
class ParetoFront:
    """Answer of `bilevel.pareto`: points by increasing `limited`, none dominated.

    `least_limited`: no decision has less of the limited expression; `most_maximized`: none has more of the other.  `complete` says
    whether the method came to its end, `reason` why it did or not; `solved` how many programs this run solved and `seconds` how
    long they took together (a resumed run solves only what is missing).
    """

    points: tuple[FrontPoint, ...]
    least_limited: float
    most_maximized: float
    complete: bool
    reason: str
    solved: int
    seconds: Mapping[str, float]
    settings: Mapping[str, Any]
    model: Any = None

    def __len__(self) -> int:
        return len(self.points)

    @property
    def certified(self) -> bool:
        """Whether there are points and all are certified."""
        return bool(self.points) and all(point.certified for point in self.points)

    def to_frame(self, limited: str = "limited", maximized: str = "maximized") -> pd.DataFrame:
        """One row a point: both expressions (under these names), bound, gap, certified, seconds, limit, status."""
        rows = [
            (p.limited, p.maximized, p.bound, p.gap, p.certified, p.seconds, p.limit, p.status) for p in self.points
        ]
        columns = [limited, maximized, "bound", "gap", "certified", "seconds", "limit", "status"]
        return pd.DataFrame(rows, columns=columns)

    def bound_at(self, limited: float) -> float:
        """The proven most of the maximised expression where the limited one is at most `limited`; -inf if it cannot be."""
        if limited < self.least_limited:
            return -math.inf
        # A bound under some limit holds under every smaller one
        known = [point.bound for point in self.points if point.limit >= limited]
        return min([self.most_maximized, *known])

    def regions(self) -> pd.DataFrame:
        """Where the front may still lie between neighbours: boxes (limited_from, limited_to] x [maximized_from, maximized_to].

        Above each box the bounds exclude every point; below it every point is dominated by the left neighbour.  `share` is the
        box's area over that of the whole front.
        """
        rows = []
        for left, right in pairwise(self.points):
            # By rounding a point may exceed its limit, and its bound counts for it all the same
            top = self.bound_at(min(right.limited, right.limit))
            # From the point on and not from its limit, up to which the bound may still be a gap above it
            rows.append((left.limited, right.limited, left.maximized, top))
        frame = pd.DataFrame(rows, columns=["limited_from", "limited_to", "maximized_from", "maximized_to"])
        whole = max(self._range()[0] * self._range()[1], tolerances.NOT_ZERO)
        width, height = frame["limited_to"] - frame["limited_from"], frame["maximized_to"] - frame["maximized_from"]
        frame["share"] = width.clip(lower=0) * height.clip(lower=0) / whole
        return frame

    def _range(self) -> tuple[float, float]:
        if not self.points:
            return 0.0, 0.0
        return self.points[-1].limited - self.points[0].limited, self.points[-1].maximized - self.points[0].maximized

    def hypervolume(self, reference: tuple[float, float] | None = None) -> tuple[float, float]:
        """Area between the front and `reference` = (limited, maximized), the corner that is worst in both: proven least and most.

        The least is dominated by the points found, the most is what the bounds leave.  Without a reference it is the largest
        `limited` and the smallest `maximized` of the points.
        """
        if not self.points:
            return 0.0, math.inf
        worst, least = reference or (self.points[-1].limited, self.points[0].maximized)
        inside = [p for p in self.points if p.limited < worst and p.maximized > least]
        edges = [*(p.limited for p in inside), worst]
        # Between a point and the next one the area is as high as the point
        found = sum((b - a) * (p.maximized - least) for p, (a, b) in zip(inside, pairwise(edges), strict=True))
        low = min(self.least_limited, worst)
        # What bounds leave is a staircase with steps at the limits: on (a, b] it is as high as at b
        cuts = sorted({low, worst, *(p.limit for p in self.points if low < p.limit < worst)})
        most = sum((b - a) * max(0.0, self.bound_at(b) - least) for a, b in pairwise(cuts))
        # Without a proven least the staircase has no left end
        return float(found), float(most) if math.isfinite(low) else math.inf

    def dominated(self) -> list[tuple[int, int]]:
        """Pairs (point, a point that is at least as good in both expressions and better in one); empty for a front."""
        return [
            (i, j)
            for i, a in enumerate(self.points)
            for j, b in enumerate(self.points)
            if i != j and dominates((b.limited, b.maximized), (a.limited, a.maximized))
        ]

    def load(self, at: int) -> FrontPoint:
        """Put the values of point `at` into the model, and give the point."""
        point = self.points[at]
        for variable, value in point.found.items():
            variable.set_value(value, skip_validation=True)
        return point

    def to_dict(self, limited: str = "limited", maximized: str = "maximized") -> dict[str, Any]:
        """Everything but the decisions, in plain JSON types."""
        low, high = self.hypervolume()
        names = {"limited": limited, "maximized": maximized}
        return {
            "complete": self.complete, "reason": self.reason, "certified": self.certified,
            "expressions": names, "least_limited": plain(self.least_limited), "most_maximized": plain(self.most_maximized),
            "hypervolume": {"least": plain(low), "most": plain(high)}, "solved": self.solved,
            "seconds": {key: round(value, 4) for key, value in self.seconds.items()},
            "settings": {key: plain(value) for key, value in self.settings.items()},
            "points": [
                {limited: p.limited, maximized: p.maximized, "limit": plain(p.limit), "bound": plain(p.bound),
                 "gap": plain(p.gap), "status": p.status, "seconds": p.seconds}
                for p in self.points
            ],
        }  # fmt: skip

    def write(self, path: str | Path, limited: str = "limited", maximized: str = "maximized") -> None:
        """Write `to_dict` as JSON, atomically."""
        write_text(Path(path), json.dumps(self.to_dict(limited, maximized), indent=1) + "\n")


def dominates(a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Whether a = (limited, maximized) is at least as good as b in both and better in one."""
    return a[0] <= b[0] and a[1] >= b[1] and a != b


def nondominated(points: list[FrontPoint]) -> tuple[FrontPoint, ...]:
    """The points that no other one dominates or equals within rounding, by increasing `limited`."""
    kept: list[FrontPoint] = []
    size = max([abs(p.maximized) for p in points], default=0.0)
    # Of points with one `limited` the most maximised comes first, so that the others are dropped
    for point in sorted(points, key=lambda p: (p.limited, -p.maximized)):
        if not kept or point.maximized > kept[-1].maximized + tolerances.FRONT_EQUAL * size:
            kept.append(point)
    return tuple(kept)
