"""What makes two spaces the same: their decisions, and what their constructors were told."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellwright.search_spaces import (
    AroundSpace,
    ConvNetSpace,
    Decision,
    EdgeCellSpace,
    Float,
    Int,
    JointSpace,
    MLPSpace,
    MnasBlock,
    MnasNetGenotype,
    MnasNetSpace,
    NASNetSpace,
    SearchSpace,
    Skeleton,
    register_operation,
)
from cellwright.search_spaces.identity import brief, compare, old_fingerprint

WIDTH = Decision("width", (1, 2))


class Stranger(SearchSpace):
    """Declares nothing; its attributes are what a user's may be."""

    def __init__(self, width=16, **others):
        super().__init__([WIDTH])
        self.width, self.builder, self._calls = width, lambda x: x, 0
        vars(self).update(others)


class Declared(Stranger):
    identified_by = ("width",)


def arguments(**choices):
    """Some of the arguments, each one of its values."""
    drawn = {name: st.sampled_from(values) for name, values in choices.items()}
    return st.fixed_dictionaries({}, optional=drawn)


skeletons = (Skeleton.book(), Skeleton.book(filters=32), Skeleton.cifar())
# A kind of space, arguments of its constructor to draw, and what is given otherwise.
KINDS = {
    "nasnet": (
        NASNetSpace,
        arguments(
            blocks=(1, 2),
            operations=(("identity", "sep_3x3"), ("sep_3x3", "identity"), ("sep_3x3",)),
            operation_set=("book", "nasnet"),
            combinations=(("add",), ("concat",), ("add", "concat")),
            hierarchical=(False, True),
            concatenation=("all", "unused"),
            repair=(False, True),
            skeleton=skeletons,
        ),
        {"blocks": 1, "operations": ("sep_3x3",), "operation_set": "book",
         "combinations": ("add",), "hierarchical": False, "concatenation": "all",
         "repair": True, "skeleton": Skeleton.book()},
    ),
    "mnasnet": (
        MnasNetSpace,
        arguments(layers=((1, 1), (1, 2)), filters=((8, 8), (8, 16)), strides=((1, 1), (1, 2)),
                  stem=(16, 32), head=(16, 1280)),
        {"layers": (1, 2), "filters": (8, 8), "strides": (1, 2), "stem": 32, "head": 1280},
    ),
    "around": (
        AroundSpace,
        arguments(network=("mobilenet-v2", "mnasnet-a1", MnasNetGenotype((MnasBlock("conv", 8),)))),
        {"network": "mobilenet-v2"},
    ),
    "convnet": (
        ConvNetSpace,
        arguments(layers=((1,), (1, 2)), strides=(False, True), filters=((4,), (4, 8)),
                  sizes=((1,), (1, 3)), every=(None, 1, 5)),
        {"layers": (1, 2), "strides": False, "filters": (4, 8), "sizes": (1, 3), "every": None},
    ),
    "edge cell": (
        EdgeCellSpace,
        arguments(nodes=(2, 3, 4), operations=(("none",), ("none", "skip_connect"))),
        {"nodes": 4, "operations": ("skip_connect", "nor_conv_3x3")},
    ),
    "mlp": (
        MLPSpace,
        arguments(nodes=((8,), (8, 16)), activations=(("relu",), ("relu", "tanh")),
                  dropout=(0.2, 0.5), length=(2, 3)),
        {"nodes": (8,), "activations": ("relu",), "dropout": 0.2, "length": 3},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_two_spaces_are_the_same_if_and_only_if_they_are_constructed_alike(kind, data):
    make, drawn, defaults = KINDS[kind]
    one, other = ({**defaults, **data.draw(drawn)} for _ in range(2))
    first, second = make(**one), make(**other)
    assert (first.fingerprint == second.fingerprint) == (one == other)
    assert (first.identity() == second.identity()) == (one == other)
    for noted in (first.identity(), brief(first.identity())):
        found = compare(second, json.loads(json.dumps(noted)))
        assert (found.different == "") == (one == other)
        assert found.doubtful == ""
    tuned = [JointSpace(space, Float("rate", 1, 10)) for space in (first, second)]
    assert (tuned[0].fingerprint == tuned[1].fingerprint) == (one == other)


decisions = st.one_of(
    st.sampled_from([(1, 2), (2, 1), (1.0, 2.0), (False, True), ("a", "b"), ("a",)]).map(
        lambda choices: Decision("x", choices)
    ),
    st.builds(
        lambda kind, low, log, levels, when: kind("x", low, 9, log=log, levels=levels, when=when),
        *(st.sampled_from([Float, Int]), st.sampled_from([1, 2]), st.booleans()),
        *(st.sampled_from([2, 3]), st.sampled_from([None, {"on": True}, {"on": (True, False)}])),
    ),
)


@given(one=decisions, other=decisions)
def test_a_decision_is_the_same_if_its_choices_its_range_and_its_conditions_are(one, other):
    def content(x):
        scale = (x.low, x.high, x.log) if isinstance(x, Float | Int) else ()
        return repr((type(x), x.choices, scale, x.when))

    spaces = [SearchSpace([Decision("on", (False, True)), x]) for x in (one, other)]
    same = content(one) == content(other)
    assert (spaces[0].fingerprint == spaces[1].fingerprint) == same
    for noted in (spaces[0].identity(), brief(spaces[0].identity())):
        assert (compare(spaces[1], noted) == ("", "")) == same


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (MnasNetSpace(stem=16), MnasNetSpace(stem=32), "stem was 16 and is now 32"),
        (
            NASNetSpace(concatenation="all"),
            NASNetSpace(concatenation="unused"),
            'concatenation was "all" and is now "unused"',
        ),
        (
            NASNetSpace(),
            NASNetSpace(skeleton=Skeleton.book(filters=32)),
            "skeleton.filters was 16 and is now 32",
        ),
        (
            JointSpace(MLPSpace(), Float("rate", 1, 9)),
            JointSpace(MLPSpace(dropout=0.5), Float("rate", 1, 9)),
            "dropout.rate was 0.2 and is now 0.5",
        ),
        (MLPSpace(), JointSpace(MLPSpace(), Decision("epochs", (1, 2))), "epochs is new"),
        (SearchSpace([WIDTH, Decision("a", (1,))]), SearchSpace([WIDTH]), "a is gone"),
        (
            SearchSpace([WIDTH]),
            SearchSpace([Decision("width", (1, 3))]),
            "width was [1, 2] and is now [1, 3]",
        ),
        (
            SearchSpace([WIDTH, Decision("a", (1,))]),
            SearchSpace([Decision("a", (1,)), WIDTH]),
            "its decisions stand in another order",
        ),
        (NASNetSpace(blocks=1), NASNetSpace(blocks=2), "blocks was 1 and is now 2; "),
        (NASNetSpace(blocks=1), NASNetSpace(blocks=2), "; and 8 more"),
    ],
)
def test_what_differs_is_named(before, now, said):
    found = compare(now, before.identity())
    assert said in found.different
    assert found.doubtful == ""
    assert compare(now, brief(before.identity())).different != ""


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (Stranger(16), Stranger(32), "width was 16 and is now 32"),
        (Stranger(), Stranger(depth=3), "depth is now 3, and it is not known what it was"),
        (Stranger(depth=3), Stranger(), "depth was 3, and it is not known what it is now"),
        (Stranger(), Declared(), "its class was Stranger and is now Declared"),
        (Declared(8), Stranger(16), "width was 8 and is now 16"),
        (Stranger(table=[1] * 500), Stranger(table=[2] * 500), 'table was "digest '),
    ],
)
def test_a_guess_warns_and_does_not_refuse(before, now, said):
    for noted in (before.identity(), brief(before.identity())):
        found = compare(now, json.loads(json.dumps(noted)))
        assert found.different == ""
        assert said in found.doubtful
    assert before.fingerprint != now.fingerprint


