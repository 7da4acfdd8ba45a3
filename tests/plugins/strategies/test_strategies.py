"""What each strategy promises on its own."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellwright.plugins import (
    PPO,
    Auto,
    HybridReinforce,
    LocalSearch,
    ParetoEvolution,
    ParetoPredictor,
    PredictorGuided,
    RandomSearch,
    RegularizedEvolution,
    Reinforce,
    RollingWindow,
    make_strategy,
)
from cellwright.plugins.strategies.checks import check_strategy
from cellwright.plugins.strategies.ppo import clipped_weights
from cellwright.search_spaces import (
    Decision,
    Float,
    InvalidArchitecture,
    NASNetSpace,
    SearchSpace,
)

BOOK = NASNetSpace()
FIFTY = SearchSpace(BOOK.decisions)  # the same decisions without their symmetries
STRATEGIES = {  # with small controllers: the contract is the same for any width
    "random": RandomSearch,
    "random on two objectives": lambda space, seed: RandomSearch(space, seed=seed, objectives=2),
    "evolution": RegularizedEvolution,
    "small evolution": lambda space, seed: RegularizedEvolution(
        space, seed=seed, population=5, sample=2
    ),
    "reinforce": lambda space, seed: Reinforce(space, seed=seed, units=8),
    "reinforce lstm": lambda space, seed: Reinforce(
        space, seed=seed, cell="lstm", batch=3, units=8
    ),
    "reinforce as in the book": lambda space, seed: Reinforce.book(
        space, seed=seed, exploration=0.3, units=8
    ),
    "ppo": lambda space, seed: PPO(space, seed=seed, batch=5, units=8),
    "predictor": PredictorGuided,
    "local": LocalSearch,
    "pareto": ParetoEvolution,
    "pareto on three objectives": lambda space, seed: ParetoEvolution(
        space, seed=seed, objectives=3, population=5, crossover=1.0
    ),
    "pareto predictor": ParetoPredictor,
    "pareto predictor on three objectives": lambda space, seed: ParetoPredictor(
        space, seed=seed, objectives=3, initial=4, most=30
    ),
    "ppo as in the paper": lambda space, seed: PPO.nasnet(space, seed=seed, batch=10, units=8),
}


def additive_score(seed):
    """A score in [0, 1] whose best architecture is known, with each decision's labels shuffled."""
    rng = np.random.default_rng((seed, 99))
    tables = [rng.random(len(d.choices)) for d in FIFTY.decisions]
    low, high = sum(t.min() for t in tables), sum(t.max() for t in tables)

    def score(params):
        chosen = zip(tables, FIFTY.encode(params), strict=True)
        return (sum(t[i] for t, i in chosen) - low) / (high - low)

    return score


def run(strategy, score, trials, noise=0.02):
    """Noisy rewards in, true scores out."""
    rng = np.random.default_rng(strategy.seed)
    scores = []
    for number in range(trials):
        params = strategy.ask(number)
        scores.append(score(params))
        strategy.tell(number, params, scores[-1] + noise * rng.normal())
    return scores


@pytest.mark.parametrize("name", STRATEGIES)
def test_contract(name):
    check_strategy(lambda space, seed: STRATEGIES[name](space, seed=seed))


@pytest.mark.parametrize(
    ("objectives", "reward", "message"),
    [
        (1, (0.5, 0.5), "must be one number"),
        (1, [0.5], "must be one number"),
        (2, 0.5, "must be a tuple of 2"),
        (2, (0.5, 0.5, 0.5), "must be a tuple of 2"),
        (2, (0.5, float("nan")), "finite"),
    ],
)
def test_a_reward_has_a_number_for_each_objective(objectives, reward, message):
    strategy = RandomSearch(BOOK, seed=0, objectives=objectives)
    with pytest.raises(ValueError, match=message):
        strategy.tell(0, strategy.ask(0), reward)
    assert strategy.history == ()


def test_several_objectives_are_told_and_followed_as_tuples():
    strategy = RandomSearch(BOOK, seed=0, objectives=2)
    strategy.tell(0, strategy.ask(0), [1, np.float64(0.5)])
    strategy.tell(1, strategy.ask(1), None)
    assert [told.reward for told in strategy.history] == [(1.0, 0.5), None]
    again = RandomSearch(BOOK, seed=0, objectives=2)
    again.follow(strategy.history)
    assert again.ask(2) == strategy.ask(2)


LONG = {"reinforce as in the book", "pareto predictor", "pareto predictor on three objectives"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in STRATEGIES],
)
def test_contract_on_the_space_of_the_book(name):
    check_strategy(lambda space, seed: STRATEGIES[name](space, seed=seed), BOOK)


