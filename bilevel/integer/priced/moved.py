"""A program whose followers' integers are the leader's: what is left of each follower is a linear program with switched limits.

A best answer (y, z) of a follower has a y that is best beside z, so that every bilevel feasible point is one of this program too,
at the same costs: it is a relaxation.  Its followers have optimality conditions.  A known answer r of the follower is always
allowed where no leader variable stands in its rows, so that besides

    cost(x, y, z) <= cost(x, r).

The left side has products of prices and y.  By strong duality they are linear in the multipliers, if no multiplier stands beside
a z.  None does: a limit a'y + b z <= r of one binary z is written as a'y <= (its looser value), and as the same limit with a b
that leaves it idle where it is loose.  Its multiplier is 0 there (`bilevel.reformulate.switched`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import scipy.sparse as sp

from bilevel.bounds.dual_bounds import interval
from bilevel.errors import ModelError
from bilevel.program.bilevel_program import LEADER, Bilinear, Program
from bilevel.program.cones import Cones
from bilevel.program.rows import Mask, Rows, Vector, coo, stack_rows
from bilevel.program.solver_program import SolverProgram

LOOSE = 0.01
"""How far an idle limit is beyond what bounds allow, of what it switches between."""

Form = dict[int, float]
Known = Sequence[tuple[int, Vector]]
"""Followers, and an answer of each over the program's columns."""


@dataclass
class _Limits:
    """Follower rows while they are taken apart: form, ends, name, owner, user's limit of the multiplier."""

    rows: list[tuple[Form, float, float, str, int, float]] = field(default_factory=list)
    leader: list[tuple[Form, float, float, str]] = field(default_factory=list)
    switched: list[tuple[Form, int, float, float, int]] = field(default_factory=list)


def required(program: Program) -> bool:
    """Whether a follower with integers has a continuous variable that a continuous leader variable prices."""
    stack = program.followers
    price = sp.coo_array(stack.price)
    first, second = price.coords
    whole = np.isin(stack.owner[second], np.unique(stack.owner[program.whole_answers]))
    return bool((whole & (price.data != 0) & ~program.integer[first] & ~program.integer[second]).any())


def moved(program: Program) -> Program:
    """The program with the followers' integers in the leader's hands.

    Raises `ModelError`, naming variable or row, where a follower with integers sees the leader in its rows, or the leader prices
    one of its integers, and where a row holds an integer in another way than as a binary that switches a limit.
    """
    stack, whole = program.followers, np.zeros(program.columns, dtype=bool)
    whole[program.whole_answers] = True
    with_integers = np.unique(stack.owner[whole])
    _refuse_prices(program, whole)
    _refuse_links(program)
    limits = _taken_apart(program, whole, with_integers)
    lower, upper = program.lower.copy(), program.upper.copy()
    _add_constant_limits(limits, lower, upper)
    _add_switched_limits(program, limits, lower, upper)
    n = program.columns
    own = Rows(
        coo([(k, c, v) for k, (form, *_) in enumerate(limits.rows) for c, v in form.items()], (len(limits.rows), n)),
        np.array([row[1] for row in limits.rows], dtype=float), np.array([row[2] for row in limits.rows], dtype=float),
        tuple(row[3] for row in limits.rows),
    )  # fmt: skip
    followers = replace(
        stack, owner=np.where(whole, LEADER, stack.owner), rows=own, cost=np.where(whole, 0.0, stack.cost),
        row_owner=np.array([row[4] for row in limits.rows], dtype=np.int64),
        row_dual_limit=np.array([row[5] for row in limits.rows], dtype=float),
    )  # fmt: skip
    rows = stack_rows([program.rows, _leader_rows(limits.leader, n)])
    return replace(program, lower=lower, upper=upper, rows=rows, followers=followers)


def with_answers(base: Program, program: Program, known: Known) -> Program:
    """The `base` that was made of a program, with the rows that its followers' known answers give."""
    stack, b = program.followers, program.bilinear
    price = sp.coo_array(stack.price)
    first, second = (at.astype(np.int64) for at in price.coords)
    rows: list[tuple[Form, float, float, str]] = []
    parts = [(b.row, b.leader, b.follower, b.coefficient)]
    for follower, answer in known:
        mine = np.flatnonzero(stack.owner == follower)
        form: Form = {int(at): float(stack.cost[at]) for at in mine if stack.cost[at]}
        paid = stack.owner[second] == follower
        for x, y, value in zip(first[paid], second[paid], price.data[paid], strict=True):
            form[int(x)] = form.get(int(x), 0.0) - float(value * answer[y])
        limit = float(stack.cost[mine] @ answer[mine])
        at = np.full(int(paid.sum()), base.rows.count + len(rows))
        parts.append((at, first[paid], second[paid], price.data[paid]))
        rows.append((form, -np.inf, limit, f"answer {len(rows)} of {stack.names[follower]}"))
    bilinear = Bilinear(*(np.concatenate(part) for part in zip(*parts, strict=True)))
    return replace(base, rows=stack_rows([base.rows, _leader_rows(rows, base.columns)]), bilinear=bilinear)


def together(program: Program) -> SolverProgram:
    """All that leader and followers can do, integers, products and the rows that hold some aside, for the leader's linear costs."""
    plain = np.setdiff1d(np.arange(program.rows.count), program.bilinear.row)
    rows = stack_rows([program.rows.taken(plain), program.followers.rows])
    n = program.columns
    return SolverProgram(
        program.cost, program.offset, program.lower, program.upper, np.zeros(n, dtype=bool), rows, Cones.none(n), (),
        program.scale,
    )  # fmt: skip


