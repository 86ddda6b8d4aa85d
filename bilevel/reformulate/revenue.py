"""Leader terms x'C'y that equal a multiple of a follower's own price term, made linear by strong duality.

At a follower's optimum its cost equals its dual objective, so (model page section 4, "Revenue")

    x'C'y = sum lam r_equal + sum mu (r of its limit, signed) - c'y - y'Qy

for the follower's own c, C and Q: linear in lam, mu and y when no leader variable enters the follower's rows, but for the last
term, which is concave.  It becomes -sum t with t >= each of its squares (cones), exact where the leader wants the revenue large.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.errors import ModelError
from bilevel.followers.kkt import Kkt
from bilevel.program.bilevel_program import LEADER, Bilinear, Program
from bilevel.program.cones import Cones
from bilevel.program.convexity import square_root
from bilevel.program.rows import Index, Vector, coo, widen
from bilevel.program.sparse import magnitude, part


@dataclass(frozen=True)
class Linearised:
    """Replacement of the leader's products: add `cost` to the objective and `rows` (leader rows x columns) to its rows.

    The columns are those of the KKT system, then one t for each square of y'Qy; `curved` is the follower of each.
    """

    cost: Vector
    rows: sp.csr_array
    curved: Index
    left: Bilinear | None = None


def linearise(program: Program, kkt: Kkt, nonconvex: bool = False) -> Linearised:
    """Linear replacements over the KKT columns for every product of the leader.

    What cannot be replaced is `left` as it is for a `nonconvex` solver.  Without one raises `ModelError` naming the two variables
    when both are the leader's, when a product is no constant multiple of a follower's own price term, when a leader variable
    enters the rows of that follower, or when the leader wants a quadratic follower's revenue small.
    """
    b = program.bilinear
    curved = _curved(program)
    owners, _ = squares(program, curved)
    entries: list[tuple[int, int, float]] = []
    left = np.zeros(len(b.row), dtype=bool)
    if len(b.row):
        owner = program.followers.owner[b.follower]
        terms = dual_objectives(program, kkt)
        # Strong duality speaks of a follower's own products alone
        left = owner == LEADER
        if left.any() and not nonconvex:
            raise ModelError(_own_product(program, int(np.flatnonzero(left)[0])))
        # Row -1 is the objective, so that its entries come first and those of rows move up by one
        for row, follower in sorted(set(zip(b.row[~left].tolist(), owner[~left].tolist(), strict=True))):
            mask = (b.row == row) & (owner == follower)
            try:
                weight = _weight(program, follower, b.leader[mask], b.follower[mask], b.coefficient[mask])
                refuse_leader_in_rows(program, kkt, follower)
                if follower in curved:
                    _refuse_small_revenue(program, row, follower, weight)
            except ModelError as error:
                if not nonconvex:
                    raise ModelError(f"{error}; solver='scip' or 'gurobi' takes it as a nonconvex product") from error
                left |= mask
                continue
            # The dual objective of a quadratic cost lacks y'Qy, for which t stands
            if follower in curved:
                entries.extend((row + 1, kkt.columns + int(at), -weight) for at in np.flatnonzero(owners == follower))
            part = terms[[follower]].tocoo()
            entries.extend(
                (row + 1, int(column), weight * float(value))
                for column, value in zip(part.coords[1], part.data, strict=True)
            )
    both = coo(entries, (program.rows.count + 1, kkt.columns + len(owners)))
    rest = Bilinear(b.row[left], b.leader[left], b.follower[left], b.coefficient[left]) if left.any() else None
    return Linearised(cost=both[[0]].toarray().ravel(), rows=sp.csr_array(both[1:]), curved=owners, left=rest)


def _own_product(program: Program, at: int) -> str:
    """The refusal of a product of two leader variables."""
    b = program.bilinear
    row = int(b.row[at])
    place = "the leader's objective" if row < 0 else f"row {program.rows.names[row]!r}"
    first, second = program.name(int(b.leader[at])), program.name(int(b.follower[at]))
    return (
        f"{place} holds the product of leader variables {first!r} and {second!r} in a form that is not convex: write a convex "
        "quadratic row or a rotated cone, or use solver='scip' or 'gurobi', which take it as a nonconvex product"
    )


def squares(program: Program, followers: Sequence[int]) -> tuple[Index, sp.csr_array]:
    """y'Qy of these followers as sums of squares: the follower of each square, and its linear form (squares x columns)."""
    stack = program.followers
    forms: list[tuple[int, int, float]] = []
    owner: list[int] = []
    for follower in followers:
        mine = np.flatnonzero(stack.owner == follower)
        rows = square_root(stack.quadratic[mine][:, mine].toarray())
        # There is a root: the compiler refuses followers with a cost that is not convex
        for row in np.zeros((0, 0)) if rows is None else rows:
            forms += [(len(owner), int(j), float(v)) for j, v in zip(mine, row, strict=True) if v]
            owner.append(int(follower))
    return np.array(owner, dtype=np.int64), coo(forms, (len(owner), program.columns))


