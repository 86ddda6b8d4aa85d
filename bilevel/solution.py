"""What a solve gives back."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pyomo.common.collections import ComponentMap

from bilevel.atomic import write_text
from bilevel.certify.certificate import Certificate
from bilevel.certify.proof.log import Proof
from bilevel.errors import ModelError
from bilevel.status import Status


@dataclass(frozen=True)
class Attempt:
    """A plan that was tried: with what, for how many seconds, what it found in the leader's sense (NaN: nothing), why it ended."""

    solver: str
    mode: str
    cones: str
    seconds: float
    objective: float
    bound: float
    ended: str


@dataclass(frozen=True)
class Solution:
    """Answer of `bilevel.solve`.

    - `status`: certified (every check of the certificate passes), conditional (they pass if the user's limits of duals are right),
      feasible (a valid point, its optimality not proven, or proven for an approximate model only), rejected (the point fails its
      recheck), not_attained (a valid point; the objective comes ever nearer to its bound and no decision attains it), infeasible,
      unbounded, or unknown (nothing found);
    - `objective`, `bound`: in the leader's own sense and unit, NaN where there is none; `gap`: |objective - bound| / |objective|;
    - `seconds`: build (of the Pyomo model, where its builder recorded it), compile, solve, certify;
    - `values`: Pyomo name to value (`value(variable)` goes by the variable itself); `certificate`: every check (empty without a
      point);
    - `reason`: one sentence, why the status is what it is, and which releases of solvers were never tested, if any; `settings` and
      `versions`: what it was made with;
    - `attempts`: the plans that were tried, one with a solver by name; `settings` has the one whose answer this is;
    - `proven`: whose word the bound is: "checked" (the checker followed a proof of it), "solver", or "none" without a bound;
    - `proof`: where one was asked for and made; its `write` makes a file that `python -m bilevel.verify` checks;
    - `nodes`: of branch and bound, those of solvers and of the package's own small tree (0 where a solver does not tell).
    """

    status: Status
    objective: float
    bound: float
    gap: float
    seconds: Mapping[str, float]
    values: Mapping[str, float]
    certificate: Certificate
    reason: str
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    nodes: int = 0
    found: Mapping[Any, float] = field(default_factory=ComponentMap, repr=False, compare=False)
    attempts: tuple[Attempt, ...] = ()
    proof: Proof | None = None

    @property
    def proven(self) -> str:
        """ "checked", "solver" or "none"."""
        if self.proof is not None:
            return "checked"
        return "solver" if math.isfinite(self.bound) or self.status == Status.INFEASIBLE else "none"

    def value(self, variable: Any) -> float:
        """The value of a variable of the model that was solved; raises `ModelError` for any other, and without a point."""
        if variable in self.found:
            return self.found[variable]
        name = getattr(variable, "name", variable)
        why = (
            "no free variable in use of the model that was solved"
            if self.found
            else "without a value, as no point was found"
        )
        raise ModelError(f"variable {name!r} is {why}: ask for one that the solved model's rows or objectives use")

    def to_dict(self) -> dict[str, Any]:
        """Everything, in plain JSON types; numbers that are not finite become None."""
        return {
            "status": self.status,
            "reason": self.reason,
            "objective": plain(self.objective),
            "bound": plain(self.bound),
            "gap": plain(self.gap),
            "seconds": {phase: round(value, 4) for phase, value in self.seconds.items()},
            "settings": {key: plain(value) for key, value in self.settings.items()},
            "versions": dict(self.versions),
            "nodes": self.nodes,
            "proven": self.proven,
            "attempts": [{key: plain(value) for key, value in asdict(each).items()} for each in self.attempts],
            "certificate": [
                {"check": c.name, "ok": c.ok, "value": plain(c.value), "tolerance": c.tolerance, "unit": c.unit,
                 "where": c.where, "detail": c.detail, "kind": c.kind}
                for c in self.certificate.checks
            ],
            "values": {name: plain(value) for name, value in self.values.items()},
        }  # fmt: skip

    def to_json(self, path: str | Path | None = None) -> str:
        """The solution as JSON text; written to `path` too (atomically) when one is given."""
        # Python would write NaN and Infinity, which are no JSON
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n"
        if path is not None:
            write_text(Path(path), text)
        return text


def plain(value: Any) -> Any:
    """The value for JSON, None for a number that is not finite."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


VALID = (Status.CERTIFIED, Status.CONDITIONAL, Status.FEASIBLE, Status.NOT_ATTAINED)
"""Status of a solution whose point is a decision that the model allows."""