@pytest.mark.parametrize("strategy", [RegularizedEvolution, Reinforce, PPO])
def test_beats_random_search_clearly(strategy):
    """On 50 decisions with shuffled labels and noise, the last 50 of 300 trials, three seeds."""
    for seed in range(3):
        score = additive_score(seed)
        found = run(strategy(FIFTY, seed=seed), score, 300)
        drawn = run(RandomSearch(FIFTY, seed=seed), score, 300)
        assert np.mean(found[-50:]) > np.max(drawn)


def test_evolution_takes_parents_from_the_population_alone():
    """The best architecture ever has left the population: its neighbours are not tried."""
    space = SearchSpace([Decision(f"d{i}", tuple("abcdefgh")) for i in range(20)])
    strategy = RegularizedEvolution(space, seed=0, population=4, sample=4, crossover=0)
    old = space.decode((7,) * 20)
    strategy.tell(0, old, 100.0)
    rng = np.random.default_rng(0)
    members = [space.sample(rng) for _ in range(4)]
    for number, params in enumerate(members, start=1):
        strategy.tell(number, params, float(number))

    def distance(a, b):
        return sum(a[name] != b[name] for name in space.names)

    child = strategy.ask(5)
    assert distance(child, members[3]) == 1  # with a sample this large, nearly surely the best
    assert distance(child, old) > 1


def test_evolution_crosses_two_parents():
    """Every decision is one of two members'; where the child is a parent, it is mutated."""
    space = SearchSpace([Decision(f"d{i}", tuple("abcdefgh")) for i in range(20)])
    strategy = RegularizedEvolution(space, seed=0, initial=2, sample=1, crossover=1)
    strategy.tell(0, space.decode((0,) * 20), 1.0)
    strategy.tell(1, space.decode((7,) * 20), 1.0)
    children = [space.encode(strategy.ask(number)) for number in range(2, 22)]
    crossed = [child for child in children if set(child) == {0, 7}]
    others = [child for child in children if child not in crossed]
    assert crossed
    assert others  # both parents were the same one
    assert all(max(child.count(0), child.count(7)) == 19 for child in others)
    shares = [child.count(7) / 20 for child in crossed]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("population", "initial"), [(10, 10), (10, 50), (30, 10)])
def test_evolution_draws_at_random_before_its_first_tournament(population, initial):
    space = SearchSpace([Decision(f"d{i}", tuple("abcdefgh")) for i in range(20)])
    evolution = RegularizedEvolution(space, seed=5, population=population, initial=initial)
    random = RandomSearch(space, seed=5)
    for number in range(10):
        params = evolution.ask(number)
        assert params == random.ask(number)
        evolution.tell(number, params, 1.0)
        evolution.tell(number, params, None)  # failures do not fill it
    assert evolution.ask(10) != random.ask(10)


def test_exploration_share_is_drawn_uniformly():
    space = SearchSpace([Decision("a", (0, 1)), Decision("b", (0, 1))])
    strategy = Reinforce(
        space, seed=0, exploration=0.4, learning_rate=0.5, batch=1, imitation=0, entropy_weight=0
    )
    for number in range(60):
        strategy.tell(number, {"a": 1, "b": 1}, 1.0 if number % 2 else 0.9)
        strategy.tell(number, {"a": 0, "b": 0}, 0.0)
    strategy._known.clear()  # the four points of this space are all known
    share = np.mean([strategy.ask(n) == {"a": 0, "b": 0} for n in range(2000)])
    assert share == pytest.approx(0.4 / 4, abs=0.03)


@pytest.mark.parametrize("exploration", [0.0, 0.2])
def test_uniform_draws_do_not_move_the_policy_as_if_they_were_its_own(exploration):
    """Told what the policy hardly ever draws, it changes far less than by a draw of its own."""
    strange = FIFTY.decode([len(d.choices) - 1 for d in FIFTY.decisions])

    def moved(params):
        strategy = Reinforce(
            FIFTY, seed=1, exploration=exploration, batch=1, epochs=1, entropy_weight=0, imitation=0
        )
        controller = strategy.controller
        controller["output_bias"][:, 0] = 3.0  # a policy that is sure of first choices
        controller.changed()
        before = controller.weights.copy()
        strategy.tell(0, params, 0.0)
        strategy.tell(1, params, 1.0)
        gradient = controller.gradient.copy()
        assert np.isfinite(before).all()
        return np.abs(gradient).sum()

    usual = FIFTY.decode([0] * 50)
    assert moved(strange) < 1e-3 * moved(usual)


def test_one_epoch_of_ppo_is_reinforce():
    alike = {"seed": 3, "cell": "lstm", "batch": 5, "entropy_weight": 0.01, "epochs": 1}
    strategies = PPO(FIFTY, **alike), Reinforce(FIFTY, **alike)
    score = additive_score(0)
    ppo, reinforce = (run(strategy, score, 30) for strategy in strategies)
    assert ppo == reinforce


