"""Numbers and places of a proof as they stand in its file: what they are not is refused, and what they are is exact."""

import math
from collections import defaultdict
from fractions import Fraction
from typing import Any

MOST_PRODUCTS = 10_000_000
"""Of two columns, that squares stand for: more would take hours."""


class RefusedError(Exception):
    """The proof is none, and why."""


def fraction(value: Any) -> Fraction:
    """A number of the file, which is a finite double."""
    if (
        not isinstance(value, int | float)
        or isinstance(value, bool)
        or not math.isfinite(value)
        or float(value) != value
    ):
        raise RefusedError(f"{value!r:.40} is no number that a double holds")
    return Fraction(value)


def number(value: Any, missing: float) -> float:
    """A number, or what stands for null."""
    return missing if value is None else float(fraction(value))


def places(values: Any, least: int, end: int) -> None:
    """Whole numbers from `least` up to below `end`: what is elsewhere is read by nobody, or as something else."""
    for value in values:
        if type(value) is not int or not least <= value < end:
            raise RefusedError(f"{value!r:.40} is no place in the problem")


def see(problem: Any) -> None:
    """Places and numbers of a problem are what they seem to be; refuses it otherwise."""
    owner, cones, n = problem["owner"], problem["cones"], len(problem["owner"])
    leader, follower = problem["leader_rows"], problem["follower_rows"]
    if problem["sign"] not in (1, -1):
        raise RefusedError("the sign of the objective is neither 1 nor -1")
    if len(follower["owner"]) != len(follower["lower"]) or not len(cones["u0"]) == len(cones["w0"]):
        raise RefusedError("rows or cones and what is told of them differ in number")
    places(owner, -1, max(map(int, owner), default=0) + 1)
    places(follower["owner"], 0, max(map(int, follower["owner"]), default=0) + 1)
    places(problem["integer"], 0, n)
    places(cones["owner"], 0, len(cones["u0"]))
    for name in ("cost", "follower_cost"):
        places((int(key) if str(int(key)) == key else key for key in problem[name]), 0, n)
    for table, height in (
        (leader["entries"], len(leader["lower"])), (follower["entries"], len(follower["lower"])), (problem["price"], n),
        (problem["quadratic"], n), (cones["squares"], len(cones["owner"])), (cones["u"], len(cones["u0"])),
        (cones["w"], len(cones["u0"])),
    ):  # fmt: skip
        places((row for row, _, _ in table), 0, height)
        places((column for _, column, _ in table), 0, n)
        for _, _, value in table:
            fraction(value)
    places((row for row, *_ in problem["products"]), -1, len(leader["lower"]))
    places((column for _, i, j, _ in problem["products"] for column in (i, j)), 0, n)
    places((column for column, *_ in problem["links"]), 0, n)
    places((row for _, row, _ in problem["links"]), 0, len(follower["lower"]))
    for value in (
        problem["constant"], *problem["cost"].values(), *problem["follower_cost"].values(), *cones["u0"], *cones["w0"],
        *(value for *_, value in problem["products"]), *(sign for *_, sign in problem["links"]),
    ):  # fmt: skip
        fraction(value)


def forms(proof: Any, columns: int) -> list[dict[int, Fraction]]:
    """Linear forms of the problem's columns whose squares have columns; refuses those whose products would take for ever."""
    found: list[dict[int, Fraction]] = [defaultdict(Fraction) for _ in proof.get("squares", ())]
    for form, told in zip(found, proof.get("squares", ()), strict=True):
        places((column for column, _ in told), 0, columns)
        for column, value in told:
            form[column] += fraction(value)
    uses = [*proof["replacements"].values(), *proof["identities"]]
    if sum(len(found[int(k)]) ** 2 for each in uses for k in each.get("squares", {})) > MOST_PRODUCTS:
        raise RefusedError(
            f"its squares have more than {MOST_PRODUCTS} products, which is no proof of a size that is read"
        )
    return found


def triples(told: Any, count: int) -> list[dict[int, Fraction]]:
    """Rows of (row, column, value), without zeros."""
    found: list[dict[int, Fraction]] = [defaultdict(Fraction) for _ in range(count)]
    for row, column, value in told:
        found[row][column] += Fraction(value)
    return [{column: value for column, value in row.items() if value} for row in found]


def rows_of(told: Any) -> list[tuple[dict[int, Fraction], float, float]]:
    """Rows with their lower and upper limits."""
    sides = [(number(a, -math.inf), number(b, math.inf)) for a, b in zip(told["lower"], told["upper"], strict=True)]
    return [(row, *side) for row, side in zip(triples(told["entries"], len(sides)), sides, strict=True)]
