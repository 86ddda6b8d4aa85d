"""Leader terms x'C'y that equal a multiple of a follower's own price term, made linear by strong duality.

At a follower's optimum its cost equals its dual objective, so (model page section 4, "Revenue")

    x'C'y = sum lam r_equal + sum mu (r of its limit, signed) - c'y - y'Qy

for the follower's own c, C and Q: linear in lam, mu and y when no leader variable enters the follower's rows, but for the last
term, which is concave.  It becomes -sum t with t >= each of its squares (cones), exact where the leader wants the revenue large.
"""

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.errors import ModelError
from bilevel.followers.kkt import Kkt
from bilevel.program.bilevel_program import LEADER, Bilinear, Program
from bilevel.program.convexity import square_root
from bilevel.program.rows import Mask, Vector, coo
from bilevel.program.sparse import part
from bilevel.reformulate import optimality_products, switched
from bilevel.reformulate.curvature import Squares, joined, named, squares


@dataclass(frozen=True)
class Used:
    """How one row (-1: the objective) lost its products with one follower: by multiples of what is zero at every answer.

    `potential` holds the multiples: of the program's columns times their stationarity, then, over the KKT columns, of
    multipliers times what stands behind them.  What they leave of squares is `weight` times these `squares`.
    """

    row: int
    follower: int
    potential: Vector
    squares: range = range(0)
    weight: float = 0.0


@dataclass(frozen=True)
class Linearised:
    """Replacement of the leader's products: add `cost` to the objective and `rows` (leader rows x columns) to its rows.

    The columns are those of the KKT system, then one t for each of `squares`.
    """

    cost: Vector
    rows: sp.csr_array
    squares: "Squares"
    left: Bilinear | None = None
    used: tuple[Used, ...] = ()


@dataclass
class _Replacement:
    """What is collected of a replacement: entries (row, column, value), where row 0 is the objective, and squares."""

    program: Program
    kkt: Kkt
    entries: list[tuple[int, int, float]] = field(default_factory=list)
    squares: list[Squares] = field(default_factory=list)
    known: dict[int, range] = field(default_factory=dict)
    used: list[Used] = field(default_factory=list)

    def take(self, row: int, terms: sp.csr_array, weight: float = 1.0) -> None:
        """Add a row over the KKT columns."""
        part = terms.tocoo()
        places = zip(part.coords[-1].tolist(), part.data.tolist(), strict=True)
        # Row -1 is the objective, so that its entries come first and those of rows move up by one
        self.entries.extend((row + 1, column, weight * value) for column, value in places)

    def curve(self, row: int, found: Squares, weight: float) -> range:
        """Add the squares' t, times `weight`, to a row; gives their numbers."""
        first = sum(part.count for part in self.squares)
        self.squares.append(found)
        return self.curve_again(row, range(first, first + found.count), weight)

    def curve_again(self, row: int, numbers: range, weight: float) -> range:
        """The same for squares that have their t already."""
        self.entries.extend((row + 1, self.kkt.columns + at, weight) for at in numbers)
        return numbers

    def done(self, left: Mask) -> Linearised:
        """All of it, beside the products that are left as they are."""
        program, b = self.program, self.program.bilinear
        squares = joined(program, self.squares)
        both = coo(self.entries, (program.rows.count + 1, self.kkt.columns + squares.count))
        rest = Bilinear(b.row[left], b.leader[left], b.follower[left], b.coefficient[left]) if left.any() else None
        return Linearised(both[[0]].toarray().ravel(), sp.csr_array(both[1:]), squares, rest, tuple(self.used))


def linearise(program: Program, kkt: Kkt, nonconvex: bool = False) -> Linearised:
    """Linear replacements over the KKT columns for every product of the leader.

    What cannot be replaced is `left` as it is for a `nonconvex` solver.  Without one raises `ModelError` naming the two variables
    when both are the leader's, when neither a follower's price term nor its optimality conditions cancel a product, when a leader
    variable enters the rows of that follower, or when the leader wants a quadratic follower's revenue small.
    """
    b = program.bilinear
    found = _Replacement(program, kkt)
    left = np.zeros(len(b.row), dtype=bool)
    if not len(b.row):
        return found.done(left)
    owner = optimality_products.owners(program)
    terms = bills(program, kkt)
    # The optimality conditions speak of a follower's own products and multipliers alone
    left = owner == LEADER
    if left.any() and not nonconvex:
        raise ModelError(_own_product(program, int(np.flatnonzero(left)[0])))
    for row, follower in sorted(set(zip(b.row[~left].tolist(), owner[~left].tolist(), strict=True))):
        mask = (b.row == row) & (owner == follower)
        try:
            try:
                _own_bill(found, row, follower, mask, terms)
            except ModelError as bill:
                _other_products(found, row, follower, mask, bill)
        except ModelError as error:
            if not nonconvex:
                raise ModelError(f"{error}; solver='scip' or 'gurobi' takes it as a nonconvex product") from error
            left |= mask
    return found.done(left)