TUNED = Float("rate", 1, 9)


def before_repair(space):
    """What an earlier version noted of a space: its identity without the fact, or its decisions."""
    noted = json.loads(json.dumps(space.identity()))
    del noted["facts"]["repair"]
    return [noted, brief(noted), old_fingerprint(space)]


@pytest.mark.parametrize(
    "now", [NASNetSpace(), NASNetSpace(blocks=1), JointSpace(NASNetSpace(), TUNED)]
)
def test_a_record_from_before_repair_says_how_to_go_on_as_it_was(now):
    remedy = "repair was false in every record that does not note it, and is now true: give "
    remedy += "repair=False (the space nasnet-wide by name) to go on as before"
    for noted in before_repair(now):
        found = compare(now, noted)
        assert found.different == ""
        assert found.doubtful.startswith(remedy)


@pytest.mark.parametrize(
    "now",
    [NASNetSpace.wide(), NASNetSpace.published(), JointSpace(NASNetSpace.amoebanet(), TUNED)],
)
def test_a_record_from_before_repair_is_of_a_space_without_it(now):
    noted, shortened, old = before_repair(now)
    assert compare(now, noted) == compare(now, shortened) == ("", "")
    assert "repair" not in compare(now, old).doubtful


def test_what_a_class_declares_is_all_that_counts():
    assert compare(Declared(16, depth=3), Declared(16).identity()) == ("", "")
    assert compare(Declared(16), Declared(8).identity()).different == "width was 8 and is now 16"
    assert "width was 8 and is now 16" in compare(Declared(16), Stranger(8).identity()).different