def curvature(program: Program, followers: Sequence[int], columns: int) -> Cones:
    """Cones square <= t, one for each of `squares`, over `columns` columns of which the last are the t.

    One t a square: tangents of a sum of squares would need far more rounds.
    """
    owner, forms = squares(program, followers)
    count = len(owner)
    t, at = columns - count + np.arange(count), np.arange(count)
    w = sp.csr_array((np.ones(count), (at, t)), shape=(count, columns))
    size = magnitude(forms, program.scale) ** 2
    order = at - np.searchsorted(owner, owner) + 1
    names = tuple(f"y'Qy of {program.followers.names[k]}, square {n}" for k, n in zip(owner, order, strict=True))
    none = sp.csr_array((count, columns))
    # They relax equalities, as only a t that is its square stands for revenue
    return Cones(
        widen(forms, columns), at, none, np.ones(count), w, np.zeros(count), size, np.ones(count, dtype=bool), names
    )


def _curved(program: Program) -> tuple[int, ...]:
    """Followers with a quadratic cost whose revenue the leader counts."""
    stack = program.followers
    quadratic = set(stack.owner[np.unique(stack.quadratic.indices)].tolist())
    return tuple(sorted(quadratic & set(stack.owner[program.bilinear.follower].tolist())))


def _refuse_small_revenue(program: Program, row: int, follower: int, weight: float) -> None:
    """t >= y'Qy is exact only where a larger t never helps the leader."""
    if row < 0:
        exact, where = weight <= 0, "the leader's objective"
    else:
        # A row that limits revenue from above would be met by a t beyond its square
        limit = program.rows.upper[row] if weight > 0 else -program.rows.lower[row]
        exact, where = limit == np.inf, f"row {program.rows.names[row]!r}"
    if not exact:
        raise ModelError(
            f"{where} wants the revenue from follower {program.followers.names[follower]!r} small, but that follower's cost is "
            "quadratic, which makes the term nonconvex: count its revenue as income only, or make the follower linear"
        )


def dual_objectives(program: Program, kkt: Kkt) -> sp.csr_array:
    """(followers x KKT columns): each follower's dual objective minus its own linear cost c'y."""
    stack, pairs = program.followers, kkt.pairs
    mine = stack.columns
    cones, conic = stack.cones, kkt.conic
    owner = np.concatenate([kkt.equal_owner, pairs.owner, stack.owner[mine], stack.cone_owner, stack.cone_owner])
    column = np.concatenate([kkt.lam, pairs.dual, mine, conic.q, conic.r])
    # Minus a slack's constant is r of a lower limit and -r of an upper one, which is what its mu is worth
    value = np.concatenate([kkt.equal_value, -pairs.slack_constant, -stack.cost[mine], -cones.u0, -cones.w0])
    return sp.csr_array((value, (owner, column)), shape=(len(stack.names), kkt.columns))


def _weight(program: Program, follower: int, leader: np.ndarray, own: np.ndarray, value: Vector) -> float:
    """The constant k with leader products = k times the follower's price term."""
    n = program.columns
    wanted = sp.csr_array((value, (leader, own)), shape=(n, n))
    price = program.followers.price
    offered = part(price, program.followers.owner[price.indices] == follower)
    # Least squares: the multiple if there is one, and a difference to point at if there is none
    weight = float((wanted * offered).sum() / (offered * offered).sum()) if offered.nnz else 0.0
    difference, size = sp.csr_array(abs(wanted - weight * offered)), abs(wanted) + abs(weight * offered)
    # Entry by entry, as a small coefficient may belong to large variables
    rest = sp.coo_array(difference * (difference > tolerances.SAME_COEFFICIENT * size))
    worst = int(np.argmax(rest.data)) if rest.nnz else -1
    if worst >= 0 and rest.data[worst] > 0:
        i, j = (int(at[worst]) for at in rest.coords)
        raise ModelError(
            f"product of leader variable {program.name(i)!r} and follower variable {program.name(j)!r} is no multiple of "
            f"the price term of follower {program.followers.names[follower]!r}, so it cannot be made linear exactly: "
            "use the follower's own price term, with one weight for all of it"
        )
    return weight


def refuse_leader_in_rows(program: Program, kkt: Kkt, follower: int) -> None:
    """Raise `ModelError` where a leader variable enters this follower's rows: its dual objective has products then."""
    leader, stack = program.followers.owner < 0, program.followers
    cones, count, rows = stack.cones, stack.cones.count, stack.rows.count
    names = stack.rows.names + cones.names
    blocks = (
        (kkt.equal_matrix, kkt.equal_owner, kkt.equal_row),
        (kkt.pairs.slack_matrix, kkt.pairs.owner, kkt.pairs.row),
        (cones.squares, stack.cone_owner[cones.owner], rows + cones.owner),
        (cones.u, stack.cone_owner, rows + np.arange(count)),
        (cones.w, stack.cone_owner, rows + np.arange(count)),
    )
    for matrix, owner, row in blocks:
        part = sp.coo_array(matrix[np.flatnonzero(owner == follower)])
        hits = np.flatnonzero(leader[part.coords[1]] & (part.data != 0))
        if len(hits):
            at = int(row[np.flatnonzero(owner == follower)[part.coords[0][hits[0]]]])
            raise ModelError(
                f"leader variable {program.name(int(part.coords[1][hits[0]]))!r} enters row "
                f"{names[at]!r} of a follower whose revenue the leader counts, which leaves a "
                "product of a dual and a leader variable: move it out of the row, or drop the revenue term"
            )
