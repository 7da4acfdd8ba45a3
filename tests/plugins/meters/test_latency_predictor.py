"""The latency predictor. Multiply-adds stand in for milliseconds: of a sum they say if it is right.

No test asserts on a time; benchmarks/latency.py measures how well times are predicted.
"""

import json

import numpy as np
import pytest

from cellwright.plugins import KerasLatency, LatencyPredictor, LiteRTLatency, MultiplyAdds, Timing
from cellwright.plugins.meters.latency_table import Correction, LatencyTable
from cellwright.plugins.meters.latency_transfer import errors_left_out, fit, in_proportion
from cellwright.plugins.meters.measurement import Measurement
from cellwright.search_spaces import (
    ChildFailed,
    CorruptedState,
    Decision,
    InvalidArchitecture,
    MnasNetSpace,
    NASNetSpace,
    SearchSpace,
    Skeleton,
    multiply_adds,
)
from cellwright.search_spaces.identity import brief, old_fingerprint
from cellwright.search_spaces.multiplications import multiply_adds_by_layer

SPACE = NASNetSpace.wide(blocks=1, operations=("sep_3x3", "identity"), combinations=("add",))
SHAPE, OPTIONS = (8, 8, 1), {"filters": 2, "reductions": 1}
QUICK = Timing(1, 0.5, 0.0, 0.05, pause=0)


def predictor(**arguments):
    arguments = {"meter": MultiplyAdds(), "options": OPTIONS, **arguments}
    return LatencyPredictor(SPACE, SHAPE, 3, **arguments)


def samples(number, space=SPACE):
    rng = np.random.default_rng(1)
    return [space.sample(rng) for _ in range(number)]


@pytest.mark.parametrize(
    ("space", "options"),
    [
        (SPACE, OPTIONS),
        (MnasNetSpace(layers=(2,), filters=(8,), strides=(2,), stem=8, head=8), {}),
    ],
)
def test_a_prediction_is_the_sum_of_the_pieces(space, options):
    predict = LatencyPredictor(space, SHAPE, 3, options, MultiplyAdds(), lazy=True)
    for params in samples(2, space):
        assert predict.milliseconds(params) == multiply_adds(
            space.build(params, SHAPE, 3, **options)
        )
    correction = predict.calibrate(children=2)
    assert (correction.factor, correction.children) == (pytest.approx(1), 2)
    assert correction.constant == pytest.approx(0, abs=1e-3)


def test_every_piece_of_the_space_is_timed_once_and_kept(tmp_path):
    path = tmp_path / "new folder" / "table.json"
    first = predictor(path=path)
    reports = []
    timed = first.fill(report=lambda *what: reports.append(what))
    assert [report[:2] for report in reports] == [(n + 1, len(timed)) for n in range(len(timed))]
    assert [str(piece) for piece in timed] == [report[2] for report in reports]
    seen = {
        piece
        for point in range(SPACE.size)
        for piece in SPACE.pieces(SPACE.decode(digits(point)), SHAPE, 3, **OPTIONS)
    }
    assert set(timed) == seen == first.table.pieces.keys()
    assert first.fill() == []
    again = predictor(path=path)
    assert again.fill() == []
    assert again.table == first.table
    assert [again(params) for params in samples(9)] == [first(params) for params in samples(9)]
    assert [file.name for file in path.parent.iterdir()] == ["table.json"]


def digits(point):
    """The architecture of that number, as positions of its choices."""
    positions = []
    for decision in SPACE.decisions:
        point, position = divmod(point, len(decision.choices))
        positions.append(position)
    return positions


def test_filling_goes_on_where_it_was_stopped(tmp_path):
    path = tmp_path / "table.json"

    def stop(number, pieces, what):
        if number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predictor(path=path).fill(report=stop)
    rest = predictor(path=path)
    assert len(rest.table.pieces) == 2
    everything = set(rest.every_piece())
    before = set(rest.table.pieces)
    assert set(rest.fill()) == everything - before