def test_what_a_subclass_adds_to_declared_facts_is_a_guess():
    class Wide(NASNetSpace):
        def __init__(self, width):
            super().__init__(blocks=1)
            self.width = width

    found = compare(Wide(2), Wide(1).identity())
    assert found == ("", "width was 1 and is now 2")
    moved = compare(Wide(1), NASNetSpace(blocks=1, concatenation="unused").identity())
    assert moved.different == 'concatenation was "unused" and is now "all"'


def test_private_attributes_and_what_is_no_data_do_not_count():
    one, other = Stranger(), Stranger(_calls=5, model=object(), steps=[len])
    assert one.fingerprint == other.fingerprint


def test_facts_may_be_any_plain_data():
    @dataclass
    class Stem:
        filters: int

    def make(filters, rate):
        return Stranger(
            stem=Stem(filters), sizes=frozenset({"b", "a", "c"}), rate=np.float32(rate),
            number=np.int64(3), limit=float("inf"), inner=NASNetSpace(blocks=1),
        )  # fmt: skip

    facts = make(8, 0.5).identity()["attributes"]
    assert json.loads(json.dumps(facts, allow_nan=False)) == {
        "width": 16, "stem": {"filters": 8}, "sizes": ["a", "b", "c"], "rate": 0.5, "number": 3,
        "limit": "inf", "inner": NASNetSpace(blocks=1).identity(),
    }  # fmt: skip
    assert (
        "stem.filters was 8 and is now 9" in compare(make(9, 0.5), make(8, 0.5).identity()).doubtful
    )


def test_a_declared_fact_that_is_no_plain_data_is_refused():
    class Odd(SearchSpace):
        identified_by = ("builder",)
        builder = staticmethod(len)

    with pytest.raises(ValueError, match=r"Odd.identified_by names 'builder'.*plain data"):
        Odd([WIDTH]).identity()


def test_an_operation_of_ones_own_counts_by_its_name():
    names = ("identity", "mine_of_identity")
    register_operation(names[1], lambda x, filters, stride, at: x)
    before = NASNetSpace(blocks=1, operations=names).fingerprint
    register_operation(names[1], lambda x, filters, stride, at: x * 2)
    assert NASNetSpace(blocks=1, operations=names).fingerprint == before


@pytest.mark.parametrize(
    ("space", "uncompared"),
    [
        (MnasNetSpace(), "compared: layers, filters, strides, stem, head"),
        (Stranger(), "compared: width"),
        (SearchSpace([Float("rate", 1, 10)]), "compared: the scales of ranges"),
        (SearchSpace([WIDTH, Decision("a", (1,), when={"width": 2})]), "compared: conditions"),
        (SearchSpace([WIDTH]), ""),
    ],
)
def test_a_record_of_an_earlier_version_is_taken(space, uncompared):
    found = compare(space, old_fingerprint(space))
    assert found.different == ""
    assert found.doubtful.endswith(uncompared)
    assert bool(found.doubtful) == bool(uncompared)
    assert compare(NASNetSpace(blocks=1), old_fingerprint(space)).different != ""


def test_the_old_fingerprint_is_what_it_was():
    assert old_fingerprint(NASNetSpace(blocks=1)) == "40c1de001ac8b82f"


def test_a_fingerprint_is_the_same_in_every_process():
    code = (
        "from cellwright.search_spaces import *\n"
        "print(NASNetSpace.published().fingerprint, MLPSpace().fingerprint)"
    )
    for seed in ("0", "1"):
        found = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert found.stdout.split() == [NASNetSpace.published().fingerprint, MLPSpace().fingerprint]


@pytest.mark.parametrize(
    "space",
    [NASNetSpace.published(blocks=9), MnasNetSpace(), ConvNetSpace.published(), MLPSpace(length=9)],
    ids=repr,
)
def test_a_brief_identity_fits_where_there_is_little_room(space):
    assert len(json.dumps(brief(space.identity()))) < 1000
