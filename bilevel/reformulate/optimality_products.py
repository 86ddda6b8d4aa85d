"""Products of prices, quantities and multipliers in the leader's rows, made linear by what is zero at every optimum of a follower.

Three products are zero where a follower's answer is optimal: a column times its stationarity, an equality's multiplier times what
the equality leaves, a limit's multiplier times its slack.  Multiples of these are added to the leader's row, so that its own
products cancel; what they leave is linear.  The revenue of a generator that is paid the price of its bus is of this kind (Ruiz and
Conejo 2009, doi 10.1109/TPWRS.2009.2030378): price times output is what the demand pays less what the others' bids and limits cost.

The multiples are potentials of a graph: its nodes are a follower's columns, rows and limits, its edges the entries of the rows.
Entry a of column j in row i gives a (pi_i - pi_j) lam_i y_j, which has to cancel the leader's own product of lam_i and y_j; an
entry of a leader column, or a price, holds one potential.  With one potential everywhere this is strong duality.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import breadth_first_order, connected_components

from bilevel import tolerances
from bilevel.errors import ModelError
from bilevel.followers.kkt import Kkt
from bilevel.program.bilevel_program import LEADER, Program
from bilevel.program.convexity import square_root
from bilevel.program.rows import Index, Mask, Vector, coo


@dataclass(frozen=True)
class Cancelled:
    """What takes the products' place at every optimum of the follower: `linear` over the KKT columns, plus y' `curved` y.

    `curved` is over the program's columns, symmetric; without entries where squares have no part in it.  `potential` are the
    multiples: of the program's columns, then of the KKT columns of multipliers.
    """

    linear: Vector
    curved: sp.csr_array
    potential: Vector


@dataclass(frozen=True)
class _Products:
    """Products value * (KKT column `first`) * (column `second`), one entry each."""

    first: Index
    second: Index
    value: Vector


@dataclass(frozen=True)
class _Graph:
    """The potentials' equations: those of `row` less those of `column` are `step`, the potential of `held` is `level`.

    Nodes are the program's columns, then the KKT columns of the multipliers; `factors` are for messages: the
    first and the second one of the product of every step, then of every level.
    """

    row: Index
    column: Index
    step: Vector
    held: Index
    level: Vector
    factors: tuple[Index, Index]


def owners(program: Program) -> Index:
    """The follower of each of the leader's products: of its second factor, or of the row whose dual is one of its factors."""
    b, stack, links = program.bilinear, program.followers, program.links
    read = np.full(program.columns, LEADER)
    read[links.column] = stack.row_owner[links.row]
    own = stack.owner[b.follower]
    return np.where(own != LEADER, own, np.maximum(read[b.leader], read[b.follower]))


def cancelled(program: Program, kkt: Kkt, follower: int, mask: Mask, sign: int) -> Cancelled:
    """What these products of the leader's, all of one row, are at every optimum of the follower.

    Where squares are left that are free to be chosen, they are those that `sign` makes convex.  Raises `ModelError` naming a
    product that nothing cancels.
    """
    products = _told(program, kkt, mask)
    graph = _graph(program, kkt, follower, products)
    potential, component = _potentials(program, kkt, graph)
    potential = _levels(program, follower, potential, component, graph, sign)
    _check(program, kkt, graph, potential)
    return _left(program, kkt, follower, potential)


def _told(program: Program, kkt: Kkt, mask: Mask) -> _Products:
    """The products with the multipliers that stand behind the leader's duals, equal ones added up."""
    b, price = program.bilinear, program.followers.price
    duals = {int(column): at for at, column in enumerate(program.links.column)}
    entries: list[tuple[int, int, float]] = []
    for leader, other, value in zip(
        b.leader[mask].tolist(), b.follower[mask].tolist(), b.coefficient[mask].tolist(), strict=True
    ):
        # A price that is itself a dual is paid as a price first
        if leader in duals and not price[leader, other]:
            entries += [(at, other, sign * value) for at, sign in _multipliers(program, kkt, duals[leader])]
        elif other in duals:
            entries += [(at, leader, sign * value) for at, sign in _multipliers(program, kkt, duals[other])]
        else:
            entries.append((leader, other, value))
    found = sp.coo_array(coo(entries, (kkt.columns, program.columns)))
    first, second = (part.astype(np.int64) for part in found.coords)
    return _Products(first, second, found.data)