def test_missing_pieces_are_refused_or_timed_when_they_are_asked_for(tmp_path):
    params = samples(1)[0]
    predict = predictor()
    with pytest.raises(ValueError, match=r"were not timed .*; call fill\(\) first, or .*lazy=True"):
        predict(params)
    with pytest.raises(InvalidArchitecture):
        predict({})
    assert predict.fill(params) == sorted(SPACE.pieces(params, SHAPE, 3, **OPTIONS))
    path = tmp_path / "table.json"
    lazy = predictor(lazy=True, path=path)
    assert lazy(params) == predict(params)
    assert predictor(path=path)(params) == predict(params)


def test_a_correction_is_fitted_to_relative_errors_and_kept(tmp_path):
    path = tmp_path / "table.json"
    predict = predictor(path=path, lazy=True)
    params = samples(1)[0]
    total = predict.milliseconds(params)
    totals = np.array([100.0, 200.0, 400.0])
    found = predict.fit(totals, 5 + 0.9 * totals)
    assert (found.factor, found.constant) == (pytest.approx(0.9), pytest.approx(5))
    assert found.least == 100
    assert predict.milliseconds(params) == pytest.approx(found(total))
    assert predict(params) == predict.milliseconds(params) / 1000  # seconds
    assert predictor(path=path)(params) == predict(params)
    assert predict.total(params) == total
    found = predict.fit(totals, 1.2 * totals - 40)
    assert (found.factor, found.constant) == (pytest.approx(1.2), pytest.approx(-40))
    assert (found(400), found(100)) == (pytest.approx(440), pytest.approx(80))
    assert found(20) == pytest.approx(16), "below the smallest child in proportion, never below 0"
    found = predict.fit(totals, np.array([90.0, 40.0, 10.0]))  # as no machine measures
    assert found.constant == 0
    assert found.factor > 0
    with pytest.raises(ValueError, match="at least 2"):
        predict.calibrate(children=1)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"meter": LiteRTLatency()}, "meter was .MultiplyAdds"),
        ({"options": {"filters": 4}}, "options was"),
        ({"classes": 4}, "classes was 3 and is now 4"),
        ({"input_shape": (8, 8, 3)}, "input_shape was"),
        ({"space": NASNetSpace(blocks=1)}, r"combinations was \[.add.\] and is now"),
        ({"space": NASNetSpace.published(blocks=1)}, "operation_set was .book. and is now"),
    ],
)
def test_a_table_of_something_else_is_refused(tmp_path, change, names):
    path = tmp_path / "table.json"
    predictor(path=path).fill(samples(1)[0])
    arguments = {"space": SPACE, "input_shape": SHAPE, "classes": 3, "options": OPTIONS}
    arguments |= {"meter": MultiplyAdds(), "path": path}
    LatencyPredictor(**arguments)
    with pytest.raises(ValueError, match=f"another latency table: .*{names}"):
        LatencyPredictor(**{**arguments, **change})


def test_a_table_of_another_machine_or_runtime_is_refused(tmp_path):
    path = tmp_path / "table.json"
    predictor(path=path).fill(samples(1)[0])
    table = json.loads(path.read_text())
    path.write_text(json.dumps({**table, "how": "with an abacus"}))
    with pytest.raises(ValueError, match="were measured by with an abacus, and now by"):
        predictor(path=path).fill()
    about = {**table["about"], "machine": "Commodore 64"}
    path.write_text(json.dumps({**table, "about": about}))
    with pytest.raises(ValueError, match="machine was 'Commodore 64'"):
        predictor(path=path)