def _leader_rows(rows: list[tuple[Form, float, float, str]], columns: int) -> Rows:
    entries = [(at, column, value) for at, (form, *_) in enumerate(rows) for column, value in form.items() if value]
    low, high = (np.array([row[side] for row in rows], dtype=float) for side in (1, 2))
    return Rows(coo(entries, (len(rows), columns)), low, high, tuple(row[3] for row in rows))


def _taken_apart(program: Program, whole: Mask, with_integers: np.ndarray) -> _Limits:
    """Rows of the followers as they stay, rows of integers alone, and limits that a binary switches."""
    stack, found = program.followers, _Limits()
    matrix = sp.csr_array(stack.rows.matrix)
    for row in range(stack.rows.count):
        part = slice(matrix.indptr[row], matrix.indptr[row + 1])
        form = {int(c): float(v) for c, v in zip(matrix.indices[part], matrix.data[part], strict=True) if v}
        owner, name = int(stack.row_owner[row]), stack.rows.names[row]
        low, high = float(stack.rows.lower[row]), float(stack.rows.upper[row])
        if owner in with_integers:
            _refuse_leader(program, form, name, owner)
        integers = [column for column in form if whole[column]]
        if not integers:
            found.rows.append((form, low, high, name, owner, float(stack.row_dual_limit[row])))
        elif len(integers) == len(form):
            found.leader.append((form, low, high, name))
        else:
            _refuse_unswitched(program, integers, low == high, name)
            (binary,) = integers
            value = form.pop(binary)
            for sign, limit in ((1.0, high), (-1.0, -low)):
                if np.isfinite(limit):
                    one = {column: sign * each for column, each in form.items()}
                    found.switched.append((one, binary, limit, limit - sign * value, row))
    return found


def _add_constant_limits(limits: _Limits, lower: Vector, upper: Vector) -> None:
    """What a limit of one column allows at most, whatever its binary is, as a bound of the column."""
    for form, _, off, on, _ in limits.switched:
        if len(form) == 1:
            ((column, value),) = form.items()
            end = max(off, on) / value
            if value > 0:
                upper[column] = min(upper[column], end)
            else:
                lower[column] = max(lower[column], end)


def _add_switched_limits(program: Program, limits: _Limits, lower: Vector, upper: Vector) -> None:
    """a'y at most its looser value always, and the tighter one where the binary says so; what bounds allow alone is no row."""
    stack = program.followers
    for form, binary, off, on, row in limits.switched:
        name, owner, dual = stack.rows.names[row], int(stack.row_owner[row]), float(stack.row_dual_limit[row])
        most = float(interval(coo([(0, c, v) for c, v in form.items()], (1, program.columns)), lower, upper)[1][0])
        if not np.isfinite(most):
            raise ModelError(
                f"row {name!r} of a follower with integers holds {program.name(next(iter(form)))!r}, which has no bounds: give it "
                "some, so that the row is idle where its binary leaves it loose"
            )
        if len(form) > 1 and max(off, on) < most:
            limits.rows.append((form, -np.inf, max(off, on), f"{name} (loose)", owner, dual))
        if min(off, on) >= most:
            continue
        idle = most + LOOSE * (most - min(off, on))
        low_off = off < on
        first, last = (off, idle) if low_off else (idle, on)
        limits.rows.append(({**form, binary: first - last}, -np.inf, first, name, owner, dual))


def _refuse_prices(program: Program, whole: Mask) -> None:
    price = sp.coo_array(program.followers.price)
    for x, y, value in zip(*price.coords, price.data, strict=True):
        if value and whole[y]:
            raise ModelError(
                f"leader variable {program.name(int(x))!r} prices integer variable {program.name(int(y))!r} of a follower whose "
                "continuous variables the leader prices too: price the one or the other"
            )


def _refuse_links(program: Program) -> None:
    if len(program.links.column):
        name = program.followers.rows.names[int(program.links.row[0])]
        raise ModelError(
            f"the leader reads the dual of {name!r}, and beside followers with integer variables no dual is defined: leave it out"
        )


def _refuse_leader(program: Program, form: Form, name: str, owner: int) -> None:
    seen = [column for column in form if program.followers.owner[column] == LEADER]
    if seen:
        price = sp.coo_array(program.followers.price)
        paid = np.flatnonzero((program.followers.owner[price.coords[1]] == owner) & (price.data != 0))
        pays = (
            " and ".join(repr(program.name(int(at[paid[0]]))) for at in price.coords)
            if len(paid)
            else "prices of others"
        )
        raise ModelError(
            f"leader variable {program.name(seen[0])!r} stands in row {name!r} of follower {program.followers.names[owner]!r} with "
            f"integers, beside which the product of {pays} has no exact linear form: keep it out of the rows, or make the price an "
            "integer variable"
        )


def _refuse_unswitched(program: Program, integers: list[int], equality: bool, name: str) -> None:
    column = integers[0]
    binary = program.lower[column] >= 0 and program.upper[column] <= 1
    if len(integers) > 1 or equality or not binary:
        raise ModelError(
            f"row {name!r} holds integer variable {program.name(column)!r} beside continuous ones of a follower that pays a "
            "continuous leader price, and is no limit that one binary switches: write such limits, a binary each"
        )