def _multipliers(program: Program, kkt: Kkt, link: int) -> list[tuple[int, float]]:
    """The columns of the multipliers, with their signs, that add up to a dual that the leader reads."""
    row, sign, pairs = int(program.links.row[link]), float(program.links.sign[link]), kkt.pairs
    found = [(int(kkt.lam[i]), sign) for i in np.flatnonzero(kkt.equal_row == row)]
    return found + [(int(pairs.dual[p]), sign * float(pairs.side[p])) for p in np.flatnonzero(pairs.row == row)]


def _entries(program: Program, kkt: Kkt, follower: int) -> Iterator[tuple[Index, Index, Index, Vector]]:
    """Node, KKT column, column and value of every entry of this follower's rows, limits and cones."""
    stack, pairs = program.followers, kkt.pairs
    cones, conic = stack.cones, kkt.conic
    # A cone has several multipliers and one complementarity, so that they have one node
    blocks = (
        (kkt.equal_matrix, kkt.equal_owner, kkt.lam, kkt.lam),
        (pairs.slack_matrix, pairs.owner, pairs.dual, pairs.dual),
        (cones.squares, stack.cone_owner[cones.owner], conic.p, conic.q[cones.owner]),
        (cones.u, stack.cone_owner, conic.q, conic.q),
        (cones.w, stack.cone_owner, conic.r, conic.q),
    )
    for matrix, owner, multiplier, node in blocks:
        mine = np.flatnonzero(owner == follower)
        found = sp.coo_array(matrix[mine])
        kept = found.data != 0
        row = mine[found.coords[0][kept]]
        yield node[row], multiplier[row], found.coords[1][kept].astype(np.int64), found.data[kept]


def _graph(program: Program, kkt: Kkt, follower: int, products: _Products) -> _Graph:
    """The equations under which every product cancels; raises where one stands in no row and no price."""
    node, first, second, value = (np.concatenate(part) for part in zip(*_entries(program, kkt, follower), strict=True))
    price = sp.coo_array(program.followers.price)
    paid = (program.followers.owner[price.coords[1]] == follower) & (price.data != 0)
    at, what = (part[paid].astype(np.int64) for part in price.coords)
    rate = price.data[paid]
    wanted = {
        (int(i), int(j)): float(v) for i, j, v in zip(products.first, products.second, products.value, strict=True)
    }
    entry = np.array([wanted.pop((int(i), int(j)), 0.0) for i, j in zip(first, second, strict=True)])
    bill = np.array([wanted.pop((int(i), int(j)), 0.0) for i, j in zip(at, what, strict=True)])
    for (i, j), v in wanted.items():
        if v:
            raise _refusal(program, kkt, i, j, "in no row and no price of the follower do both stand together")
    own = program.followers.owner[second] == follower
    shift = -entry / value
    return _Graph(
        row=program.columns + node[own], column=second[own], step=shift[own],
        held=np.concatenate([program.columns + node[~own], what]), level=np.concatenate([shift[~own], -bill / rate]),
        factors=(np.concatenate([first[own], first[~own], at]), np.concatenate([second[own], second[~own], what])),
    )  # fmt: skip


def _potentials(program: Program, kkt: Kkt, graph: _Graph) -> tuple[Vector, Index]:
    """Potentials that keep one tree of the steps in each component of the graph, and the component of each node."""
    count = program.columns + kkt.columns
    ones = np.ones(len(graph.row))
    links = sp.csr_array((ones, (graph.row, graph.column)), shape=(count, count))
    _, component = connected_components(links, directed=False)
    step = {(int(i), int(j)): float(s) for i, j, s in zip(graph.row, graph.column, graph.step, strict=True)}
    potential = np.zeros(count)
    used = np.unique(np.concatenate([graph.row, graph.column]))
    _, roots = np.unique(component[used], return_index=True)
    for root in used[roots].tolist():
        order, before = breadth_first_order(links, root, directed=False)
        for node in order[1:].tolist():
            last = int(before[node])
            move = step[node, last] if (node, last) in step else -step[last, node]
            potential[node] = potential[last] + move
    return potential, component.astype(np.int64)


