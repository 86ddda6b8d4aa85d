"""Single steps of the heuristics against their formulas worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bilevel.heuristics import HEURISTICS, ga, gmo, gwca, pso, woa
from bilevel.heuristics.base import remember


class Constant:
    """A random generator without chance: uniform draws are `share`, whole draws `whole`, normal draws `normal`."""

    def __init__(self, share: float = 0.5, whole: int = 0, normal: float = 0.0) -> None:
        self.share, self.whole, self.normal = share, whole, normal

    def random(self, size: Any) -> np.ndarray:
        return np.full(size, self.share)

    def integers(self, bound: int, size: Any) -> np.ndarray:
        return np.full(size, min(self.whole, bound - 1))

    def standard_normal(self, size: Any) -> np.ndarray:
        return np.full(size, self.normal)


def started(method: str, first: np.ndarray, values: np.ndarray, steps: int, rng: Any, **options: float) -> Any:
    heuristic = HEURISTICS[method]
    settings = {name: option.default for name, option in heuristic.OPTIONS.items()} | options
    return heuristic.search(first, values, rng, steps, **settings)


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)[:, None]


def test_best_positions_are_kept_on_ties() -> None:
    best, worth = remember(column(1, 2, 3), np.array([5.0, 5.0, np.inf]), column(7, 8, 9), np.array([4.0, 5.0, np.inf]))
    assert best.ravel().tolist() == [7, 2, 3] and worth.tolist() == [4, 5, np.inf]


# --- particle swarm ---


def test_swarm_constants_are_clercs_constriction() -> None:
    phi = 4.1
    constriction = 2 / (phi - 2 + math.sqrt(phi**2 - 4 * phi))
    assert pso.OPTIONS["inertia"].default == pytest.approx(constriction, abs=5e-5)
    for name in ("own_pull", "leader_pull"):
        assert pso.OPTIONS[name].default == pytest.approx(constriction * phi / 2, abs=5e-5)


def test_two_steps_of_a_swarm_of_two() -> None:
    search = started("pso", column(0.2, 0.6), np.array([1.0, 0.0]), 3, Constant())
    # Velocities start at half the way to 0.5: 0.15 and -0.05; the leader is at 0.6; all draws are 1/2
    one, two = 0.7298 * 0.15 + 0.74809 * 0.4, 0.7298 * -0.05
    moved = next(search)
    assert moved.ravel() == pytest.approx([0.2 + one, 0.6 + two], abs=1e-14)
    # Nothing better was found, so both best positions stand
    x = 0.2 + one
    again = 0.7298 * one + 0.74809 * (0.2 - x) + 0.74809 * (0.6 - x)
    assert search.send(np.array([2.0, 3.0]))[0, 0] == pytest.approx(x + again, abs=1e-14)


def test_a_particle_stops_at_a_wall() -> None:
    positions, velocity = pso.fly(np.array([[0.9, 0.2, 0.5]]), np.array([[0.3, -0.2, 0.1]]))
    assert positions.tolist() == [[1.0, 0.0, 0.6]] and velocity.tolist() == [[0.0, -0.2, 0.1]]


def test_swarm_velocities_are_limited() -> None:
    moved = next(started("pso", column(0.2, 0.6), np.array([1.0, 0.0]), 2, Constant(), velocity_limit=0.02))
    assert moved.ravel() == pytest.approx([0.22, 0.58])


# --- geometric mean optimizer ---

STEEP = math.exp(4 / math.sqrt(math.e))  # exp of the slope for a standard deviation of 1: 11.31


def test_dual_fitness_of_three_agents() -> None:
    """Fitness 0, 1, 2 has mean 1 and sample deviation 1, so M = 1 / (1 + S), 1/2, S / (1 + S) with S = exp(4 / sqrt(e))."""
    worth = np.array([0.0, 1.0, 2.0])
    members = [1 / (1 + STEEP), 0.5, STEEP / (1 + STEEP)]
    assert np.exp(gmo.log_membership(worth)) == pytest.approx(members, rel=1e-14)
    products = [members[1] * members[2], members[0] * members[2], members[0] * members[1]]
    dual = np.exp(gmo.log_dual_fitness(worth))
    assert dual == pytest.approx(products, rel=1e-14)
    assert dual[0] > dual[1] > dual[2] and dual[0] / dual[2] == pytest.approx(11.314, abs=1e-3)


def test_guides_leave_the_agent_itself_out() -> None:
    best = np.array([[0.1, 0.9], [0.4, 0.3], [0.8, 0.2]])
    found = gmo.guides(best, np.array([0.0, 1.0, 2.0]), 2)
    # DFI is in proportion to 1 / M: 1 + S and 2 for the two of the elite
    third = ((1 + STEEP) * best[0] + 2 * best[1]) / (3 + STEEP)
    assert found == pytest.approx(np.array([best[1], best[0], third]), rel=1e-14)


def test_the_elite_shrinks_from_all_to_two() -> None:
    assert [gmo.elite_size(30, k, 100) for k in (1, 25, 50, 75, 99, 100)] == [30, 23, 16, 9, 2, 2]
    assert [gmo.elite_size(3, k, 2) for k in (1, 2)] == [3, 2]


FITNESS = arrays(float, 6, elements=st.floats(-100, 100, width=32))


@given(FITNESS, st.floats(0.01, 100), st.floats(-100, 100))
def test_dual_fitness_forgets_unit_and_origin_of_fitness(worth: np.ndarray, unit: float, shift: float) -> None:
    assume(worth.std() > 1e-3)
    assert gmo.log_dual_fitness(unit * worth + shift) == pytest.approx(gmo.log_dual_fitness(worth), abs=1e-6)


@given(FITNESS)
def test_dual_fitness_orders_agents_as_their_fitness_does(worth: np.ndarray) -> None:
    dual = gmo.log_dual_fitness(worth)
    assert (np.diff(dual[np.argsort(worth)]) <= 1e-9).all()


@given(arrays(float, (6, 3), elements=st.floats(0, 1)), FITNESS, st.integers(2, 6), st.floats(-5, 5))
def test_guides_are_means_wherever_the_box_lies(best: np.ndarray, worth: np.ndarray, size: int, shift: float) -> None:
    """A guide whose weights do not add up to 1 would move with the origin of the box."""
    found = gmo.guides(best, worth, size)
    assert (found >= best.min(axis=0) - 1e-12).all() and (found <= best.max(axis=0) + 1e-12).all()
    assert gmo.guides(best + shift, worth, size) == pytest.approx(found + shift, abs=1e-9)


def test_equal_fitness_weighs_equally() -> None:
    best = np.arange(5.0)[:, None]
    assert gmo.guides(best, np.full(5, 0.1), 5).ravel() == pytest.approx((10 - np.arange(5)) / 4)


def test_agents_without_fitness_guide_nobody_while_two_can() -> None:
    best = np.array([[0.0], [0.2], [0.6], [1.0]])
    assert gmo.guides(best, np.array([np.inf, 1.0, 2.0, np.inf]), 4).ravel()[[1, 2]] == pytest.approx([0.6, 0.2])
    # One alone weighs twice as much as an agent without: M = 1/2 against 1
    alone = gmo.guides(best, np.array([np.inf, 1.0, np.inf, np.inf]), 4).ravel()
    assert alone[0] == pytest.approx((2 * 0.2 + 0.6 + 1.0) / 4) and alone[1] == pytest.approx(1.6 / 3)
    assert gmo.guides(best, np.full(4, np.inf), 4)[0] == pytest.approx(1.8 / 3)


def test_the_last_step_goes_to_the_guide() -> None:
    """At k = K the weight is 0: no mutation, no old velocity, and a pull of 1."""
    first, values = np.array([[0.1, 0.9], [0.4, 0.3], [0.8, 0.2]]), np.array([0.0, 1.0, 2.0])
    moved = next(started("gmo", first, values, 2, np.random.default_rng(1), velocity_limit=1.0))
    assert moved == pytest.approx(gmo.guides(first, values, 2), abs=1e-15)


def test_a_step_of_the_geometric_mean_optimizer() -> None:
    """k = 2 of 4: weight 1/2, elite round(3 - 1/2) = 3, draws 3/4, normal draws 1, velocities start at v / 2."""
    first, values, limit = np.array([[0.1, 0.5], [0.4, 0.3], [0.6, 0.4]]), np.array([0.0, 1.0, 2.0]), 1.0
    moved = next(started("gmo", first, values, 4, Constant(0.75, normal=1.0), velocity_limit=limit))
    # Sample deviations of (0.1, 0.4, 0.6) and (0.5, 0.3, 0.4)
    deviation = np.array([math.sqrt(0.19 / 3), 0.1])
    members = np.array([1 / (1 + STEEP), 0.5, STEEP / (1 + STEEP)])
    for agent, others in enumerate(([1, 2], [0, 2], [0, 1])):
        guide = np.average(first[others], axis=0, weights=1 / members[others])
        target = guide + 0.5 * (deviation[0] - deviation)
        velocity = 0.5 * 0.5 + (1 + 0.5 * 0.5) * (target - first[agent])
        assert moved[agent] == pytest.approx(np.clip(first[agent] + velocity, 0, 1), abs=1e-12)


def test_an_agent_turns_back_at_a_wall() -> None:
    positions, velocity = gmo.fly(np.array([[0.9, 0.05, 0.5]]), np.array([[0.3, -0.2, 0.1]]))
    assert positions.tolist() == [[1.0, 0.0, 0.6]] and velocity.tolist() == [[-0.3, 0.2, 0.1]]


# --- whales ---


def test_encircling_and_spinning() -> None:
    here, prey = np.array([[0.2]]), np.array([[0.5]])
    assert woa.encircle(here, prey, 0.0, 0.7) == prey
    assert woa.encircle(here, prey, 0.5, 1.2)[0, 0] == pytest.approx(0.5 - 0.5 * abs(1.2 * 0.5 - 0.2))
    assert woa.spin(here, prey, 0.0, 1.0)[0, 0] == pytest.approx(0.8)
    assert woa.spin(here, prey, 0.25, 1.0)[0, 0] == pytest.approx(0.5)
    assert woa.spin(here, prey, -0.5, 1.0)[0, 0] == pytest.approx(0.5 - 0.3 * math.exp(-0.5))
    assert woa.spin(here, prey, -1.0, 2.0)[0, 0] == pytest.approx(0.5 + 0.3 * math.exp(-2))


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        # First step: a = 2. Draws of 1/2: tails, l = 0, so X* + |X* - X| with the prey at 0.6
        (0.5, [1.0, 0.6, 0.7]),
        # Draws of 1/4: heads, A = -1 and C = 1/2, so X' + |X' / 2 - X| with the first whale, at 0.2
        (0.25, [0.3, 0.7, 0.6]),
        # Draws of 0.4: heads, A = -0.4 and C = 0.8, so X* + 0.4 |0.8 X* - X|
        (0.4, [0.6 + 0.4 * 0.28, 0.6 + 0.4 * 0.12, 0.6 + 0.4 * 0.02]),
    ],
)
def test_the_first_step_of_three_whales(share: float, expected: list[float]) -> None:
    search = started("woa", column(0.2, 0.6, 0.5), np.array([2.0, 1.0, 3.0]), 10, Constant(share))
    assert next(search).ravel() == pytest.approx(expected)


def test_whales_follow_the_best_ever() -> None:
    """With draws of 1/2 a whale lands on the other side of the prey; the prey moves where fitness is better."""
    search = started("woa", column(0.4, 0.6, 0.5), np.array([2.0, 1.0, 3.0]), 10, Constant(0.5))
    assert next(search).ravel() == pytest.approx([0.8, 0.6, 0.7])
    assert search.send(np.array([5.0, 1.0, 0.0])).ravel() == pytest.approx([0.8, 0.8, 0.7])


def test_the_reach_of_whales_shrinks() -> None:
    """Draws of 1/4 give A = -a / 2: -1 in the first of ten steps, then -0.9 and so around the prey."""
    search = started("woa", column(0.2, 0.6, 0.5), np.array([2.0, 1.0, 3.0]), 10, Constant(0.25))
    assert next(search).ravel() == pytest.approx([0.3, 0.7, 0.6])
    assert search.send(np.full(3, 9.0)).ravel() == pytest.approx([0.6, 0.6 + 0.9 * 0.4, 0.6 + 0.9 * 0.3])


def test_whales_never_leave_zero() -> None:
    first = np.random.default_rng(0).random((5, 2)) * [1, 0]
    search = started("woa", first, np.arange(5.0), 20, np.random.default_rng(1))
    moved = [next(search), *(search.send(np.arange(5.0)) for _ in range(18))]
    assert not np.array(moved)[:, :, 1].any() and np.array(moved)[:, :, 0].std() > 0.05


# --- great wall construction ---


def test_gamma_density_is_the_named_one() -> None:
    for x in (0.01, 0.5, 1.0, 48.0, 99.0):
        assert gwca.density(x, 9, 6) == pytest.approx(scipy.stats.gamma.pdf(x, 9, scale=6), rel=1e-10)
    assert gwca.density(48, 9, 6) == pytest.approx(0.0233, abs=1e-4)


def test_spread_falls_from_three_to_two() -> None:
    assert gwca.spread(1.0) == pytest.approx(3) and gwca.spread(0.0) == pytest.approx(2)


def test_the_three_best_differ_in_fitness() -> None:
    positions, values = gwca.three_best(column(0, 1, 2, 3, 4), np.array([3.0, 1.0, 1.0, 2.0, 9.0]))
    assert positions.ravel().tolist() == [1, 3, 0] and values.tolist() == [1, 2, 3]
    positions, values = gwca.three_best(column(0, 1), np.array([2.0, 1.0]))
    assert positions.ravel().tolist() == [1, 0, 1]


def test_soldiers_leave_the_better_peer() -> None:
    away = gwca.away_from_nearest(column(0.1, 0.4, 0.9), np.array([1.0, 2.0, 5.0]))
    # Peers by fitness: second, first, second; the second sees a better one at 0.1, so its step points up
    assert away.ravel() == pytest.approx([0.3, 0.3, 0.5])
    assert gwca.away_from_nearest(
        column(0.1, 0.4, 0.9), np.array([1.0, np.inf, np.inf])
    ).ravel().tolist() == pytest.approx([0.3, 0, 0])


@pytest.mark.parametrize(
    ("role", "side", "expected"),
    [
        # The last step: height 0, so no speed. L1, L2, L3 = 0.6, 0.2, 0.8; draws of 1/2
        (0, -1, [0.6 + 0.5 * (x - 0.6) for x in (0.2, 0.6, 0.8, 0.9)]),
        (1, 1, [(x + 0.2) / 2 for x in (0.2, 0.6, 0.8, 0.9)]),
        (2, 1, [0.8] * 4),
    ],
)
def test_the_last_step_of_four_workers(role: int, side: int, expected: list[float]) -> None:
    first, values = column(0.2, 0.6, 0.8, 0.9), np.array([2.0, 1.0, 3.0, 4.0])
    assert next(started("gwca", first, values, 2, Constant(0.5, role))).ravel() == pytest.approx(expected)


def test_an_engineer_at_speed() -> None:
    """t = 1 of 2 with draws of 1/2: height 1/2, theta = 40, s = -1."""
    first, values = column(0.2, 0.6, 0.8, 0.9), np.array([2.0, 1.0, 3.0, 4.0])
    moved = next(started("gwca", first, values, 3, Constant(0.5, 0), scale=0.2))
    speed = (8.3 * 0.5 / 3 - 9.8 * 0.5 / math.sin(40)) * math.log((math.e**3 + math.e**2) / 2)
    speed *= scipy.stats.gamma.pdf(1, 9, scale=0.2)
    assert abs(speed) > 0.3
    assert moved.ravel() == pytest.approx(
        [np.clip(0.6 - 0.5 * (0.6 - x) + 0.5 * speed * x, 0, 1) for x in first.ravel()]
    )


def test_a_soldier_at_speed() -> None:
    """t = 1 of 2 with draws of 1/2, density exp(-x), weak gravity: everyone leaves the better or nears the worse peer."""
    first, values = column(0.2, 0.6, 0.8, 0.9), np.array([2.0, 1.0, 3.5, 5.5])
    moved = next(started("gwca", first, values, 3, Constant(0.5, 1), shape=1, scale=1, gravity=0.2))
    speed = 3 * 0.2 * 0.5 / math.sin(40) * math.log((math.e**3 + math.e**2) / 2) * math.exp(-0.5)
    flights = [-(0.6 - 0.2), 0.2 - 0.6, -(0.2 - 0.8), -(0.8 - 0.9)]
    wanted = [x + 0.5 * speed * flight + 0.5 * (0.2 - x) for x, flight in zip(first.ravel(), flights, strict=True)]
    assert moved.ravel() == pytest.approx(np.clip(wanted, 0, 1))


def test_labourers_remember_their_own_best() -> None:
    first, values = column(0.2, 0.6, 0.8, 0.9), np.array([2.0, 1.0, 3.0, 4.0])
    search = started("gwca", first, values, 3, Constant(0.5, 2), shape=1, scale=1, eliminated=0)
    assert next(search).ravel() == pytest.approx([0.8] * 4)
    assert search.send(np.full(4, 9.0)) == pytest.approx(0.8 + math.exp(-1) * (first - 0.8))


def test_the_worst_workers_are_replaced() -> None:
    """Engineers that start from a replaced position: with draws of 1/2 the worst worker is sent to 1/2."""
    first, values = column(0.2, 0.6, 0.8, 0.9), np.array([2.0, 1.0, 3.0, 4.0])
    search = started("gwca", first, values, 3, Constant(0.5, 0), eliminated=0.3, thrust=0, gravity=0)
    assert next(search).ravel() == pytest.approx([0.4, 0.6, 0.7, 0.75])
    assert search.send(np.array([9.0, 2.0, 8.0, 3.0])).ravel() == pytest.approx([0.55, 0.6, 0.55, 0.675])


# --- genetic algorithm ---

GENES = st.floats(0, 1)
DRAWS = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize("index", [0, 1, 15])
def test_children_at_known_draws(index: float) -> None:
    mothers, fathers = np.array([0.6]), np.array([0.2])
    low, high = ga.children_of(mothers, fathers, np.array([0.0]), index)
    assert [*low, *high] == pytest.approx([0.4, 0.4])
    # The spread at which each child meets its bound: 1 + 2 * 0.2 / 0.4 and 1 + 2 * 0.4 / 0.4
    for limit, side, parent in ((2.0, 0, 0.2), (3.0, 1, 0.6)):
        alpha = 2 - limit ** -(index + 1)
        assert ga.children_of(mothers, fathers, np.array([1 / alpha]), index)[side][0] == pytest.approx(parent)
        assert ga.children_of(mothers, fathers, np.array([1.0]), index)[side][0] == pytest.approx(float(side))


@given(DRAWS, st.integers(1, 30))
def test_spread_far_from_the_bounds_is_debs(draw: float, index: int) -> None:
    """Near parents in the middle hardly see the bounds: beta = (2u)^(1/(n+1)), or (1/(2(1-u)))^(1/(n+1)) above 1/2."""
    assume(draw < 0.999)
    apart = 1e-6
    low, high = ga.children_of(np.array([0.5 - apart / 2]), np.array([0.5 + apart / 2]), np.array([draw]), index)
    beta = (2 * draw if draw <= 0.5 else 1 / (2 * (1 - draw))) ** (1 / (index + 1))
    assert (high - low) / apart == pytest.approx(beta, abs=1e-5)
    assert high + low == pytest.approx(1, abs=1e-12)


@given(GENES, GENES, DRAWS, st.floats(0, 100))
def test_children_stay_in_the_box(mother: float, father: float, draw: float, index: float) -> None:
    low, high = ga.children_of(np.array([mother]), np.array([father]), np.array([draw]), index)
    assert 0 <= low <= high <= 1


@given(GENES, st.integers(0, 40))
def test_mutation_at_known_draws(gene: float, index: int) -> None:
    moved = ga.mutated(np.full(3, gene), np.array([0.0, 0.5, 1.0]), index)
    assert moved == pytest.approx([0, gene, 1], abs=1e-9)


@given(GENES, GENES, GENES, st.integers(0, 40))
def test_mutation_rises_with_its_draw_within_the_box(gene: float, one: float, other: float, index: int) -> None:
    moved = ga.mutated(np.full(2, gene), np.array(sorted((one, other))), index)
    assert 0 <= moved[0] <= moved[1] + 1e-12 and moved[1] <= 1


def test_half_of_the_genes_of_crossing_pairs_cross_and_change_sides_at_random() -> None:
    pairs, genes = 400, 100
    mothers, fathers = np.full((pairs, genes), 0.7), np.full((pairs, genes), 0.3)
    children = ga.cross(mothers, fathers, 0.9, 15.0, np.random.default_rng(3))
    first = children[:pairs]
    assert children.shape == (2 * pairs, genes) and first + children[pairs:] == pytest.approx(1)
    crossed = first != 0.7
    assert crossed.any(axis=1).mean() == pytest.approx(0.9, abs=5 * math.sqrt(0.09 / pairs))
    assert crossed[crossed.any(axis=1)].mean() == pytest.approx(0.5, abs=5 * math.sqrt(0.25 / (0.9 * pairs * genes)))
    assert (first[crossed] < 0.5).mean() == pytest.approx(0.5, abs=5 * math.sqrt(0.25 / crossed.sum()))


def test_tournaments_favour_the_best() -> None:
    """The best of n candidates wins a tournament of k drawn with replacement with probability 1 - (1 - 1/n)^k."""
    worth = np.array([3.0, 1.0, np.inf, 2.0, 5.0])
    for size in (1, 2, 4):
        winners = ga.select(worth, 20_000, size, np.random.default_rng(size))
        chance = 1 - 0.8**size
        assert np.mean(winners == 1) == pytest.approx(chance, abs=5 * math.sqrt(chance * (1 - chance) / 20_000))


def test_the_best_of_parents_and_children_survive() -> None:
    """Children without crossover and mutation are copies of winners, so the second generation shows who survived."""
    first, values = column(0.1, 0.2, 0.3, 0.4), np.array([4.0, 1.0, 2.0, 3.0])
    rng = np.random.default_rng(0)
    search = started("ga", first, values, 3, rng, crossover=0, mutations=0, tournament=100)
    children = next(search)
    assert np.isin(children, first).all()
    # All children are told to be worthless: the parents stay, and the best of them wins every tournament of 100
    assert search.send(np.full(4, np.inf)).ravel().tolist() == [0.2] * 4
