"""A bilevel program as several that share nothing: no row, no cone, no product of one has a column of another.

Its optimum is theirs side by side, and the sum of their bounds is its bound.  Branch and bound does not see this: in every leaf of
the first part it branches on the second one.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from bilevel.program.bilevel_program import LEADER, Bilinear, DualLinks, FollowerStack, Program
from bilevel.program.cones import Cones
from bilevel.program.rows import Index, Mask, Rows
from bilevel.program.sparse import row_of


@dataclass(frozen=True)
class Part:
    """A program over some columns, and where its columns and follower rows stand in the whole one; its offset is 0."""

    program: Program
    columns: Index
    rows: Index


def parts(program: Program) -> tuple[Part, ...]:
    """The parts with followers, the largest last; none where there are fewer than two, or domains have columns of their own.

    What belongs to no follower's part goes to the first one.
    """
    if program.domains.splits or program.domains.switches or program.domains.nowhere:
        return ()
    # Which follower a row without columns belongs to is no longer seen in a part
    if (np.diff(program.followers.rows.matrix.indptr) == 0).any():
        return ()
    label = _labels(program)
    mine = np.unique(label[program.followers.columns])
    if len(mine) < 2:
        return ()
    kept = np.isin(label, mine)
    # Rows without columns may be impossible, so that some part has to have them
    label = np.where(kept, np.searchsorted(mine, label), 0)
    found = [_part(program, label, k) for k in range(len(mine))]
    return tuple(sorted(found, key=lambda part: len(part.columns)))


def _labels(program: Program) -> Index:
    """The component of every column: what stands in one row, cone or product, or is the dual of a row, is in one."""
    n, stack, links = program.columns, program.followers, program.links
    first: list[NDArray[np.signedinteger]] = []
    second: list[NDArray[np.signedinteger]] = []
    count = n
    blocks = [program.rows.matrix, stack.rows.matrix]
    for cones in (program.cones, stack.cones):
        every = sp.csr_array((np.ones(len(cones.owner)), (cones.owner, np.arange(len(cones.owner)))),
                             shape=(cones.count, len(cones.owner)))  # fmt: skip
        blocks.append(sp.csr_array(every @ abs(cones.squares) + abs(cones.u) + abs(cones.w)))
    for at, matrix in enumerate(blocks):
        first.append(count + row_of(matrix))
        second.append(matrix.indices)
        if at == 1:
            # A dual belongs to its row
            first.append(count + links.row)
            second.append(links.column)
            # A row in which only the leader moves is its follower's all the same
            alone = np.setdiff1d(np.arange(stack.rows.count), row_of(matrix)[stack.owner[matrix.indices] != LEADER])
            first.append(count + alone)
            second.append(_first_columns(stack)[stack.row_owner[alone]])
        count += matrix.shape[0]
    for matrix in (stack.price, stack.quadratic):
        first.append(row_of(matrix))
        second.append(matrix.indices)
    first.append(program.bilinear.leader)
    second.append(program.bilinear.follower)
    i, j = np.concatenate(first), np.concatenate(second)
    graph = sp.csr_array((np.ones(len(i)), (i, j)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1][:n])


def _first_columns(stack: FollowerStack) -> Index:
    """A column of each follower."""
    found = np.zeros(len(stack.names), dtype=np.int64)
    found[stack.owner[stack.columns]] = stack.columns
    return found


def _part(program: Program, label: Index, k: int) -> Part:
    """The part with this label."""
    columns = np.flatnonzero(label == k)
    stack, b = program.followers, program.bilinear
    owner = stack.owner[columns]
    rows = _rows_of(program.rows, label, k)
    own_rows = _rows_of(stack.rows, label, k)
    kept_cones, cones = _cones(stack.cones, label, k, columns)
    # A follower whose variables are all fixed has rows alone
    named = np.concatenate([owner, stack.row_owner[own_rows], stack.cone_owner[kept_cones]])
    followers = np.setdiff1d(named, [LEADER])
    place = np.full(program.columns, -1)
    place[columns] = np.arange(len(columns))
    row_place = np.full(program.rows.count + 1, -1)
    row_place[rows] = np.arange(len(rows))
    number = np.full(len(stack.names) + 1, LEADER)
    number[followers] = np.arange(len(followers))
    mine = label[b.leader] == k
    # The objective is row -1, which finds the last place, that has -1 in it
    bilinear = Bilinear(row_place[b.row[mine]], place[b.leader[mine]], place[b.follower[mine]], b.coefficient[mine])
    part = replace(
        program, variables=tuple(program.variables[at] for at in columns), lower=program.lower[columns],
        upper=program.upper[columns], integer=program.integer[columns], scale=program.scale[columns],
        size=program.size[columns], cost=program.cost[columns], offset=0.0, rows=_taken(program.rows, rows, columns),
        cones=_cones(program.cones, label, k, columns)[1], bilinear=bilinear, links=_links(program, label, k, place, own_rows),
        followers=FollowerStack(
            names=tuple(stack.names[at] for at in followers), owner=number[owner],
            rows=_taken(stack.rows, own_rows, columns), row_owner=number[stack.row_owner[own_rows]], cones=cones,
            cone_owner=number[stack.cone_owner[kept_cones]], cost=stack.cost[columns],
            price=_square(stack.price, columns), quadratic=_square(stack.quadratic, columns), sense=stack.sense[followers],
            row_dual_limit=stack.row_dual_limit[own_rows], column_dual_limit=stack.column_dual_limit[columns],
        ),
    )  # fmt: skip
    return Part(part, columns, own_rows)


def _rows_of(rows: Rows, label: Index, k: int) -> Index:
    """The rows that stand in a part; those without columns in the first one."""
    filled = np.diff(rows.matrix.indptr) > 0
    mine = np.zeros(rows.count, dtype=bool)
    mine[filled] = label[rows.matrix.indices[rows.matrix.indptr[:-1][filled]]] == k
    return np.flatnonzero(mine | (~filled & (k == 0)))


def _taken(rows: Rows, at: Index, columns: Index) -> Rows:
    names = tuple(rows.names[i] for i in at.tolist()) if rows.names else ()
    return Rows(_columns(rows.matrix[at], columns), rows.lower[at], rows.upper[at], names)


def _columns(matrix: sp.csr_array, columns: Index) -> sp.csr_array:
    return sp.csr_array(sp.csr_array(matrix)[:, columns])


def _square(matrix: sp.csr_array, columns: Index) -> sp.csr_array:
    return _columns(matrix[columns], columns)


def _cones(cones: Cones, label: Index, k: int, columns: Index) -> tuple[Index, Cones]:
    """The cones of a part, and their numbers in the whole."""
    mine: Mask = np.zeros(cones.count, dtype=bool)
    for matrix, owner in (
        (cones.squares, cones.owner),
        (cones.u, np.arange(cones.count)),
        (cones.w, np.arange(cones.count)),
    ):
        mine[owner[row_of(matrix)[label[matrix.indices] == k]]] = True
    at = np.flatnonzero(mine)
    taken = cones.take(at)
    return at, replace(
        taken, squares=_columns(taken.squares, columns), u=_columns(taken.u, columns), w=_columns(taken.w, columns)
    )


def _links(program: Program, label: Index, k: int, place: Index, rows: Index) -> DualLinks:
    links = program.links
    mine = label[links.column] == k
    return DualLinks(place[links.column[mine]], np.searchsorted(rows, links.row[mine]), links.sign[mine])
