"""The block `kkt` of a single-level Pyomo model: the columns and rows that a reformulation adds, under readable names."""

from collections.abc import Container, Iterator
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.common.modeling import unique_component_name

from bilevel.compile import to_pyomo
from bilevel.program.choices import Choice, Derived
from bilevel.program.layout import Group
from bilevel.program.rows import Mask, Rows
from bilevel.program.solver_program import SolverProgram
from bilevel.program.sparse import row_of
from bilevel.reformulate.single_level import Reformulation


class KktBlock:
    """Adds the block `kkt` to an opened copy."""

    def __init__(self, single: Any, form: Reformulation, mip: SolverProgram) -> None:
        self.single, self.form, self.mip = single, form, mip
        self.block = pyo.Block(concrete=True)
        # The model may have a component of this name already
        single.add_component(unique_component_name(single, "kkt"), self.block)
        self.pairs = _pair_names(form)
        self.pair_of = {int(column): at for at, column in enumerate(form.kkt.pairs.dual)}
        self.by_pair = False
        self.columns: list[Any] = list(form.program.variables)
        self.owner_of: dict[int, int] = {}

    def build(self) -> None:
        """Columns, rows, cones, products, sets, objective."""
        self._add_columns()
        self._add_leader_rows()
        self._add_follower_rows()
        self._add_cones()
        self._add_complementarity()
        self._add_products()
        sets = {self.pairs[self.pair_of[i]]: [self.columns[i], self.columns[j]] for i, j in self.mip.sos1}
        if sets:
            self.block.sets = pyo.SOSConstraint(list(sets), rule=lambda _, pair: sets[pair], sos=1)
        # Programs minimise; the block has the sense that the leader was written with
        sign = self.form.program.sign
        expression = to_pyomo.objective(self.mip.cost, self.mip.offset, self.columns, sign)
        self.block.objective = pyo.Objective(expr=expression, sense=pyo.minimize if sign > 0 else pyo.maximize)

    def _add_columns(self) -> None:
        """In the order of the program: derived ones, choices of domains, objective epigraph, lam, mu, t, then the mode's own."""
        self._add_choices()
        self._add_derived()
        # The epigraph of a convex objective is no variable of the model
        if None in self.columns:
            self.block.epigraph = pyo.Var()
            self.columns = [self.block.epigraph if column is None else column for column in self.columns]
        for name, index in (
            ("lam", _equal_names(self.form)),
            ("mu", self.pairs),
            *self._cone_columns(),
            *self._further_columns(),
        ):
            variable = pyo.Var(index)
            self.block.add_component(name, variable)
            for column in variable.values():
                # The next column of the program is the one made here, for nothing else ties the two
                self._limit(column, len(self.columns))
                self.columns.append(column)

    def _add_choices(self) -> None:
        """Columns and rows instead of domains with steps or gaps, which other solvers do not take from Pyomo."""
        program = self.form.program
        at = {column.name: k for k, column in enumerate(self.columns) if isinstance(column, Choice)}
        self.block.choice = pyo.Var(list(at))
        for name, k in at.items():
            self.columns[k] = self.block.choice[name]
            self._limit(self.columns[k], k)
        for split in program.domains.splits:
            # Rows say from here on where the variable may be
            self.columns[split.column].domain = pyo.Reals
            self._limit(self.columns[split.column], split.column)

    def _add_derived(self) -> None:
        """Columns that follow from variables; several may go by the name of one row."""
        at = [k for k, column in enumerate(self.columns) if isinstance(column, Derived)]
        self.block.derived = pyo.Var(pyo.Any, dense=False)
        for k in at:
            self.columns[k] = self.block.derived[_free(self.block.derived, self.columns[k].name)]
            self._limit(self.columns[k], k)

    def _added(self) -> Mask:
        """The columns of the program that are epigraphs or derived, among all."""
        added = np.zeros(self.mip.columns, dtype=bool)
        kinds = (type(None), Derived)
        added[: self.form.program.columns] = [isinstance(v, kinds) for v in self.form.program.variables]
        return added

    def _cone_columns(self) -> Iterator[tuple[str, list[Any]]]:
        """Multipliers of the followers' quadratic rows; p has one a square."""
        cones, conic = self.form.program.followers.cones, self.form.kkt.conic
        order = np.arange(len(cones.owner)) - np.searchsorted(cones.owner, cones.owner) + 1
        yield "p", [(cones.names[k], int(at)) for k, at in zip(cones.owner.tolist(), order, strict=True)]
        yield "q", list(cones.names)
        yield "r", list(cones.names)
        stack = self.form.program.followers
        owner = np.concatenate([stack.cone_owner[cones.owner], stack.cone_owner, stack.cone_owner])
        self.owner_of = dict(zip(conic.columns.tolist(), owner.tolist(), strict=True))

    def _limit(self, column: Any, at: int) -> None:
        low, high = float(self.mip.lower[at]), float(self.mip.upper[at])
        column.setlb(low if np.isfinite(low) else None)
        column.setub(high if np.isfinite(high) else None)
        if self.mip.integer[at]:
            column.domain = pyo.Binary if (low, high) == (0.0, 1.0) else pyo.Integers

    def _further_columns(self) -> Iterator[tuple[str, list[str]]]:
        """The t of revenue, the objective's products, then the t of strong duality or else a block of columns a pair."""
        names, form = self.mip.cones.names, self.form
        curved = _curved_names(names[form.cones[Group.REVENUE]])
        yield "t", curved
        if form.columns.count(Group.OBJECTIVE):
            yield "product_cost", ["objective"]
        yield "t_duality", _curved_names(names[form.mip.cones.count :])
        # What is left are blocks of one column a pair, of which one may be binary
        at = form.mip.columns + len(names[form.mip.cones.count :])
        self.by_pair = at < self.mip.columns
        while at < self.mip.columns:
            self.pair_of.update({at + k: k for k in range(len(self.pairs))})
            yield "z" if self.mip.integer[at] else "slack", self.pairs
            at += len(self.pairs)

    def _add_leader_rows(self) -> None:
        """Rows with products or over derived columns are replaced; the others stand in the model already."""
        bilinear, names = self.form.program.bilinear, self.form.program.rows.names
        # By name, which is all that a row of the model and one of the program share
        changed = {names[row]: row for row in np.unique(bilinear.row[bilinear.row >= 0]).tolist()}
        replaced = changed | {names[at]: at for at in self._lifted(self.form.program.rows)}
        self._deactivate(replaced)
        self.block.domain = pyo.Constraint(pyo.Any)
        count = self.form.program.rows.count
        # Rows of domains are the leader's last ones, and no row of the model says what they do
        for at in range(count - self.form.program.domains.rows, count):
            self._row(self.block.domain, names[at], at)
        self.block.leader = pyo.Constraint(pyo.Any)
        for name, at in replaced.items():
            self._row(self.block.leader, name, at)
        if self.mip.products is not None:
            for at, name in enumerate(_product_names(self.form, changed)):
                self.block.leader[name] = to_pyomo.product(self.mip.products, at, self.columns)

    def _deactivate(self, names: Container[str]) -> None:
        for row in list(self.single.component_data_objects(pyo.Constraint, active=True, descend_into=True)):
            if str(row.name) in names:
                row.deactivate()

    def _lifted(self, rows: Rows) -> list[int]:
        """The rows that stand over derived columns, where the model has a root, squares or a product."""
        return list(np.unique(row_of(rows.matrix)[self._added()[rows.matrix.indices]]).tolist())

    def _add_follower_rows(self) -> None:
        """Those over derived columns, stationarity, then the multipliers that the leader reads, in the order of the program."""
        rows, own, before = self.form.mip.rows, self.form.program.followers.rows, self.form.program.rows.count
        lifted = {own.names[at]: before + at for at in self._lifted(own)}
        cones, switched = self.form.program.followers.cones, [s.column for s in self.form.program.domains.switches]
        # Beside squares or a root a product is in a cone, and no longer in the row
        curved = row_of(cones.w)[np.isin(cones.w.indices, switched)]
        self._deactivate({*lifted, *(cones.names[k] for k in curved.tolist())})
        self.block.follower = pyo.Constraint(pyo.Any)
        for name, at in lifted.items():
            self._row(self.block.follower, name, at)
        first = before + own.count
        for name, prefix in (("stationarity", "stationarity of "), ("dual", "dual of ")):
            added = {rows.names[at].removeprefix(prefix): at for at in range(first, rows.count)
                     if rows.names[at].startswith(prefix)}  # fmt: skip
            self.block.add_component(name, pyo.Constraint(list(added)))
            for key, at in added.items():
                self._row(self.block.component(name), key, at)

    def _row(self, component: Any, key: Any, at: int) -> None:
        rows = self.mip.rows
        body = to_pyomo.linear(rows.matrix, at, self.columns)
        limited = to_pyomo.limited(body, float(rows.lower[at]), float(rows.upper[at]))
        # Some rows have no limit: that of a pair that is decided, and one whose sides are rows with products
        if limited is not None:
            component[key] = limited

    def _add_cones(self) -> None:
        """Cones that no row of the model states: over epigraphs and derived columns, multipliers, and the y'Qy of the columns t."""
        cones = self.mip.cones
        given = self.form.program.cones.count + self.form.program.followers.cones.count
        added = self._added()
        self.block.cone = pyo.Constraint(pyo.Any)
        for k in range(cones.count):
            parts = (cones.w[[k]], cones.squares[cones.owner == k])
            if k >= given or any(added[part.indices].any() for part in parts):
                self.block.cone[_free(self.block.cone, cones.names[k])] = to_pyomo.cone(cones, k, self.columns)

    def _add_complementarity(self) -> None:
        """The mode's rows."""
        self.block.complementarity = pyo.Constraint(pyo.Any)
        matrix = self.mip.rows.matrix
        for at in range(self.form.mip.rows.count, self.mip.rows.count):
            self._row(
                self.block.complementarity, self._key(matrix.indices[matrix.indptr[at] : matrix.indptr[at + 1]]), at
            )

    def _add_products(self) -> None:
        """The mode's nonconvex rows, which follow those of the leader."""
        products, given = self.mip.products, self.form.mip.products
        if products is None:
            return
        matrix = products.linear.matrix
        for at in range(0 if given is None else given.count, products.count):
            mine = np.flatnonzero(products.row == at)
            own = matrix.indices[matrix.indptr[at] : matrix.indptr[at + 1]]
            key = self._key(np.concatenate([products.first[mine], products.second[mine], own]))
            self.block.complementarity[key] = to_pyomo.product(products, at, self.columns)

    def _key(self, columns: Any) -> tuple[str, int]:
        """A free index under the first pair of these columns, or under its follower where the mode does not go by pairs."""
        followers, kkt = self.form.program.followers, self.form.kkt
        found = [self.pair_of[column] for column in columns.tolist() if column in self.pair_of]
        if found and self.by_pair:
            # The row of a column with two limits holds both pairs, and goes under the first
            return _free(self.block.complementarity, self.pairs[min(found)])
        owners = [
            int(followers.owner[c]) for c in columns.tolist() if c < len(followers.owner) and followers.owner[c] >= 0
        ]
        owners += [int(kkt.pairs.owner[at]) for at in found]
        owners += [self.owner_of[column] for column in columns.tolist() if column in self.owner_of]
        return _free(self.block.complementarity, followers.names[owners[0]] if owners else "empty")


