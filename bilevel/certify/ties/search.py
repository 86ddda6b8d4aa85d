"""The worst of a convex function over a face: branch and bound over cells of the forms that its parts see.

    max over y in F of  c'y + sum of f_b(L_b y) over blocks b,   f_b convex

In a cell of every block f_b(z) <= sum of w_k f_b(z_k) for any weights w of its corners z_k with sum w_k z_k = z, so that the linear
program max c'y + sum w f over y in F and such weights is an upper bound, closed where the weights stand on one corner each.
"""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.certify.ties.blocks import Block
from bilevel.certify.ties.cells import Cell
from bilevel.certify.ties.face import Face, solved
from bilevel.program.cones import Cones
from bilevel.program.rows import Rows, Vector
from bilevel.program.solver_program import SolverProgram
from bilevel.relax import outer_approximation
from bilevel.status import SolverStatus

_CLIMBS, _EVERY = 20, 10
"""Steps of a climb at most, and after how many nodes there is one that their values do not ask for."""


@dataclass(frozen=True)
class Objective:
    """c'y + a constant + what the blocks cost, over a face; `low` and `high` are on both sides of the constant."""

    rates: Vector
    low: float
    high: float
    blocks: tuple[Block, ...]
    face: Face

    def value(self, y: Vector) -> tuple[float, Vector]:
        """From below, and its slope; -inf where a block has none."""
        slope = self.rates.copy()
        # Answers without an end may have no number
        with np.errstate(invalid="ignore", over="ignore"):
            total = self.low + float(self.rates @ y)
            for block in self.blocks:
                answer = block.value(block.forms @ y)
                total += answer.low
                slope = slope + answer.slope @ block.forms
        return (-np.inf if np.isnan(total) else total), slope


@dataclass(frozen=True)
class _Node:
    """A cell of each block, the largest value that any answer in them has, and the linear program's answer with its weights."""

    cells: tuple[Cell, ...]
    bound: float
    y: Vector
    weights: tuple[Vector, ...]