def test_clipped_weights_are_the_gradient_of_the_surrogate():
    ratio = np.array([[0.5, 0.9, 1.0, 1.1, 1.5]] * 2)
    advantage = np.array([[2.0], [-3.0]])

    def surrogate(log_ratio):
        r = np.exp(log_ratio)
        return np.minimum(r * advantage, np.clip(r, 0.8, 1.2) * advantage)

    step = 1e-6
    slope = (surrogate(np.log(ratio) + step) - surrogate(np.log(ratio) - step)) / (2 * step)
    np.testing.assert_allclose(clipped_weights(ratio, advantage, 0.2), slope, atol=1e-6)


def test_ppo_leaves_alone_what_has_moved_far_enough():
    """Forty steps on one batch move no probability as far as forty without the clip do."""

    def moved(clip):
        strategy = PPO(FIFTY, seed=1, batch=4, epochs=40, clip=clip, imitation=0)
        rng = np.random.default_rng(0)
        points = [FIFTY.sample(rng) for _ in range(4)]
        actions = np.array([FIFTY.encode(params) for params in points])
        before = strategy.controller.log_probability(actions)
        for number, params in enumerate(points):
            strategy.tell(number, params, float(number))
        return np.abs(strategy.controller.log_probability(actions) - before).max()

    assert moved(0.1) < 0.5 * moved(1e9)


def test_reward_scale_does_not_matter_when_standardised():
    def proposals(scale, shift):
        strategy = Reinforce(FIFTY, seed=2)
        score = additive_score(0)
        for number in range(40):
            params = strategy.ask(number)
            strategy.tell(number, params, scale * score(params) + shift)
        return strategy.ask(40)

    assert proposals(1.0, 0.0) == proposals(1024.0, 0.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomSearch(BOOK, seed=-1), "seed"),
        (lambda: RandomSearch(BOOK, seed=1.5), "seed"),
        (lambda: RandomSearch(BOOK, seed=True), "seed"),
        (lambda: RandomSearch(BOOK, objectives=0), "objectives"),
        (lambda: ParetoPredictor(BOOK, objectives=10**9), "objectives"),
        (lambda: RegularizedEvolution(BOOK, population=1), "population"),
        (lambda: RegularizedEvolution(BOOK, sample=0), "sample"),
        (lambda: RegularizedEvolution(BOOK, initial=0), "initial"),
        (lambda: RegularizedEvolution(BOOK, crossover=1.5), "crossover"),
        (lambda: LocalSearch(BOOK, initial=0), "initial"),
        (lambda: Reinforce(BOOK, batch=0), "batch"),
        (lambda: Reinforce(BOOK, exploration=1.0), "exploration"),
        (lambda: Reinforce(BOOK, entropy_weight=-1), "entropy_weight"),
        (lambda: Reinforce(BOOK, cell="gru"), "cell"),
        (lambda: Reinforce(BOOK, learning_rate=0), "learning_rate"),
        (lambda: Reinforce(BOOK, epochs=0), "epochs"),
        (lambda: Reinforce(BOOK, imitation=-1), "imitation"),
        (lambda: Reinforce(BOOK, entropy_rise=0.5), "entropy_rise"),
        (lambda: PPO(BOOK, epochs=0), "epochs"),
        (lambda: PPO(BOOK, clip=0), "clip"),
        (lambda: ParetoEvolution(BOOK, objectives=1), "objectives"),
        (lambda: ParetoEvolution(BOOK, population=1), "population"),
        (lambda: ParetoEvolution(BOOK, sample=0), "sample"),
        (lambda: ParetoEvolution(BOOK, initial=0), "initial"),
        (lambda: ParetoEvolution(BOOK, crossover=1.5), "crossover"),
        (lambda: ParetoPredictor(BOOK, objectives=1), "objectives"),
        (lambda: ParetoPredictor(BOOK, initial=1), "initial"),
        (lambda: ParetoPredictor(BOOK, most=9), "most must be at least initial, 10"),
    ],
)
def test_arguments_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "unknown"),
    [
        (Reinforce, "unitz"),
        (Reinforce.book, "unitz"),
        (Reinforce.layerwise, "clip"),
        (PPO, "exploration"),
        (PPO.nasnet, "unitz"),
        (HybridReinforce, "standardise"),
    ],
)
def test_unknown_arguments_are_refused_with_those_that_there_are(make, unknown):
    with pytest.raises(TypeError, match=f"'{unknown}'; the arguments are .*learning_rate, .*seed"):
        make(BOOK, **{unknown: 1})


def test_a_strategy_by_name_refuses_unknown_arguments_and_takes_its_objectives():
    with pytest.raises(ValueError, match="'ppo' cannot be made so: unknown argument 'unitz'"):
        make_strategy("ppo", BOOK, unitz=3)
    assert make_strategy("pareto", BOOK, objectives=3).objectives == 3


