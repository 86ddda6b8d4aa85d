"""What is asked of the followers' ties: optimistic answers, or secure ones; a new convention is one function and a line here."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from bilevel import tolerances
from bilevel.errors import BilevelError, ModelError, UnknownNameError
from bilevel.program.rows import stack_rows
from bilevel.reformulate.security import Secure, secure
from bilevel.reformulate.single_level import Reformulation, assemble

OPTIMISTIC, SECURE, PESSIMISTIC = "optimistic", "secure", "pessimistic"

_CLEAR, _ROUNDED = 10.0, 1.1
"""Margins are to be so many times what still counts as zero where sides of pairs are read from a point; remedies, which are
rounded, say a little more."""


@dataclass(frozen=True)
class Ties:
    """A convention by name, and the margin that secure answers keep, None for its default."""

    name: str = OPTIMISTIC
    margin: float | None = None

    def applied(self, form: Reformulation) -> Reformulation:
        """The level with what the convention asks of it; raises `ModelError` for what it cannot be asked of."""
        return CONVENTIONS[self.name](form, self.margin)

    def told(self) -> dict[str, str | float | None]:
        """For `Solution.settings`."""
        return {"ties": self.name, "margin": self.margin}


PLAIN = Ties()
"""What is asked for without a word."""


def wanted(name: str, margin: float | None, proof: bool = False) -> Ties:
    """The convention of that name.

    Raises `UnknownNameError` for another one, `BilevelError` for a margin that is none, or where a `proof` is asked for, too, which
    would be one of optimistic answers only.
    """
    if not isinstance(name, str) or name not in CONVENTIONS:
        raise UnknownNameError("convention of ties", name, CONVENTIONS)
    if proof and name != OPTIMISTIC:
        raise BilevelError(
            f"a proof is one of optimistic answers only, and ties is {name!r}: leave out the one or the other"
        )
    if margin is None:
        return Ties(name)
    if name != SECURE:
        raise BilevelError(
            f"margin is {margin!r}, but ties={name!r} keeps none: leave it out, or ask for ties={SECURE!r}"
        )
    if not (isinstance(margin, (int, float)) and math.isfinite(margin) and margin > 0):
        raise BilevelError(
            f"margin is {margin!r}: give a positive number in the unit of the prices, or None for the default"
        )
    return Ties(name, float(margin))


def _optimistic(form: Reformulation, _margin: float | None) -> Reformulation:
    """As it is: of several best responses the leader's favourite counts."""
    return form


def secured(form: Reformulation, margin: float | None) -> Reformulation:
    """With margins for the multipliers, and a row a part that they imply."""
    if form.conic:
        stack = form.program.followers
        name = stack.names[int(stack.cone_owner[0])]
        raise ModelError(
            f"follower {name!r} has quadratic rows, whose responses have no margin in multipliers: leave out ties={SECURE!r}"
        )
    found = secure(form.program, form.kkt, margin)
    if found.beyond_bases.any():
        form = assemble(form.program, form.linear.left is not None, found.beyond_bases)
    form = replace(form, secure=found)
    _require_clear(form, found)
    rows = found.rows(form.kkt.pairs.dual, form.mip.columns)
    mip = replace(form.mip, rows=stack_rows([form.mip.rows, rows]))
    return replace(form, mip=mip)


def _require_clear(form: Reformulation, found: Secure) -> None:
    """Refuse margins that solvers' tolerances hide, with the least that they do not."""
    if not found.asked.any():
        return
    clear = _CLEAR * tolerances.PAIR_SIDE * form.dual_scale()
    share = np.where(found.asked, found.least / clear, np.inf)
    at = int(share.argmin())
    if share[at] >= 1.0:
        return
    name, times = form.program.followers.names[int(form.kkt.pairs.owner[at])], _ROUNDED / share[at]
    asked, more = "the default margin", f"give one of {times:.2g} times what that is"
    if found.margin is not None:
        asked, more = f"margin {found.margin:g}", f"give at least {found.margin * times:.2g}"
    raise BilevelError(
        f"{asked} is too small for follower {name!r}, whose multipliers solvers do not tell from zero so finely: {more}"
    )


CONVENTIONS: dict[str, Callable[[Reformulation, float | None], Reformulation]] = {
    OPTIMISTIC: _optimistic,
    SECURE: secured,
    # The level of its bounds: `bilevel.pessimistic` does the rest
    PESSIMISTIC: _optimistic,
}
"""By name; each takes the level and the margin, and gives the level that is searched."""