def _free(component: Any, name: str) -> tuple[str, int]:
    """The first index (name, 1), (name, 2), ... that is not in use."""
    number = 1
    while (name, number) in component:
        number += 1
    return name, number


def _product_names(form: Reformulation, changed: dict[str, int]) -> list[str]:
    """Names of the leader's product rows, in the order of `leader_products.keep`: objective, then rows side by side."""
    rows, now = form.program.rows, form.mip.rows
    names = ["objective"] if form.columns.count(Group.OBJECTIVE) else []
    for name, at in changed.items():
        # A row that became linear has its limits still; one with products gave its sides to rows of their own
        if np.isfinite(now.lower[at]) or np.isfinite(now.upper[at]):
            continue
        names += [
            f"{name}:{side}"
            for side, limit in (("upper", rows.upper[at]), ("lower", rows.lower[at]))
            if np.isfinite(limit)
        ]
    return names


def _curved_names(cones: tuple[str, ...]) -> list[str]:
    return [name.removeprefix("y'Qy of ") for name in cones]


def _pair_names(form: Reformulation) -> list[str]:
    pairs, program = form.kkt.pairs, form.program
    names = zip(pairs.row.tolist(), pairs.column.tolist(), pairs.side.tolist(), strict=True)
    return [
        f"{program.followers.rows.names[row] if row >= 0 else program.name(column)}:{'lower' if side > 0 else 'upper'}"
        for row, column, side in names
    ]


def _equal_names(form: Reformulation) -> list[str]:
    program, matrix = form.program, form.kkt.equal_matrix
    return [
        program.followers.rows.names[row] if row >= 0 else program.name(int(matrix.indices[matrix.indptr[at]]))
        for at, row in enumerate(form.kkt.equal_row.tolist())
    ]
