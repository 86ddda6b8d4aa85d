"""A Pareto front as what was found and what is proven: points, the bounds between them, hypervolume, dominance."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pandas as pd
from pyomo.common.collections import ComponentMap

from bilevel import tolerances
from bilevel.atomic import write_text
from bilevel.certify.certificate import Certificate
from bilevel.certify.proof.log import Proof
from bilevel.model import Check
from bilevel.solution import plain
from bilevel.status import Status

ENDS = ("least_limited", "most_maximized")


class _Placed(Protocol):
    @property
    def limited(self) -> float: ...

    @property
    def maximized(self) -> float: ...


Placed = TypeVar("Placed", bound=_Placed)


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
        return _word(self.proof is not None, self.bound)

    @property
    def certified(self) -> bool:
        """Whether every check passes."""
        return self.status == Status.CERTIFIED


@dataclass(frozen=True)
class ParetoFront:
    """Answer of `bilevel.pareto`: points by increasing `limited`, none dominated.

    `least_limited`: no decision has less of the limited expression; `most_maximized`: none has more of the other; `end_proofs` are
    their proofs under these names, where they were asked for and made, and `end_checks` what a certificate says of them, such as
    why there is none.  `complete` says whether the method came to its end, and no proof was left for Ctrl-C; `reason` why it did or
    not; `solved` how many programs this run solved and `seconds` how long they took together (a resumed run solves only what is
    missing).
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
    end_proofs: Mapping[str, Proof] = field(default_factory=dict, repr=False, compare=False)
    end_checks: Mapping[str, Check] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.points)

    @property
    def certified(self) -> bool:
        """Whether there are points and all are certified."""
        return bool(self.points) and all(point.certified for point in self.points)

    def to_frame(self, limited: str = "limited", maximized: str = "maximized") -> pd.DataFrame:
        """One row a point: both expressions (under these names), bound, gap, certified, seconds, limit, status, proven."""
        rows = [
            (p.limited, p.maximized, p.bound, p.gap, p.certified, p.seconds, p.limit, p.status, p.proven)
            for p in self.points
        ]
        columns = [limited, maximized, "bound", "gap", "certified", "seconds", "limit", "status", "proven"]
        return pd.DataFrame(rows, columns=columns)

    def bound_at(self, limited: float) -> float:
        """The most of the maximised expression where the limited one is at most `limited`, by the bounds; -inf if it cannot be.

        Whose word that is says `proven_at`.
        """
        return -math.inf if limited < self.least_limited else min(bound for bound, _ in self._bounds(limited))

    def proven_at(self, limited: float) -> str:
        """Whose word `bound_at` is: "checked" where a checker followed a proof of it, "solver", or "none" without a bound."""
        if limited < self.least_limited:
            return self.end_proven("least_limited")
        bound, checked = min(self._bounds(limited), key=lambda known: (known[0], not known[1]))
        return _word(checked, bound)

    def end_proven(self, name: str) -> str:
        """Whose word an end ("least_limited" or "most_maximized") is, in the words of `proven_at`."""
        return _word(name in self.end_proofs, getattr(self, name))

    def checked(self) -> tuple[int, int]:
        """Of how many bounds, of points and both ends, a checker has followed a proof, and how many bounds there are."""
        words = [*(self.end_proven(name) for name in ENDS), *(p.proven for p in self.points)]
        return words.count("checked"), len(words) - words.count("none")

    def _bounds(self, limited: float) -> list[tuple[float, bool]]:
        """Bounds that hold where the limited expression is at most `limited`, and whether each was checked."""
        known = [(math.inf, self.most_maximized, "most_maximized" in self.end_proofs)]
        known += [(point.limit, point.bound, point.proof is not None) for point in self.points]
        checked = {limit for limit, _, proven in known if proven}
        # A bound under some limit holds under every smaller one; where one was proven the solver's claim of more does not count
        return [
            (bound, proven) for limit, bound, proven in known if limit >= limited and (proven or limit not in checked)
        ]

    def regions(self) -> pd.DataFrame:
        """Where the front may still lie between neighbours: boxes (limited_from, limited_to] x [maximized_from, maximized_to].

        Above each box the bounds exclude every point; below it every point is dominated by the left neighbour.  `share` is the
        box's area over that of the whole front; `proven` says whose word the bound above the box is, as `proven_at` does.
        """
        rows = []
        for left, right in pairwise(self.points):
            # By rounding a point may exceed its limit, and its bound counts for it all the same
            limit = min(right.limited, right.limit)
            # From the point on and not from its limit, up to which the bound may still be a gap above it
            rows.append((left.limited, right.limited, left.maximized, self.bound_at(limit), self.proven_at(limit)))
        names = ["limited_from", "limited_to", "maximized_from", "maximized_to", "proven"]
        frame = pd.DataFrame(rows, columns=names)
        whole = max(self._range()[0] * self._range()[1], tolerances.NOT_ZERO)
        width, height = frame["limited_to"] - frame["limited_from"], frame["maximized_to"] - frame["maximized_from"]
        frame.insert(4, "share", width.clip(lower=0) * height.clip(lower=0) / whole)
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
            "proven": {name: self.end_proven(name) for name in ENDS},
            "hypervolume": {"least": plain(low), "most": plain(high)}, "solved": self.solved,
            "seconds": {key: round(value, 4) for key, value in self.seconds.items()},
            "settings": {key: plain(value) for key, value in self.settings.items()},
            "points": [
                {limited: p.limited, maximized: p.maximized, "limit": plain(p.limit), "bound": plain(p.bound),
                 "gap": plain(p.gap), "status": p.status, "seconds": p.seconds, "proven": p.proven}
                for p in self.points
            ],
        }  # fmt: skip

    def write(self, path: str | Path, limited: str = "limited", maximized: str = "maximized") -> None:
        """Write `to_dict` as JSON, atomically."""
        write_text(Path(path), json.dumps(self.to_dict(limited, maximized), indent=1) + "\n")


def dominates(a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Whether a = (limited, maximized) is at least as good as b in both and better in one."""
    return a[0] <= b[0] and a[1] >= b[1] and a != b


def _word(checked: bool, bound: float) -> str:
    return "checked" if checked else "solver" if math.isfinite(bound) else "none"


def nondominated(points: Iterable[Placed]) -> tuple[Placed, ...]:
    """The points that no other one dominates or equals within rounding, by increasing `limited`."""
    points, kept = list(points), list[Placed]()
    size = max([abs(p.maximized) for p in points], default=0.0)
    # Of points with one `limited` the most maximised comes first, so that the others are dropped
    for point in sorted(points, key=lambda p: (p.limited, -p.maximized)):
        if not kept or point.maximized > kept[-1].maximized + tolerances.FRONT_EQUAL * size:
            kept.append(point)
    return tuple(kept)