class Search:
    """Best first, until the bound is within `room` of the best value that is attained, or the time is over."""

    def __init__(
        self, objective: Objective, first: Vector, room: Callable[[float], float], over: Callable[[], bool]
    ) -> None:
        self.objective, self.room, self.over = objective, room, over
        self.best, self.y = -np.inf, first
        self.closed = -np.inf
        self.number, self.taken = itertools.count(), 0

    def run(self, cells: tuple[Cell, ...]) -> float:
        """The proven bound; `best` and `y` are what is attained."""
        self._climb(self.y)
        heap: list[tuple[float, int, _Node]] = []
        self._push(heap, cells, np.inf)
        while heap and not self.over():
            _, _, node = heapq.heappop(heap)
            if self._done(node.bound):
                self.closed = max(self.closed, node.bound)
                break
            halves = self._halves(node)
            if halves is None:
                self.closed = max(self.closed, node.bound)
                continue
            for part in halves:
                self._push(heap, part, node.bound)
        return max([self.closed, self.best, *(node.bound for _, _, node in heap)])

    def _done(self, bound: float) -> bool:
        return bound <= self.best + self.room(self.best)

    def _push(self, heap: list[tuple[float, int, _Node]], cells: tuple[Cell, ...], most: float) -> None:
        node = self._node(cells, most)
        if node is None:
            return
        if self._done(node.bound) or not len(node.weights):
            self.closed = max(self.closed, node.bound)
            return
        heapq.heappush(heap, (-node.bound, next(self.number), node))

    def _node(self, cells: tuple[Cell, ...], most: float) -> _Node | None:
        """None without an answer in the cells."""
        mip, values = self._program(cells)
        outcome = solved(outer_approximation.opened(mip))
        if outcome.status == SolverStatus.INFEASIBLE:
            return None
        if outcome.x is None or outcome.status != SolverStatus.OPTIMAL:
            return _Node(cells, most, self.y, ())
        n = len(self.objective.rates)
        weights = np.split(outcome.x[n:], np.cumsum([len(part) for part in values])[:-1])
        return _Node(cells, min(most, -outcome.value), outcome.x[:n], tuple(weights))

    def _program(self, cells: tuple[Cell, ...]) -> tuple[SolverProgram, list[Vector]]:
        """The linear program over answers and weights of corners, minimised."""
        face, blocks = self.objective.face, self.objective.blocks
        values = [
            np.array([a.high for a in block.values(cell.corners)]) for cell, block in zip(cells, blocks, strict=True)
        ]
        ones = sp.csr_array(sp.block_diag([np.ones((1, len(part))) for part in values]))
        seen = sp.csr_array(np.vstack([block.forms / block.size[:, None] for block in blocks]))
        corners = sp.csr_array(
            sp.block_diag([(cell.corners / block.size).T for cell, block in zip(cells, blocks, strict=True)])
        )
        total = ones.shape[1]
        answers = sp.csr_array(sp.vstack([face.rows.matrix, sp.csr_array((len(blocks), len(face.columns))), seen]))
        weights = sp.csr_array(sp.vstack([sp.csr_array((face.rows.count, total)), ones, -corners]))
        matrix = sp.csr_array(sp.hstack([answers, weights]))
        held, k = np.ones(len(blocks)), np.zeros(seen.shape[0])
        rows = Rows(matrix, np.concatenate([face.rows.lower, held, k]), np.concatenate([face.rows.upper, held, k]))
        n = len(face.columns) + total
        return SolverProgram(
            -np.concatenate([self.objective.rates, *values]), -self.objective.high,
            np.concatenate([face.lower, np.zeros(total)]), np.concatenate([face.upper, np.ones(total)]),
            outer_approximation.continuous(n), rows, Cones.none(n), (), np.concatenate([face.scale, np.ones(total)]),
        ), values  # fmt: skip

    def _halves(self, node: _Node) -> list[tuple[Cell, ...]] | None:
        """The node's cells with the one halved whose corners are furthest above its value; None where none is above it."""
        value, _ = self.objective.value(node.y)
        self.taken += 1
        # Now and then from a worse one too, which may be below another peak
        if value > self.best or self.taken % _EVERY == 0:
            self._climb(node.y)
        gaps = [self._gap(*each, node.y) for each in zip(self.objective.blocks, node.cells, node.weights, strict=True)]
        at = int(np.argmax([gap for gap, _ in gaps]))
        block, cell = self.objective.blocks[at], node.cells[at]
        form = gaps[at][1]
        low, high = cell.lower[form], cell.upper[form]
        if gaps[at][0] <= 0.0 or not low < high:
            return None
        z = float(block.forms[form] @ node.y)
        near = tolerances.SIZE_FLOOR * (high - low)
        # Where the answer stands corners are exact; at an end a cut there would take nothing away
        where = z if low + near < z < high - near else (low + high) / 2.0
        return [(*node.cells[:at], half, *node.cells[at + 1 :]) for half in cell.halves(form, where)]

    def _gap(self, block: Block, cell: Cell, weights: Vector, y: Vector) -> tuple[float, int]:
        """By how much the corners' values are above the block's own, and the form that this comes from most."""
        if weights.max() >= 1.0 - tolerances.AS_GOOD:
            return 0.0, 0
        z, answers = block.forms @ y, block.values(cell.corners)
        own = block.value(z)
        high, low = np.array([(a.high, a.low) for a in answers]).T
        gap, digits = float(weights @ high) - own.low, float(weights @ (high - low)) + own.high - own.low
        # Halving a cell moves nothing that is beyond the digits of its values
        if gap <= 2.0 * digits:
            return 0.0, 0
        # Of a quadratic it is half of weights times steps times differences of slopes, form by form
        slopes = np.array([a.slope for a in answers]) - own.slope
        by_form = weights @ ((cell.corners - z) * slopes)
        by_form = np.where(cell.upper > cell.lower, by_form, -np.inf)
        return gap, int(by_form.argmax())

    def _climb(self, y: Vector) -> None:
        """From an answer to corners of the face that are no better for the leader, as its slope is a tangent from below."""
        before = -np.inf
        for _ in range(_CLIMBS):
            value, slope = self.objective.value(y)
            if value > self.best:
                self.best, self.y = value, y
            if value <= before + tolerances.AS_GOOD * abs(before) or self.over():
                return
            _, other = self.objective.face.most(slope)
            if other is None:
                return
            before, y = value, other