def as_an_earlier_version_wrote(path, space):
    """What that version said of the space: its public attributes."""
    table = json.loads(path.read_text())
    table["about"]["space"] = {
        "kind": type(space).__name__,
        "decisions": old_fingerprint(space),
        "blocks": space.blocks,
        "operation_set": space.operation_set,
        "concatenation": space.concatenation,
        "combinations": list(space.combinations),
        "skeleton": repr(space.skeleton),
    }
    path.write_text(json.dumps(table))


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"concatenation": "unused"}, "concatenation was 'all' and is now 'unused'"),
        ({"combinations": ("concat",)}, r"combinations was \['add'\] and is now \['concat'\]"),
        ({"skeleton": Skeleton.cifar()}, r"skeleton was .*'book'.* and is now .*'cifar'"),
        ({"operations": ("identity",)}, "its decisions are others"),
    ],
)
def test_a_table_of_an_earlier_version_is_taken_if_it_is_of_this_space(
    tmp_path, caplog, change, names
):
    path = tmp_path / "table.json"
    predictor(path=path).fill(samples(1)[0])
    as_an_earlier_version_wrote(path, SPACE)
    given = {"blocks": 1, "operations": ("sep_3x3", "identity"), "combinations": ("add",)}
    other = NASNetSpace.wide(**{**given, **change})
    with pytest.raises(ValueError, match=names):
        LatencyPredictor(other, SHAPE, 3, OPTIONS, MultiplyAdds(), path)
    taken = predictor(path=path)
    assert taken.fill(samples(1)[0]) == []
    taken.fill()
    assert json.loads(path.read_text())["about"]["space"] == brief(SPACE.identity())
    assert caplog.messages == []


def test_a_table_from_before_the_book_was_repaired_says_how_to_go_on(tmp_path, caplog):
    path = tmp_path / "table.json"
    given = {"blocks": 1, "operations": ("sep_3x3", "identity"), "combinations": ("add",)}
    repaired = NASNetSpace(**given)
    predictor(path=path).fill(samples(1)[0])
    as_an_earlier_version_wrote(path, SPACE)
    for _ in range(2):
        caplog.clear()
        LatencyPredictor(repaired, SHAPE, 3, OPTIONS, MultiplyAdds(), path).fill()
        (said,) = caplog.messages
        assert "give repair=False (the space nasnet-wide by name) to go on as before" in said
    caplog.clear()
    assert predictor(path=path).fill(samples(1)[0]) == []
    assert caplog.messages == []


def test_a_table_of_a_space_that_may_be_another_is_taken_with_a_warning(tmp_path, caplog):
    class Renamed(NASNetSpace):
        pass

    path = tmp_path / "table.json"
    predictor(path=path).fill(samples(1)[0])
    same = Renamed.wide(blocks=1, operations=("sep_3x3", "identity"), combinations=("add",))
    LatencyPredictor(same, SHAPE, 3, OPTIONS, MultiplyAdds(), path)
    assert "its class was NASNetSpace and is now Renamed" in caplog.text


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"about": {}, "how": "", "pieces": [{}]}'])
def test_a_damaged_table_is_named(tmp_path, text):
    path = tmp_path / "table.json"
    path.write_text(text)
    with pytest.raises(CorruptedState, match=r"table.json is damaged.*Delete it"):
        predictor(path=path)


@pytest.mark.parametrize("meter", [LiteRTLatency(timing=QUICK), KerasLatency(QUICK)])
def test_times_are_predicted(tmp_path, meter):
    path = tmp_path / "table.json"
    predict = predictor(meter=meter, path=path, lazy=True)
    params = samples(1)[0]
    assert predict(params) > 0
    assert json.loads(path.read_text())["how"] == predict.table.how != ""
    predict.calibrate(children=2)
    assert predictor(meter=meter, path=path).table.correction == predict.table.correction


def test_a_piece_that_cannot_be_timed_is_named():
    class Refuses:
        metric = "latency_ms"

        def __call__(self, model):
            raise ChildFailed("no phone")

    with pytest.raises(ChildFailed, match=r"piece \w+ \d+x\d+x\d+ -> .*: no phone"):
        predictor(meter=Refuses()).fill(samples(1)[0])


def test_a_space_without_pieces_is_refused():
    plain = SearchSpace([Decision("a", (1, 2))])
    with pytest.raises(NotImplementedError, match="does not say what its networks consist of"):
        LatencyPredictor(plain, SHAPE, 3)({"a": 1})


def test_an_empty_table_predicts_sums_as_they_are():
    assert LatencyTable({}).correction == Correction(1.0, 0.0, 0)
    assert Correction()(3.5) == 3.5


