"""Which earlier trial answers a new one."""

from hypothesis import given
from hypothesis import strategies as st

from cellwright.plugins.strategies.known import Measured, find_known
from cellwright.search_spaces import Decision, Float, Int, JointSpace, NASNetSpace, SearchSpace

SPACE = JointSpace(
    SearchSpace([Decision("operation", ("a", "b"))]),
    Float("rate", 1e-4, 1e-2, log=True),
    Decision("clustering", (False, True)),
    Int("clusters", 4, 20, when={"clustering": True}),
)
BASE = {"operation": "a", "rate": 0.0023, "clustering": False, "width": 8}


def known(params, epochs, *earlier, space=SPACE, needed=()):
    trials = [Measured(k, p, e, {"reward": float(k)}) for k, (p, e) in enumerate(earlier)]
    found = find_known(space, params, epochs, trials, needed)
    return None if found is None else found.number


def test_a_number_counts_by_its_value_and_not_by_its_level():
    near = {**BASE, "rate": 0.0024}
    level = {**BASE, "rate": 0.00316228}
    assert SPACE.key({n: near[n] for n in ("operation", "rate", "clustering")}) == SPACE.key(
        {n: level[n] for n in ("operation", "rate", "clustering")}
    )
    assert known(BASE, None, (near, None), (level, None)) is None
    assert known(BASE, None, (near, None), (BASE, None), (BASE, None)) == 1
    few = {**BASE, "clustering": True, "clusters": 5}
    assert known({**few, "clusters": 4}, None, (few, None)) is None


def test_every_other_hyperparameter_counts():
    assert known(BASE, None, ({**BASE, "width": 16}, None)) is None
    assert known(BASE, None, ({n: x for n, x in BASE.items() if n != "width"}, None)) is None


@given(st.integers(4, 20), st.integers(4, 20))
def test_a_hyperparameter_without_effect_does_not_count(mine, theirs):
    earlier = [({**BASE, "clusters": theirs}, None), (BASE, None)]
    assert known({**BASE, "clusters": mine}, None, *earlier) == 0
    assert known(BASE, None, *earlier) == 0


@given(st.none() | st.integers(1, 9), st.lists(st.none() | st.integers(1, 9)))
def test_only_the_same_epochs_count(epochs, earlier):
    wanted = earlier.index(epochs) if epochs in earlier else None
    assert known(BASE, epochs, *((BASE, each) for each in earlier)) == wanted


def test_the_same_network_counts_under_another_name():
    space = NASNetSpace(blocks=1, operations=("identity", "max_3x3"))
    first = space.decode([0] * len(space.decisions))
    names = [name for name in space.names if "operation" in name][:2]
    one = {**first, **dict(zip(names, ("identity", "max_3x3"), strict=True))}
    other = {**first, **dict(zip(names, ("max_3x3", "identity"), strict=True))}
    assert space.key(one) == space.key(other)
    assert known(one, 3, (first, 3), (other, 3), space=space) == 1


def test_what_is_no_whole_measurement_does_not_count():
    partial = {name: value for name, value in BASE.items() if name != "operation"}
    assert known(BASE, None, (partial, None)) is None
    assert known(partial, None, (partial, None), (BASE, None)) is None
    assert known(BASE, None, (BASE, None), needed=["reward", "latency_ms"]) is None
    cut = Measured(0, BASE, None, {"reward": 1.0, "cut": 1.0})
    assert find_known(SPACE, BASE, None, [cut]) is None


def test_what_was_predicted_is_not_repeated():
    trial = Measured(3, BASE, None, {"reward": 1.0, "predicted": 2.0, "predicted_std": 0.1})
    assert trial.repeated() == {"reward": 1.0, "repeat_of": 3.0}


def test_only_what_was_scored_alike_counts_where_it_is_known_by_what():
    def found(mine, *theirs):
        trials = [Measured(k, BASE, None, {"reward": 1.0}, each) for k, each in enumerate(theirs)]
        answer = find_known(SPACE, BASE, None, trials, scored_by=mine)
        return None if answer is None else answer.number

    assert found("a", "b") is None
    assert found("a", "b", "a") == 1
    assert found("a", None) == 0
    assert found(None, "b") == 0


def test_in_a_population_only_the_same_training_answers():
    """Equal hyperparameters and epochs are not enough where the weights before them differ."""
    params = SPACE.decode([0] * len(SPACE.names))
    trials = [
        Measured(0, params, 4, {"reward": 0.5}, after="one"),
        Measured(1, params, 4, {"reward": 0.6}, after="other"),
        Measured(2, params, 4, {"reward": 0.7}),
    ]
    for number, after in enumerate(("one", "other", None)):
        found = find_known(SPACE, params, 4, trials, after=after)
        assert found is not None
        assert found.number == number
    assert find_known(SPACE, params, 4, trials, after="third") is None
    assert find_known(SPACE, params, 4, trials[:2]) is None