def _own_bill(found: _Replacement, row: int, follower: int, mask: Mask, terms: sp.csr_array) -> None:
    """A multiple of what the follower pays, by strong duality: all of its optimality conditions with one weight."""
    program = found.program
    weight = weight_of_bill(program, follower, mask)
    refuse_leader_in_rows(program, found.kkt, follower)
    numbers = range(0)
    if _quadratic(program, follower):
        _refuse_small_revenue(program, row, follower, weight)
        # The dual objective of a quadratic cost lacks y'Qy, for which t stands
        if follower in found.known:
            numbers = found.curve_again(row, found.known[follower], -weight)
        else:
            numbers = found.known[follower] = found.curve(row, squares(program, [follower]), -weight)
    found.take(row, terms[[follower]], weight)
    found.used.append(Used(row, follower, -weight * everything(program, found.kkt, follower), numbers, -weight))


def _other_products(found: _Replacement, row: int, follower: int, mask: Mask, bill: ModelError) -> None:
    """Products that the optimality conditions cancel with a weight each; `bill` is why they are no multiple of the follower's.

    Squares that are left have to be such that a larger t never helps the leader.
    """
    program, kkt = found.program, found.kkt
    sign = 1 if row < 0 or program.rows.lower[row] == -np.inf else -1
    try:
        rest = optimality_products.cancelled(program, kkt, follower, mask, sign)
    except ModelError:
        b, read = program.bilinear, program.links.column
        if np.isin(b.leader[mask], read).any() or np.isin(b.follower[mask], read).any():
            raise
        # Of prices alone strong duality tells better what is missing
        raise bill from None
    numbers = range(0)
    if rest.curved.nnz:
        free = row < 0 or np.inf in (-program.rows.lower[row], program.rows.upper[row])
        own = np.flatnonzero(program.followers.owner == follower)
        root = square_root(sign * rest.curved[own][:, own].toarray()) if free else None
        if root is None:
            raise _small_revenue(program, row, follower)
        numbers = found.curve(row, named(program, follower, own, root), float(sign))
    found.take(row, sp.csr_array(rest.linear[None, :]))
    mine = everything(program, kkt, follower)
    found.used.append(Used(row, follower, rest.potential * mine, numbers, float(sign)))


def _own_product(program: Program, at: int) -> str:
    """The refusal of a product of two leader variables."""
    b = program.bilinear
    row = int(b.row[at])
    first, second = program.name(int(b.leader[at])), program.name(int(b.follower[at]))
    return (
        f"{_place(program, row)} holds the product of leader variables {first!r} and {second!r} in a form that is not convex: "
        "write a convex quadratic row or a rotated cone, or use solver='scip' or 'gurobi', which take it as a nonconvex product"
    )


def _place(program: Program, row: int) -> str:
    """The objective or a row, for messages."""
    return "the leader's objective" if row < 0 else f"row {program.rows.names[row]!r}"


def _quadratic(program: Program, follower: int) -> bool:
    """Whether the follower's cost has squares."""
    stack = program.followers
    return bool((stack.owner[stack.quadratic.indices] == follower).any())


def _refuse_small_revenue(program: Program, row: int, follower: int, weight: float) -> None:
    """t >= y'Qy is exact only where a larger t never helps the leader."""
    # A row that limits revenue from above would be met by a t beyond its square
    limit = 0.0 if row < 0 else program.rows.upper[row] if weight > 0 else -program.rows.lower[row]
    exact = weight <= 0 if row < 0 else limit == np.inf
    if not exact:
        raise _small_revenue(program, row, follower)


def _small_revenue(program: Program, row: int, follower: int) -> ModelError:
    """The refusal where a larger t would help the leader."""
    return ModelError(
        f"{_place(program, row)} wants the revenue from follower {program.followers.names[follower]!r} small, but that "
        "follower's cost is quadratic, which makes the term nonconvex: count its revenue as income only, or make the follower "
        "linear"
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


def bills(program: Program, kkt: Kkt) -> sp.csr_array:
    """The same for followers that `refuse_leader_in_rows` lets pass, with what binaries leave of the limits that they switch."""
    pairs, left = kkt.pairs, switched.switches(program, kkt)[1]
    terms = dual_objectives(program, kkt)
    return sp.csr_array(terms + sp.csr_array((left, (pairs.owner, pairs.dual)), shape=terms.shape))


def everything(program: Program, kkt: Kkt, follower: int) -> Vector:
    """1 at all of a follower's conditions, over the program's columns and then the KKT columns: strong duality."""
    found = np.zeros(program.columns + kkt.columns)
    found[np.flatnonzero(program.followers.owner == follower)] = 1.0
    for column, owner in ((kkt.lam, kkt.equal_owner), (kkt.pairs.dual, kkt.pairs.owner)):
        found[program.columns + column[owner == follower]] = 1.0
    return found


def weight_of_bill(program: Program, follower: int, mask: Mask) -> float:
    """The number k such that these products of the leader are k times what the follower pays; raises `ModelError` without one."""
    b = program.bilinear
    return _weight(program, follower, b.leader[mask], b.follower[mask], b.coefficient[mask])


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
    """Raise `ModelError` where a leader variable enters this follower's rows: its dual objective has products then.

    A binary that switches a limit leaves none (`bilevel.reformulate.switched`).
    """
    leader, stack = program.followers.owner < 0, program.followers
    cones, count, rows = stack.cones, stack.cones.count, stack.rows.count
    names = stack.rows.names + cones.names
    binding = ~switched.switches(program, kkt)[0]
    blocks = (
        (kkt.equal_matrix, kkt.equal_owner, kkt.equal_row),
        (kkt.pairs.slack_matrix[binding], kkt.pairs.owner[binding], kkt.pairs.row[binding]),
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