class Phone:
    """A device on which separable convolutions take 3 times their multiply-adds and all else 0.5
    times, beside 1,000 for a call. Of a sum it says if it is right, as multiply-adds do."""

    metric = "latency_ms"
    unit = "ms"

    def __call__(self, model):
        counted = multiply_adds_by_layer(model)
        total = sum(
            number * (3 if "_sep_" in layer.name or layer.name.startswith("sep_") else 0.5)
            for layer in model.layers
            if (number := counted.get(id(layer), 0))
        )
        return Measurement(total + 1000, 0, 1, "ms", "by a phone")


def on_a_phone(**arguments):
    space = NASNetSpace(blocks=2, operations=("sep_3x3", "avg_3x3", "identity"))
    options = {"filters": 4, "reductions": 1}
    return LatencyPredictor(space, SHAPE, 3, options, **arguments)


def test_a_table_of_another_device_becomes_one_of_this(tmp_path):
    there, path = tmp_path / "there.json", tmp_path / "here.json"
    elsewhere = on_a_phone(meter=MultiplyAdds(), path=there)
    elsewhere.fill()
    predict = on_a_phone(meter=Phone(), path=path)
    reports = []
    found = predict.transfer(there, report=lambda *what: reports.append(what))
    assert reports == [(n, 10, "child") for n in range(1, 11)]
    assert found == predict.table.transfer
    assert (found.children, found.meter) == (10, repr(MultiplyAdds()))
    others = [x for name, x in found.factors.items() if "sep" not in name]
    assert found.factors["sep_3x3"] > 2 * np.median(others)
    assert found.error < 0.02 < 0.05 < found.error_in_proportion
    for params in samples(20, predict.space)[10:]:
        assert predict.milliseconds(params) == pytest.approx(predict.measure(params), rel=0.05)
    again = on_a_phone(meter=Phone(), path=path)
    assert again.table == predict.table
    assert again.fill() == [], "no piece is timed here"
    # From here it goes on to a third device.
    third = on_a_phone(meter=MultiplyAdds())
    assert third.transfer(path, children=3).meter == "Phone"
    with pytest.raises(ValueError, match=r"here\.json has pieces that were timed here"):
        again.transfer(there)


def test_a_table_that_says_nothing_of_these_children_is_refused(tmp_path):
    predict = on_a_phone(meter=Phone())
    with pytest.raises(FileNotFoundError, match="no latency table"):
        predict.transfer(tmp_path / "none.json")
    with pytest.raises(ValueError, match="children must be at least 3, got 2"):
        predict.transfer(tmp_path / "none.json", children=2)
    other = tmp_path / "other.json"
    predictor(path=other).fill()
    with pytest.raises(ValueError, match="is another latency table: options was"):
        predict.transfer(other)
    part = tmp_path / "part.json"
    little = on_a_phone(meter=MultiplyAdds(), path=part)
    little.fill(little.space.decode([0] * len(little.space.names)))
    with pytest.raises(ValueError, match=r"part\.json lacks pieces of this space, such as"):
        predict.transfer(part)
    part.write_text(part.read_text()[:200])
    with pytest.raises(CorruptedState, match="part"):
        predict.transfer(part)


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_operations_have_factors_of_their_own_where_that_predicts_better(spread):
    """Ten networks of 8 operations, timed with an error of 2 %."""
    errors = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        times = rng.exponential(1, (210, 8))
        factors = 3 * np.exp(rng.normal(0, spread, 8))
        takes = 2 + times @ factors
        measured = takes[:10] * np.exp(rng.normal(0, 0.02, 10))
        made = [way(times[:10], measured) for way in (fit, in_proportion)]
        assert (made[0].factors > 0).all()
        told = np.abs(errors_left_out(fit, times[:10], measured))
        errors.append(
            [
                *(np.median(np.abs(one(times[10:]) / takes[10:] - 1)) for one in made),
                np.median(told),
            ]
        )
    ours, common, told = np.mean(errors, axis=0)
    assert ours < (0.85 if spread else 1.3) * common
    assert ours / 2 < told < 2 * ours + 0.02, "what a user is told of the error"
