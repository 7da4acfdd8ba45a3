"""The search that a predictor guides: what it learns from, and what it says of its proposals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cellwright.plugins import (
    Auto,
    LocalSearch,
    PredictorGuided,
    RandomSearch,
    RegularizedEvolution,
    Told,
)
from cellwright.plugins.strategies.predictor import log_expected_improvement
from cellwright.plugins.strategies.surrogate.candidates import Candidates
from cellwright.plugins.strategies.surrogate.features import Features
from cellwright.plugins.strategies.surrogate.gaussian_process import GaussianProcess
from cellwright.plugins.strategies.surrogate.reward_scale import RewardScale
from cellwright.search_spaces import Decision, NASNetSpace, SearchSpace

BOOK = NASNetSpace()
FIFTY = SearchSpace(BOOK.decisions)  # the same decisions without their symmetries
PAIRS = SearchSpace(Decision(f"d{i}", tuple("abcde")) for i in range(12))


def pair_score(seed):
    """Sums over pairs of decisions, labels shuffled; told with noise by `run`."""
    rng = np.random.default_rng((seed, 7))
    pairs = [rng.choice(12, size=2, replace=False) for _ in range(18)]
    tables = rng.normal(size=(18, 5, 5))

    def score(params):
        indices = PAIRS.encode(params)
        return sum(t[indices[a], indices[b]] for t, (a, b) in zip(tables, pairs, strict=True))

    return score


def run(strategy, score, trials, noise=0.3):
    """Noisy rewards in, true scores out."""
    rng = np.random.default_rng(strategy.seed)
    scores = []
    for number in range(trials):
        params = strategy.ask(number)
        scores.append(score(params))
        strategy.tell(number, params, scores[-1] + noise * rng.normal())
    return np.array(scores)


def told(space, trials, reward=lambda number: float(number % 7)):
    rng = np.random.default_rng(0)
    return [Told(number, space.sample(rng), reward(number)) for number in range(trials)]


def test_choices_of_several_words_are_alike_where_words_are():
    space = SearchSpace([Decision("layer", ("8 relu", "8 tanh", "16 relu", "64 relu", "output"))])
    features = Features(space)
    rows = features(np.arange(5)[:, None])
    assert rows.shape == (5, 5 + 2 + 1), "one-hot, the words 8 and relu, and the rank of the number"
    distance = np.linalg.norm(rows[:, None] - rows[None, :], axis=2)
    assert distance[0, 2] < distance[1, 2], "8 relu is more like 16 relu than 8 tanh is"
    assert distance[2, 3] < distance[0, 3], "and 16 more like 64 than 8 is"
    assert rows[4, -1] == 0, "without a number it is in the middle"
    assert len(set(features.groups[-3:])) == 2, "words together, the number on its own"


def test_a_word_of_all_choices_is_no_feature():
    space = SearchSpace([Decision("layer", ("4 relu", "8 relu", "16 relu", "16 relu wide"))])
    features = Features(space)(np.arange(4)[:, None])
    assert np.isfinite(features).all()
    strategy = PredictorGuided(space, seed=0, initial=2)
    for number in range(6):
        params = strategy.ask(number)
        strategy.tell(number, params, float(space.encode(params)[0]))


def test_finds_in_60_trials_what_random_search_does_not_find_in_1000():
    for seed in range(3):
        score = pair_score(seed)
        found = run(PredictorGuided(PAIRS, seed=seed), score, 60)
        random = RandomSearch(PAIRS, seed=seed)
        drawn = [score(random.ask(number)) for number in range(1000)]
        assert np.max(found) > np.max(drawn)


def test_guides_from_the_fifth_result():
    score = pair_score(0)
    strategy = PredictorGuided(PAIRS, seed=0)
    run(strategy, score, 4)
    assert strategy.predict(strategy.ask(4)) is None
    after = []
    for seed in range(8):
        strategy = PredictorGuided(PAIRS, seed=seed)
        scores = run(strategy, pair_score(seed), 13)
        assert strategy.predict(strategy.ask(13)) is not None
        after.append(np.mean(scores[5:]) - np.mean(scores[:5]))
    assert np.mean(after) > 0


def test_predicts_in_the_unit_of_rewards_and_knows_how_sure_it_is():
    """On architectures not told: close to the truth, and within two deviations mostly."""
    score = pair_score(1)
    strategy = PredictorGuided(PAIRS, seed=1)
    rng = np.random.default_rng(1)
    for number in range(150):
        params = PAIRS.sample(rng)
        strategy.tell(number, params, 100 + score(params) + 0.3 * rng.normal())
    unseen = [PAIRS.sample(rng) for _ in range(200)]
    truth = np.array([100 + score(params) for params in unseen])
    mean, std = np.array([strategy.predict(params) for params in unseen]).T
    assert np.corrcoef(mean, truth)[0, 1] > 0.4
    assert np.mean(np.abs(mean - truth) < 2 * std) > 0.8
    assert np.abs(mean - truth).mean() < np.abs(truth - truth.mean()).mean()


def test_begins_after_many_failures():
    """Its hyperparameters are then learned from results that all failed."""
    strategy, score = PredictorGuided(PAIRS, seed=0), pair_score(0)
    for number in range(112):
        params = strategy.ask(number)
        strategy.tell(number, params, None if number < 100 else score(params))
    assert strategy.ask(112) not in [told.params for told in strategy.history]


def test_learns_that_a_choice_fails():
    """Children with one choice fail: it is soon avoided."""
    strategy = PredictorGuided(PAIRS, seed=0)
    score = pair_score(0)
    fails = []
    for number in range(60):
        params = strategy.ask(number)
        fails.append(params["d3"] == "b" or params["d4"] == "c")
        strategy.tell(number, params, None if fails[-1] else score(params))
    assert sum(fails[:10]) >= 2  # two in ten, about four are expected
    assert sum(fails[-30:]) <= 3


@pytest.mark.parametrize("reward", [None, 0.0, 3.5, 1e-300, -1e300])
def test_results_that_are_all_alike_leave_it_searching(reward):
    strategy = PredictorGuided(PAIRS, seed=0)
    for number in range(25):
        strategy.tell(number, strategy.ask(number), reward)
    expected = strategy.predict(strategy.ask(25))
    if reward is None:
        assert expected is None
    else:
        # Nothing is known of the unit where there are penalties only.
        assert expected.mean == pytest.approx(reward if reward > -1e300 else -1, abs=0.01)
        assert np.isfinite(expected.std)


def test_more_results_than_it_is_fitted_to():
    """The best and the latest stay; what it is fitted to does not grow."""
    strategy = PredictorGuided(PAIRS, seed=0, most=20)
    history = told(PAIRS, 90, reward=lambda number: 100.0 - number)
    strategy.follow(history)
    keys, rewards = strategy._training_set(90)
    assert sorted(rewards) == [100.0 - n for n in (*range(89, 79, -1), *range(9, -1, -1))]
    assert keys.shape == (20, 12)


def test_a_restart_on_5000_results_is_quick():
    """One fit, whatever the number of results: counted in steps of work, not in seconds."""
    strategy = PredictorGuided(FIFTY, seed=0)
    strategy.follow(told(FIFTY, 5000))
    assert strategy._model is None
    assert strategy._process is None
    strategy.ask(5000)
    model = strategy._model
    strategy.ask(5001)
    assert strategy._model is model
    assert model.told == 5000
    assert len(model.process._weights) == strategy.most


def test_workers_beside_each_other_get_good_and_different_networks():
    score = pair_score(2)
    strategy = PredictorGuided(PAIRS, seed=2)
    scores = run(strategy, score, 60)
    running = []
    for number in range(60, 68):
        running.append(strategy.ask(number, running))
    assert len({PAIRS.key(params) for params in running}) == 8
    assert np.mean([score(params) for params in running]) > np.quantile(scores, 0.5)


def test_auto_is_the_predictor_and_evolution_has_its_turns_later():
    history = told(PAIRS, 204)
    auto, predictor = Auto(PAIRS, seed=4), PredictorGuided(PAIRS, seed=4)
    for strategy in (auto, predictor):
        strategy.follow(history[:199])
    assert [auto.ask(n) for n in range(4)] == [predictor.ask(n) for n in range(4)]
    for strategy in (auto, predictor):
        strategy.follow(history)
    assert [auto.ask(n) for n in range(3)] == [predictor.ask(n) for n in range(3)]
    evolution = RegularizedEvolution(PAIRS, seed=4)
    evolution.follow(history)
    assert [auto.ask(n) for n in (3, 7)] == [evolution.ask(n) for n in (3, 7)]


def test_local_search_climbs_to_a_top_and_then_begins_anew():
    space = SearchSpace(Decision(f"d{i}", (0, 1, 2)) for i in range(4))
    strategy = LocalSearch(space, seed=0, initial=2)

    def height(params):  # two tops that are no neighbours: all 0 and all 2
        indices = space.encode(params)
        return max(indices.count(0), indices.count(2) + 0.5)

    tried = []
    for number in range(60):
        params = strategy.ask(number)
        tried.append(space.encode(params))
        strategy.tell(number, params, height(params))
    assert {(0,) * 4, (2,) * 4} <= set(tried)


def test_workers_of_a_local_search_try_different_neighbours():
    strategy = LocalSearch(PAIRS, seed=0, initial=1)
    start = strategy.ask(0)
    strategy.tell(0, start, 1.0)
    running = []
    for number in range(1, 13):
        running.append(strategy.ask(number, running))
    assert len({PAIRS.key(params) for params in running}) == 12
    for params in running:
        assert sum(params[name] != start[name] for name in PAIRS.names) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"initial": 1}, "initial must be at least 2"), ({"most": 4}, "most must be at least")],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        PredictorGuided(PAIRS, **arguments)


def test_features():
    space = SearchSpace(
        [
            Decision("a/1/operation", ("x", "y", "z")),
            Decision("a/2/operation", ("x", "y", "z")),
            Decision("b/1/operation", ("x", "y", "z")),
            Decision("filters", (24, 64, 36)),
            Decision("skip", (True, False)),
        ]
    )
    features = Features(space)
    found = features(np.array([[0, 2, 1, 1, 0], [2, 0, 1, 2, 1]]))
    one_hot = [1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0]
    assert found[0, :14].tolist() == one_hot
    counts, ranks = found[:, 14:17], found[:, 17]
    assert (counts[0] == counts[1]).all()  # one x and one z in the cell a, in any order
    assert counts[0, 0] == counts[0, 2] > counts[0, 1] == 0
    assert ranks == pytest.approx([np.sqrt(1.5), 0])
    assert features.groups.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3 + [4] * 2 + [5] * 3 + [
        6
    ]


def test_gradient_of_the_gaussian_process():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    features = Features(PAIRS)
    process = GaussianProcess(features.groups)
    inputs = features(rng.integers(5, size=(40, 12)))
    targets = rng.normal(size=40)
    means = process.theta
    spread = np.array([1.2] * (len(means) - 2) + [1.0] * 2)

    def negative_log_posterior():
        density = stats.multivariate_normal(cov=process.covariance(inputs)).logpdf(targets)
        return np.sum(((process.theta - means) / spread) ** 2) / 2 - density

    theta = process.theta + 0.3 * rng.normal(size=len(process.theta))
    process.theta = theta
    gradient = process.gradient(inputs, targets)
    for place in range(len(theta)):
        values = []
        for step in (1e-5, -1e-5):
            process.theta = theta.copy()
            process.theta[place] += step
            values.append(negative_log_posterior())
        assert gradient[place] == pytest.approx((values[0] - values[1]) / 2e-5, abs=1e-5)


def test_gaussian_process_equals_that_of_scikit_learn():
    """Mean, deviation and marginal likelihood, on the joint part alone: scikit-learn has it."""
    kernels = pytest.importorskip("sklearn.gaussian_process.kernels")
    from sklearn.gaussian_process import GaussianProcessRegressor

    rng = np.random.default_rng(0)
    inputs, others = rng.normal(size=(30, 3)), rng.normal(size=(9, 3))
    targets = rng.normal(size=30)
    process = GaussianProcess(np.arange(3))
    process.theta = np.log([1e-12] * 3 + [0.5, 1.0, 2.0, 0.7, 0.2 - 1e-4])
    process.condition(inputs, targets)
    kernel = kernels.ConstantKernel(0.7) * kernels.RBF(1 / np.sqrt([0.5, 1.0, 2.0]))
    theirs = GaussianProcessRegressor(kernel, alpha=0.2, optimizer=None).fit(inputs, targets)
    mean, deviation = process.predict(others)
    their_mean, their_deviation = theirs.predict(others, return_std=True)
    assert mean == pytest.approx(their_mean)
    assert deviation == pytest.approx(their_deviation)
    draws = [process.draw(others, rng) for _ in range(4000)]
    assert np.cov(np.transpose(draws)) == pytest.approx(
        theirs.predict(others, return_cov=True)[1], abs=0.05
    )


def test_what_is_running_makes_the_process_surer_and_expects_nothing_else():
    """As if it were told, of a repeated architecture too, that it scores what is expected."""
    rng = np.random.default_rng(0)
    inputs, others = rng.normal(size=(30, 3)), rng.normal(size=(9, 3))
    running = np.concatenate([inputs[:1], rng.normal(size=(4, 3))])
    targets = rng.normal(size=30)
    process, told = GaussianProcess(np.arange(3)), GaussianProcess(np.arange(3))
    process.learn(inputs, targets)
    told.theta = process.theta
    process.condition(inputs, targets)
    expected, _ = process.predict(running)
    told.condition(np.concatenate([inputs, running]), np.concatenate([targets, expected]))
    beside = process.beside(running)
    for found, wanted in zip(beside.predict(others), told.predict(others), strict=True):
        assert found == pytest.approx(wanted)
    assert beside.predict(others)[0] == pytest.approx(process.predict(others)[0])
    assert (beside.predict(others)[1] < process.predict(others)[1]).all()


@given(arrays(float, st.integers(1, 12), elements=st.floats(-1e12, 1e12)))
def test_scale_is_monotone_and_can_be_undone(rewards):
    scale = RewardScale(rewards)
    targets = scale.targets(rewards)
    assert np.isfinite(targets).all()
    order = np.argsort(rewards, kind="stable")
    assert (np.diff(targets[order]) >= 0).all()
    assert scale.rewards(targets) == pytest.approx(rewards, abs=1e-6 * np.abs(rewards).max())


def test_expected_improvement_against_samples_and_far_away():
    rng = np.random.default_rng(0)
    for mean, deviation, highest in ((0.0, 1.0, 0.5), (2.0, 0.3, 1.0), (-1.0, 2.0, 0.0)):
        sampled = np.maximum(rng.normal(mean, deviation, 400_000) - highest, 0).mean()
        found = log_expected_improvement(np.array([mean]), np.array([deviation]), highest)
        assert np.exp(found[0]) == pytest.approx(sampled, rel=0.02)
    far = log_expected_improvement(-np.arange(1.0, 200.0), np.ones(199), 0.0)
    assert np.isfinite(far).all()
    assert (np.diff(far) < 0).all()


def test_expected_improvement_is_right_to_the_last_digits_on_both_sides_of_where_it_changes():
    """Against SciPy's erfcx, as Ament et al. 2023 write it in equation 9."""
    erfcx = pytest.importorskip("scipy.special", reason="SciPy is not installed").erfcx
    below = np.array([1.0, 3.0, 4.9, 4.999999, 5.0, 5.000001, 5.1, 7.0, 12.0, 40.0, 200.0])
    ratio = np.sqrt(np.pi / 2) * erfcx(below / np.sqrt(2))  # Mills'
    expected = np.log1p(-below * ratio) - 0.5 * (below**2 + np.log(2 * np.pi))
    found = log_expected_improvement(-below, np.ones(len(below)), 0.0)
    assert found == pytest.approx(expected, abs=1e-9)


def test_a_candidate_is_worth_what_its_canonical_form_is_worth():
    """What is learned are canonical forms: raw ones would be ranked nearly at random."""
    space, rng = BOOK, np.random.default_rng(0)
    strategy = PredictorGuided(space, seed=0)
    for number in range(40):
        params = space.sample(rng)
        score = float(np.mean([index % 3 for index in space.key(params)]))
        strategy.tell(number, params, score)
    model = strategy._fitted()
    raw = np.array([space.encode(space.sample(rng)) for _ in range(60)])
    forms = np.array([space.key(space.decode(row)) for row in raw.tolist()])
    assert (raw != forms).any(axis=1).mean() > 0.9
    mean, deviation = model.process.predict(strategy._features(forms))
    expected = log_expected_improvement(mean, deviation, model.highest)
    np.testing.assert_allclose(strategy._merits(model, raw), expected, rtol=1e-9)
    np.testing.assert_array_equal(strategy._candidates.canonical(raw), forms)


def test_a_space_without_other_forms_is_not_looked_through():
    space = SearchSpace([Decision(f"d{k}", (0, 1, 2)) for k in range(4)])
    rows = np.array([[0, 1, 2, 0]])
    assert Candidates(space).canonical(rows) is rows
