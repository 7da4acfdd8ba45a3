"""Decisions and plain search spaces."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellwright.search_spaces import (
    AroundSpace,
    ConvNetSpace,
    Decision,
    EdgeCellSpace,
    InvalidArchitecture,
    MnasNetSpace,
    NASNetSpace,
    SearchSpace,
)

SPACE = SearchSpace(
    [
        Decision("layers", (1, 2, 3)),
        Decision("skip", (True, False)),
        Decision("filters", (0.75, 1.0, 1.25)),
        Decision("cell/1/operation", ("conv", "pool")),
        Decision("stem", ("only",)),
    ]
)
SPACES = [
    *(SPACE, NASNetSpace(), NASNetSpace(blocks=1), NASNetSpace.published()),
    *(
        NASNetSpace.published(blocks=8),
        NASNetSpace.amoebanet(),
        NASNetSpace.darts(),
        MnasNetSpace(),
        AroundSpace("mobilenet-v3-large"),
    ),
    *(NASNetSpace.published(operation_set=name) for name in ("darts", "enas")),
    *(ConvNetSpace(layers=(1, 3), strides=True), ConvNetSpace.published()),
    *(EdgeCellSpace(), EdgeCellSpace(nodes=3, operations=("skip_connect", "nor_conv_3x3"))),
]
seeds = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize(
    ("name", "choices", "message"),
    [
        ("", (1, 2), "name"),
        ("a", (), "at least one"),
        ("a", (1, 1), "different"),
        ("a", (1, "b"), "one type"),
        ("a", (1, True), "one type"),
        ("a", (None, None), "one type"),
        ("a", ((1, 2), (3, 4)), "one type"),
        ("a", (0.5, float("nan")), "finite"),
    ],
)
def test_unfit_decision_is_refused(name, choices, message):
    with pytest.raises(ValueError, match=message):
        Decision(name, choices)


def test_kind_is_the_last_part_without_its_number():
    assert Decision("normal/2/operation_1", ("a",)).kind == "operation"
    assert Decision("17", ("a",)).kind == "17"
    assert Decision("x/1", ("a",), kind="hidden state").kind == "hidden state"


def test_space_without_decisions_or_with_two_of_a_name_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        SearchSpace([])
    with pytest.raises(ValueError, match="'a'"):
        SearchSpace([Decision("a", (1,)), Decision("a", (2,))])


def test_size_counts_parameter_sets():
    assert SPACE.size == 3 * 2 * 3 * 2


def test_fingerprint_tells_spaces_apart():
    assert SPACE.fingerprint == SearchSpace(SPACE.decisions).fingerprint
    others = [NASNetSpace(), NASNetSpace(blocks=2), SearchSpace(SPACE.decisions[:-1])]
    assert len({space.fingerprint for space in [SPACE, *others]}) == 4
    assert (
        SearchSpace([Decision("a", (1, 2))]).fingerprint
        != SearchSpace([Decision("a", (2, 1))]).fingerprint
    )


@pytest.mark.parametrize("space", SPACES, ids=repr)
@given(seed=seeds)
def test_encode_and_decode_are_inverse(space, seed):
    params = space.sample(np.random.default_rng(seed))
    indices = space.encode(params)
    assert space.decode(indices) == params
    assert space.encode(space.decode(indices)) == indices
    assert all(
        type(v) is type(d.choices[0]) for v, d in zip(params.values(), space.decisions, strict=True)
    )


@pytest.mark.parametrize("space", SPACES, ids=repr)
@given(seed=seeds)
def test_mutate_changes_one_decision_and_stays_valid(space, seed):
    rng = np.random.default_rng(seed)
    before = space.sample(rng)
    after = space.mutate(before, rng)
    space.validate(after)
    assert sum(before[name] != after[name] for name in space.names) == 1


@pytest.mark.parametrize("space", SPACES, ids=repr)
@given(seed=seeds)
def test_canonical_is_idempotent_and_valid(space, seed):
    canonical = space.canonical(space.sample(np.random.default_rng(seed)))
    space.validate(canonical)
    assert space.canonical(canonical) == canonical


def test_mutation_reaches_every_decision():
    rng = np.random.default_rng(0)
    space = NASNetSpace()
    start = space.sample(rng)
    moved = set()
    for _ in range(3000):
        after = space.mutate(start, rng)
        moved |= {name for name in space.names if after[name] != start[name]}
    assert moved == set(space.names)


def test_mutation_of_a_single_point_returns_it():
    space = SearchSpace([Decision("only", ("one",))])
    assert space.mutate({"only": "one"}, np.random.default_rng(0)) == {"only": "one"}


def test_sampling_is_uniform():
    rng = np.random.default_rng(0)
    counts = {1: 0, 2: 0, 3: 0}
    for _ in range(6000):
        counts[SPACE.sample(rng)["layers"]] += 1
    assert all(abs(count - 2000) < 200 for count in counts.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": 4}, r"layers = 4 is not allowed; choose one of \[1, 2, 3\]"),
        ({"stranger": 1}, "unknown stranger"),
        ({"skip": [True]}, "skip"),
    ],
)
def test_wrong_parameters_are_named(change, message):
    params = SPACE.sample(np.random.default_rng(0)) | change
    with pytest.raises(InvalidArchitecture, match=message):
        SPACE.validate(params)


def test_missing_parameters_are_named():
    with pytest.raises(InvalidArchitecture, match="missing layers, skip"):
        SPACE.validate({"filters": 1.0, "cell/1/operation": "conv", "stem": "only"})


@pytest.mark.parametrize("indices", [(0,), (0, 0, 0, 0, 1), (0, 0, -1, 0, 0)])
def test_wrong_positions_are_refused(indices):
    with pytest.raises(InvalidArchitecture):
        SPACE.decode(indices)
    with pytest.raises(InvalidArchitecture):
        SPACE.decode(np.array(indices))


@pytest.mark.parametrize("kind", [list, np.array, lambda indices: [float(i) for i in indices]])
def test_positions_of_any_kind_are_taken(kind):
    indices = (1, 0, 1, 1, 0)
    params = SPACE.decode(kind(indices))
    assert SPACE.encode(params) == indices
    assert params == SPACE.decode(indices)


def test_plain_space_builds_nothing():
    with pytest.raises(NotImplementedError, match="no network"):
        SPACE.build(SPACE.sample(np.random.default_rng(0)), (8, 8, 1), 10)
