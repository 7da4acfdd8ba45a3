"""The one rule by which a metric is found: its name, its unit, and which way it is better."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellwright.plugins import CommandMeter, Limit, LiteRTLatency, MnasNetReward, make_meter
from cellwright.plugins.meters import as_meters, metric_of
from cellwright.plugins.metrics import METRICS, Metric, beside_reward, find_metric, plain_number
from cellwright.plugins.registry import names
from cellwright.plugins.scoring.limit import Screening
from cellwright.search_spaces import CellwrightError

THROUGHPUT = Metric("throughput", "images/s", "maximize")


class Undeclared:
    metric = "throughput"

    def __call__(self, model):
        raise AssertionError("a declaration is read without measuring")


class Throughput(Undeclared):
    unit, direction = "images/s", "maximize"


@pytest.mark.parametrize(
    ("direction", "known"),
    [
        ("maximize", "reward accuracy val_accuracy best_val_accuracy weighted_val_accuracy f1 "
                     "val_f1 auc val_auc precision val_recall best_val_f1 predicted "
                     "val_categorical_accuracy"),
        ("minimize", "loss val_loss val_mae mse seconds epochs trained_epochs parameters "
                     "multiply_adds size_bytes peak_memory_bytes latency_ms predicted_latency_ms "
                     "latency_int8_ms size_int8_bytes"),
    ],
)  # fmt: skip
def test_what_is_known_by_its_name(direction, known):
    assert {find_metric(name).direction for name in known.split()} == {direction}


@pytest.mark.parametrize("name", ["f1_macro", "throughput", "taste", "glossy", "items", "f1:up"])
def test_what_nobody_has_declared_is_refused_with_the_way_to_say_it(name):
    with pytest.raises(CellwrightError, match=f"write --metric {name}:max or --metric {name}:min"):
        find_metric(name)


def test_what_a_meter_declares_is_known_in_its_search():
    assert find_metric("throughput", [THROUGHPUT]) == THROUGHPUT
    assert find_metric("throughput:min", [THROUGHPUT]).unit == "images/s"


@given(
    st.one_of(st.sampled_from([*METRICS, "val_f1", "a_ms"]), st.text("abc:_ ", min_size=1)),
    st.sampled_from([("max", 1), ("min", -1), ("maximize", 1), ("minimize", -1)]),
    st.sampled_from(["maximize", "minimize"]),
)
def test_a_direction_after_a_colon_wins(name, said, declared):
    name = name.strip() or "x"
    found = find_metric(f"{name}:{said[0]}", [Metric(name, "ms", declared)])
    assert (found.name, found.unit, found.sign) == (name, "ms", said[1])
    assert find_metric(f" {name}:{said[0]} ").sign == said[1]


@pytest.mark.parametrize(
    ("name", "value", "label", "written"),
    [
        ("latency_ms", 2.314, "latency (ms)", "2.31 ms"),
        ("latency_ms", 2314, "latency (ms)", "2,314 ms"),
        ("predicted_latency_ms", 2.0, "predicted latency (ms)", "2 ms predicted"),
        ("latency_int8_ms", 2.0, "latency int8 (ms)", "latency int8 2 ms"),
        ("size_bytes", 1500, "size (bytes)", "1.5 kB"),
        ("size_int8_bytes", 1500, "size int8 (bytes)", "size int8 1.5 kB"),
        ("parameters", 1234, "parameters", "1,234 parameters"),
        ("multiply_adds", 1234, "multiply-adds", "1,234 multiply-adds"),
        ("epochs", 1, "epochs", "1 epoch"),
        ("seconds", 61.4, "seconds of the trial", "61 s"),
        ("shared_layers", 1, "layers with shared weights", "1 layer with shared weights"),
        ("shared_layers", 2, "layers with shared weights", "2 layers with shared weights"),
        ("best_val_accuracy", 0.5, "best validation accuracy", "best validation accuracy 0.5000"),
        ("throughput", 812.3, "throughput (images/s)", "throughput 812 images/s"),
    ],
)
def test_how_a_metric_is_written(name, value, label, written):
    metric = find_metric(name, [THROUGHPUT])
    assert (metric.label, metric.write(value)) == (label, written)


def test_tables_show_costs_and_what_the_search_declares_beside_the_reward():
    trial = ["reward", "val_loss", "throughput", "latency_int8_ms", "seconds", "val_accuracy"]
    shown = beside_reward(trial, [Metric("reward", "", "maximize"), THROUGHPUT])
    assert [m.name for m in shown] == ["val_accuracy", "seconds", "latency_int8_ms", "throughput"]


# Meters


def test_every_meter_of_ours_declares_its_unit_and_direction():
    for name in names("meters"):
        arguments = {"command": ["true", "{model}"]} if name == "command" else {}
        meter = make_meter(name, **arguments)
        metric = metric_of(meter)
        assert metric == METRICS[meter.metric]
        assert (meter.unit, meter.direction) == (metric.unit, metric.direction)
        assert (metric.direction == "minimize") == (name != "accuracy-int8")
    for meter in (LiteRTLatency(metric="on_phone"), CommandMeter(["true", "{model}"], metric="x")):
        assert metric_of(meter) == Metric(meter.metric, "ms", "minimize")
    assert "minimize" not in repr(LiteRTLatency())  # latency tables are told apart by it


def test_a_meter_without_a_declaration_is_known_by_its_name_or_not_at_all():
    assert metric_of(Throughput()) == THROUGHPUT
    assert metric_of(Undeclared()) is None
    assert as_meters(Undeclared())  # its direction is asked for only where it matters
    stranger = Undeclared()
    stranger.metric = "lag_ms"
    assert metric_of(stranger) == Metric("lag_ms", "ms", "minimize")


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"metric": "latency_ms"}, "by its name that metric has unit 'ms' and direction 'minimize"),
        ({"metric": "lag_ms", "unit": "ms"}, "give it another name"),
        ({"metric": "lag_ms", "direction": None}, "has unit 'ms'"),
        ({"direction": "max"}, "direction of a meter is 'maximize' or 'minimize'"),
    ],
)
def test_a_meter_that_contradicts_itself_is_refused(declared, message):
    with pytest.raises(ValueError, match=message):
        as_meters(type("Strange", (Throughput,), declared)())


def test_only_a_cost_can_have_a_target_or_be_limited_from_above():
    with pytest.raises(ValueError, match=r"better: give Limit\('throughput', at_least=...\)"):
        Screening(Throughput(), limit=Limit("throughput", 5))
    with pytest.raises(ValueError, match=r"is a cost: give Limit\('parameters', at_most=...\)"):
        Screening(Throughput(), limit=Limit("parameters", at_least=5))
    Screening(Throughput(), limit=Limit("throughput", at_least=5))
    assert Screening(Throughput(), limit=Limit("parameters", 5)).metrics[-1] == "throughput"
    from cellwright.plugins import Evaluation, load_dataset
    from cellwright.search_spaces import NASNetSpace

    reward = MnasNetReward(5, latency="throughput")
    with pytest.raises(ValueError, match="more of 'throughput' is better: leave the target out"):
        Evaluation(NASNetSpace(), load_dataset("digits"), reward=reward, meter=Throughput())


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.9, "0.9000"), (0.0, "0.0000"), (-1.5, "-1.5000"), (0.00012345, "0.0001234"),
     (3e-7, "3e-07"), (1234.5, "1,234"), (1e300, "1e+300"), (float("inf"), "inf")],
)  # fmt: skip
def test_a_plain_number_is_written_alike_everywhere(value, written):
    assert plain_number(value) == written
    assert Metric("my_score", "", "maximize").write(value) == f"my score {written}"