def test_auto_is_the_predictor_of_several_objectives_where_there_are_several():
    assert type(make_strategy("auto", BOOK, objectives=1)) is Auto
    several = make_strategy("auto", BOOK, seed=1, objectives=3)
    assert repr(several) == repr(ParetoPredictor(BOOK, seed=1, objectives=3))


@pytest.mark.parametrize(
    ("column", "strategy"), list(enumerate([Reinforce, PPO, HybridReinforce], 1))
)
def test_the_documents_have_the_defaults_that_are_used(column, strategy):
    used = {name: value for name, value in strategy._defaults.items() if name != "baseline"}
    told = re.findall(r"``(\w+)``\s+\(([^()`]+)\)", strategy.__doc__)
    assert {name: ast.literal_eval(value) for name, value in told} == used
    text = (Path(__file__).parents[3] / "docs" / "strategies.md").read_text(encoding="utf-8")
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    cells = {row[0]: row[column] for row in rows if row and row[0] in PPO._defaults}
    said = {name: cell for name, cell in cells.items() if name != "baseline" and cell != "-"}
    assert {name: ast.literal_eval(value) for name, value in said.items()} == used


@pytest.mark.parametrize("strategy", [Reinforce, PPO, HybridReinforce])
def test_options_of_the_controller_reach_it(strategy):
    options = {"units": 6, "batch": 2, "layers": 2, "initial": 0.3, "cell": "nas"}
    made = strategy(BOOK, seed=0, learning_rate=0.5, entropy_weight=0.25, **options)
    assert made.controller["recurrent_2"].shape == (6, 8 * 6)  # a second layer of the NAS cell
    assert 0.25 < np.abs(made.controller["output"]).max() <= 0.3
    before = made.controller.weights.copy()
    for number, reward in enumerate((0.1, 0.9)):
        made.tell(number, made.ask(number), reward)
    assert not np.array_equal(made.controller.weights, before)
    assert (made.entropy_weight, made._optimizer.learning_rate) == (0.25, 0.5)


def test_without_a_seed_two_strategies_differ():
    assert RandomSearch(BOOK).ask(0) != RandomSearch(BOOK).ask(0)


@settings(max_examples=25, deadline=None)
@given(
    results=st.lists(
        st.tuples(
            st.integers(0, 10_000),
            st.integers(0, 2**32 - 1),
            st.none()
            | st.tuples(*[st.floats(allow_nan=False, allow_infinity=False, width=32)] * 3),
        ),
        max_size=25,
    ),
    name=st.sampled_from(sorted(STRATEGIES)),
)
def test_any_results_leave_a_strategy_that_answers(results, name):
    strategy = STRATEGIES[name](BOOK, seed=0)
    for number, draw, rewards in results:
        reward = rewards and rewards[: strategy.objectives]
        reward = reward[0] if reward and strategy.objectives == 1 else reward
        strategy.tell(number, BOOK.sample(np.random.default_rng(draw)), reward)
    BOOK.validate(strategy.ask(3))
    again = STRATEGIES[name](BOOK, seed=0)
    again.follow(strategy.history)
    assert again.ask(3) == strategy.ask(3)


@pytest.mark.parametrize(
    ("strategy", "text"),
    [
        (RandomSearch(FIFTY, seed=3), "seed=3)"),
        (RandomSearch(FIFTY, seed=3, objectives=2), "seed=3, objectives=2)"),
        (RegularizedEvolution(FIFTY, seed=3, population=9), "seed=3, population=9, initial=9)"),
        (PPO(FIFTY, seed=3, epochs=5, batch=4), "seed=3, epochs=5, batch=4)"),
        (ParetoPredictor(FIFTY, seed=3, initial=6), "seed=3, initial=6)"),
        (
            Reinforce(FIFTY, seed=3, baseline=RollingWindow(9)),
            "seed=3, baseline=RollingWindow(size=9, start=(0.1,)))",
        ),
    ],
)
def test_a_strategy_says_what_it_is(strategy, text):
    assert repr(strategy) == f"{type(strategy).__name__}({FIFTY!r}, {text}"


def test_a_fixed_decision_must_be_allowed():
    with pytest.raises(InvalidArchitecture, match="choose one of"):
        RandomSearch(FIFTY, seed=0).ask(0, fixed={FIFTY.names[0]: "z"})


def test_of_a_fixed_number_the_nearest_level_is_proposed():
    space = SearchSpace([Decision("a", (1, 2)), Float("rate", 1e-4, 1e-2, log=True)])
    for make in STRATEGIES.values():
        assert make(space, seed=0).ask(0, fixed={"rate": 0.0031})["rate"] == 0.00316228