def _levels(program: Program, follower: int, potential: Vector, component: Index, graph: _Graph, sign: int) -> Vector:
    """The potentials moved to what holds one in their component; where nothing does, so that most are 0 and squares convex."""
    moved = potential.copy()
    held = {
        int(component[node]): float(level) - potential[node]
        for node, level in zip(graph.held, graph.level, strict=True)
    }
    stepped = np.unique(component[np.concatenate([graph.row[graph.step != 0], graph.column[graph.step != 0]])])
    for part in np.unique(np.concatenate([stepped, np.array(list(held), dtype=np.int64)])).tolist():
        mine = component == part
        if part in held:
            moved[mine] += held[part]
            continue
        values, count = np.unique(potential[mine], return_counts=True)
        for value in values[np.argsort(-count)]:
            moved[mine] = potential[mine] - value
            columns = np.flatnonzero(mine[: program.columns])
            if square_root(sign * _curved(program, follower, moved)[columns][:, columns].toarray()) is not None:
                break
    return moved


def _check(program: Program, kkt: Kkt, graph: _Graph, potential: Vector) -> None:
    """Raise where an equation does not hold: the product of that entry does not cancel."""
    after, before = potential[graph.row], potential[graph.column]
    off = np.concatenate([after - before - graph.step, potential[graph.held] - graph.level])
    size = np.concatenate([np.abs(after) + np.abs(before) + np.abs(graph.step), np.abs(graph.level)])
    size[len(after) :] += np.abs(potential[graph.held])
    bad = np.flatnonzero(np.abs(off) > tolerances.SAME_COEFFICIENT * size)
    if len(bad):
        first, second = (int(part[bad[0]]) for part in graph.factors)
        raise _refusal(program, kkt, first, second, "the follower's optimality conditions do not cancel it")


def _curved(program: Program, follower: int, potential: Vector) -> sp.csr_array:
    """y' diag(potential) Q y of this follower, as a symmetric matrix over the program's columns."""
    stack = program.followers
    weight = np.where(stack.owner == follower, potential[: program.columns], 0.0)
    half = sp.csr_array(sp.diags_array(weight) @ stack.quadratic)
    return sp.csr_array((half + half.T) / 2.0)


def _left(program: Program, kkt: Kkt, follower: int, potential: Vector) -> Cancelled:
    """What the multiples of the conditions leave beside the products."""
    stack, pairs, conic = program.followers, kkt.pairs, kkt.conic
    n, linear = program.columns, np.zeros(kkt.columns)
    mine = stack.owner == follower
    linear[:n][mine] = (potential[:n] * stack.cost)[mine]
    for at, value, owner in (
        (kkt.lam, -kkt.equal_value, kkt.equal_owner), (pairs.dual, pairs.slack_constant, pairs.owner)
    ):  # fmt: skip
        kept = owner == follower
        linear[at[kept]] = potential[n + at[kept]] * value[kept]
    kept = stack.cone_owner == follower
    weight = potential[n + conic.q[kept]]
    linear[conic.q[kept]], linear[conic.r[kept]] = weight * stack.cones.u0[kept], weight * stack.cones.w0[kept]
    curved = _curved(program, follower, potential)
    curved.eliminate_zeros()
    return Cancelled(linear, curved, potential)


def _refusal(program: Program, kkt: Kkt, first: int, second: int, why: str) -> ModelError:
    """The refusal of the product of a KKT column and a column."""
    pairs, rows = kkt.pairs, program.followers.rows.names

    def told(column: int) -> str:
        if column < program.columns:
            return repr(program.name(column))
        row = np.concatenate([kkt.equal_row[kkt.lam == column], pairs.row[pairs.dual == column]])
        if not len(row):
            return "a multiplier of a quadratic row"
        return f"the dual of row {rows[int(row[0])]!r}" if row[0] >= 0 else "the dual of a bound"

    return ModelError(f"the leader's product of {told(first)} and {told(second)} has no linear form: {why}")
