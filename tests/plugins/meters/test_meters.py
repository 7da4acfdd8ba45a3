"""Meters: what they count, how they time, and what they refuse. No test asserts on a time."""

import itertools
import math
import sys
import time

import keras
import onnxruntime
import pytest

from cellwright.plugins import (
    CommandMeter,
    KerasLatency,
    LiteRTLatency,
    LiteRTSize,
    Measurement,
    ModelSize,
    MultiplyAdds,
    ONNXLatency,
    Parameters,
    PeakMemory,
    Timing,
    make_meter,
)
from cellwright.plugins.meters import as_meters, measure
from cellwright.plugins.registry import names
from cellwright.search_spaces import ChildFailed, MnasNetSpace
from cellwright.search_spaces.export import export_litert

QUICK = Timing(warm_up=1, precision=0.5, least_seconds=0.0, most_seconds=0.2, pause=0)


@pytest.fixture(scope="module")
def small():
    """8x8x3 -> convolution of 4 -> two branches of 4, added -> 2 classes."""
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(4, 3, padding="same", use_bias=False, name="first")(image)
    left = keras.layers.MaxPooling2D(2, name="left")(x)
    right = keras.layers.Conv2D(4, 1, strides=2, use_bias=False, name="right")(x)
    x = keras.layers.Add(name="add")([left, right])
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, keras.layers.Dense(2, activation="softmax", name="classes")(x))


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only where a run says so."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


def takes(clock, *seconds):
    durations = itertools.cycle(seconds)

    def run():
        clock[0] += next(durations)

    return run


@pytest.mark.parametrize("meter", [KerasLatency, LiteRTLatency, ONNXLatency])
def test_a_timing_that_is_none_is_refused(meter):
    with pytest.raises(TypeError, match="timing must be a Timing, got 3"):
        meter(timing=3)


def test_a_timing_in_the_place_of_another_argument_is_refused():
    with pytest.raises(ValueError, match="int8 must be true or false, got Timing"):
        LiteRTLatency(Timing())


def test_timing_gives_the_median_and_the_quartiles(clock):
    median, spread, repeats = Timing(3, 0.01, 1.0, 5.0).milliseconds(takes(clock, 0.010))
    assert (median, spread) == (pytest.approx(10), pytest.approx(0, abs=1e-6))
    assert 100 <= repeats <= 111  # a second of them, looked at every tenth
    median, spread, repeats = Timing(5, 0.5, 300, 400).milliseconds(takes(clock, 4, 1, 3, 5, 2))
    assert (median, spread) == (3000, 2000)
    assert 300 <= 3 * repeats <= 330


def test_timing_ends_when_the_median_is_stable_or_time_is_up(clock):
    unsteady = [0.010 + 0.001 * (7 * number % 11) for number in range(11)]
    _, _, rough = Timing(1, 0.3, 0, 60).milliseconds(takes(clock, *unsteady))
    _, _, fine = Timing(1, 0.1, 0, 60).milliseconds(takes(clock, *unsteady))
    assert 5 <= rough < fine < 1000
    start = clock[0]
    _, _, repeats = Timing(1, 1e-9, 0, 2.0, pause=0).milliseconds(takes(clock, *unsteady))
    assert 2.0 <= clock[0] - start < 2.5
    assert repeats == pytest.approx(2.0 / 0.015, rel=0.1)
    start = clock[0]
    Timing(7, 0.1, 0, 0.1, pause=0).milliseconds(takes(clock, 1.0))
    assert clock[0] - start == pytest.approx(7 + 5)  # never fewer than five runs after the warm-up


@pytest.mark.parametrize("slow", [(0.0, 0.5), (0.3, 0.8), (0.0, 0.1, 0.4, 0.7)])
def test_a_slow_phase_of_the_machine_is_no_latency(clock, slow):
    """A network of 1 ms, on a machine that takes three times as long between such seconds."""

    def run():
        ends = sum(end <= clock[0] for end in slow)
        clock[0] += 0.003 if ends % 2 else 0.001

    found, spread, _ = Timing().milliseconds(run)
    assert found == pytest.approx(1)
    assert spread == pytest.approx(2)  # and that it was slow is told
    once, _, _ = Timing(rounds=1).milliseconds(lambda: clock.__setitem__(0, clock[0] + 0.003))
    assert once == pytest.approx(3)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"warm_up": 0}, "warm_up"),
        ({"precision": 0}, "precision"),
        ({"precision": math.nan}, "precision"),
        ({"least_seconds": -1}, "least_seconds"),
        ({"least_seconds": 3, "most_seconds": 2}, "least_seconds"),
        ({"rounds": 0}, "rounds"),
        ({"pause": -1}, "pause"),
        ({"pause": math.inf}, "pause"),
    ],
)
def test_impossible_timings_are_refused(arguments, name):
    with pytest.raises(ValueError, match=name):
        Timing(**arguments)


@pytest.mark.parametrize(
    ("meter", "says"),
    [
        (KerasLatency(QUICK), ["Keras", "TensorFlow", "float32", "batch of one", "threads"]),
        (LiteRTLatency(timing=QUICK), ["LiteRT", "float32", "XNNPACK", "1 thread", "1 runs"]),
        (LiteRTLatency(int8=True, threads=2, timing=QUICK), ["LiteRT", "int8", "2 threads"]),
        (ONNXLatency(timing=QUICK), ["ONNX Runtime", "CPUExecution", "1 thread", "batch of one"]),
        (ONNXLatency(threads=2, batch=3, timing=QUICK), ["2 threads", "batch of 3", "1 runs"]),
    ],
)
def test_latency_meters_time_a_network_and_say_how(small, meter, says):
    found = meter(small)
    assert isinstance(found, Measurement)
    assert found.unit == "ms"
    assert 0 < found.value < math.inf
    assert 0 <= found.spread < math.inf
    assert found.repeats >= 5
    assert all(words in found.how for words in says)
    assert meter.metric == "latency_ms"
    assert str(found).startswith(f"{found.value:.4g} ms")


def test_a_larger_network_takes_longer():
    """By a factor of hundreds, so that no load of the machine can turn it round."""
    for meter in (KerasLatency(QUICK), LiteRTLatency(timing=QUICK), ONNXLatency(timing=QUICK)):
        times = []
        for filters in (1, 64):
            image = keras.Input((64, 64, filters))
            x = keras.layers.Conv2D(filters, 7, padding="same")(image)
            times.append(meter(keras.Model(image, x)).value)
        assert times[0] < times[1]


def test_a_larger_batch_takes_longer(small):
    one, many = (ONNXLatency(batch=batch, timing=QUICK)(small).value for batch in (1, 2000))
    assert one < many


def test_execution_providers_go_by_short_and_long_names():
    for name in ("cpu", "CPU", "CPUExecutionProvider"):
        assert ONNXLatency(name) == ONNXLatency()
    there = ", ".join(
        sorted(
            name.removesuffix("ExecutionProvider").lower()
            for name in onnxruntime.get_available_providers()
        )
    )
    for name in ("sundial", "SundialExecutionProvider"):
        with pytest.raises(
            ValueError, match=f"provider 'sundial' on this machine; there are {there}"
        ):
            ONNXLatency(name)
    for wrong in ({"batch": 0}, {"threads": 0}, {"batch": 1.5}, {"threads": True}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be a whole number of at"):
            ONNXLatency(**wrong)
    with pytest.raises(ValueError, match="provider must be a name"):
        ONNXLatency(3)


def test_what_onnx_cannot_hold_is_a_failed_child():
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.ops.erfinv(keras.ops.clip(image, -0.9, 0.9)))
    with pytest.raises(ChildFailed, match="ONNX Runtime"):
        ONNXLatency(timing=QUICK)(model)
    anywhere = keras.Input((None, None, 3))
    with pytest.raises(ValueError, match="fixed input size"):
        ONNXLatency()(keras.Model(anywhere, keras.layers.ReLU()(anywhere)))


def test_what_is_counted(small, tmp_path):
    # 3x3x3x4 + 1x1x4x4 + dense 4x2 + 2 biases; 108 of them at 64 places, 16 at 16, 8 at one.
    assert MultiplyAdds()(small).value == 108 * 64 + 16 * 16 + 8
    assert Parameters()(small).value == 108 + 16 + 8 + 2
    assert ModelSize()(small).value == 4 * 134
    assert ModelSize(bits=8)(small).value == 134
    for int8, meter in ((False, LiteRTSize()), (True, LiteRTSize.quantised())):
        exported = export_litert(small, tmp_path / "small.tflite", int8=int8)
        assert meter(small).value == exported.bytes
    for meter in (MultiplyAdds(), Parameters(), ModelSize(), LiteRTSize(), PeakMemory()):
        found = meter(small)
        assert (found.spread, found.repeats) == (0, 1)
        assert found.unit in ("multiply-adds", "parameters", "bytes")
        assert found.how
    with pytest.raises(ValueError, match="bits must be 8, 16 or 32"):
        ModelSize(bits=4)


def test_peak_memory_of_a_graph_counted_by_hand(small):
    # Numbers held: image 192, first 256, left and right 64 each, add 64, pool 4, classes 2.
    # first: 192 + 256. Then the image is over; left: 256 + 64; right: 256 + 64 + 64; add: 3 x 64.
    assert PeakMemory()(small).value == 4 * (192 + 256)
    image = keras.Input((4, 4, 1))
    kept = keras.layers.Conv2D(3, 1)(image)  # 48 numbers, read at the very end
    x = keras.layers.Conv2D(5, 1)(kept)  # 80
    x = keras.layers.Conv2D(7, 1)(x)  # 112
    x = keras.layers.Conv2D(3, 1)(x)  # 48
    model = keras.Model(image, keras.layers.Add()([x, kept]))
    assert PeakMemory()(model).value == 4 * (48 + 80 + 112)


def test_peak_memory_does_not_count_what_only_training_needs():
    space = MnasNetSpace(layers=(1,), filters=(8,), strides=(1,), head=8)
    params = space.decode([0] * len(space.decisions))
    plain = space.build(params, (8, 8, 3), 2, dropout=0.0)
    assert PeakMemory()(plain).value == PeakMemory()(space.build(params, (8, 8, 3), 2)).value


def test_meters_refuse_what_they_cannot_measure():
    image = keras.Input((None, None, 1))
    anything = keras.Model(image, keras.layers.Conv2D(1, 1)(image))
    for meter in (KerasLatency(), LiteRTLatency(), MultiplyAdds(), PeakMemory()):
        with pytest.raises(ValueError, match=r"fixed (input|output) size.*None"):
            meter(anything)
    with pytest.raises(ValueError, match="threads"):
        LiteRTLatency(threads=0)
    image = keras.Input((4, 4, 1))
    reads_two = keras.Model([image, keras.Input((2,))], keras.layers.Conv2D(1, 1)(image))
    with pytest.raises(ValueError, match="input"):
        KerasLatency()(reads_two)


def test_what_litert_cannot_hold_is_a_failed_child():
    image = keras.Input((4, 4, 1))
    model = keras.Model(image, keras.layers.Lambda(lambda x: keras.ops.erfinv(x))(image))
    with pytest.raises(ChildFailed, match="not measured by LiteRT"):
        LiteRTLatency(timing=QUICK)(model)
    with pytest.raises(ChildFailed, match="LiteRT cannot run"):
        LiteRTLatency().of_content(b"no network")


def command(code, **arguments):
    return CommandMeter([sys.executable, "-c", code, "{model}"], **arguments)


def test_a_command_reads_the_model_and_prints_seconds(small):
    code = "import os, sys; print('bytes'); print(os.path.getsize(sys.argv[1]) / 1e6); print()"
    found = command(code)(small)
    assert found.value == pytest.approx(LiteRTSize()(small).value / 1e3)
    assert (found.spread, found.repeats, found.unit) == (0, 1, "ms")
    assert "{model}" in found.how
    assert "float32 .tflite" in found.how
    code = "import sys, zipfile; print('config.json' in zipfile.ZipFile(sys.argv[1]).namelist())"
    with pytest.raises(ChildFailed, match="got 'True'"):
        command(code, format=".keras")(small)


def test_a_command_is_repeated(small, tmp_path):
    log = tmp_path / "log"
    code = f"f = open({str(log)!r}, 'a+'); f.write('x'); f.flush(); f.seek(0); print(len(f.read()))"
    found = command(code, repeats=3)(small)
    assert (found.value, found.spread, found.repeats) == (2000, 2000, 3)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import sys; print('no phone', file=sys.stderr); sys.exit(3)", "status 3: no phone"),
        ("import sys; sys.exit(2)", "status 2, and printed nothing"),
        ("print('0.5 s')", "a number above 0, on its last line, got '0.5 s'"),
        ("pass", "a number above 0, on its last line, got ''"),
        ("print(0)", "got '0'"),
        ("print('nan')", "got 'nan'"),
    ],
)
def test_a_command_that_fails_is_a_failed_child(small, code, message):
    with pytest.raises(ChildFailed, match=message):
        command(code)(small)


def test_a_command_and_what_it_started_end_with_its_time(small, tmp_path):
    code = (
        "import subprocess, sys, time; print('waiting', file=sys.stderr, flush=True);"
        "subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    )
    start = time.monotonic()
    with pytest.raises(ChildFailed, match=r"longer than its time limit of 2 s: waiting"):
        command(code, timeout=2)(small)
    assert time.monotonic() - start < 30


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"command": [sys.executable]}, "holds {model}"),
        ({"command": "python {model}"}, "list of a program"),
        ({"command": ["no_such_program", "{model}"]}, "no program 'no_such_program'"),
        ({"timeout": 0}, "timeout"),
        ({"repeats": 0}, "repeats"),
        ({"format": ".onnx"}, "format"),
        ({"format": ".keras", "int8": True}, "'.tflite' for int8"),
    ],
)
def test_impossible_commands_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        CommandMeter(**{"command": [sys.executable, "{model}"], **arguments})


def test_several_meters_write_a_metric_each(small):
    meters = (Parameters(), ModelSize(), ModelSize(8, metric="size_int8_bytes"))
    assert measure(small, meters) == {
        "parameters": 134.0,
        "size_bytes": 536.0,
        "size_int8_bytes": 134.0,
    }
    assert measure(small, Parameters()) == {"parameters": 134.0}
    assert measure(small, None) == {}
    with pytest.raises(ValueError, match=r"\['latency_ms'\] more than once"):
        as_meters([KerasLatency(), LiteRTLatency()])
    with pytest.raises(ValueError, match="a meter is called with a model"):
        as_meters(lambda model: 1.0)


def test_meters_come_by_name():
    made = {name: make_meter(name) for name in names("meters") if name != "command"}
    assert {name: meter.metric for name, meter in made.items()} == {
        "accuracy-int8": "accuracy_int8",
        "keras": "latency_ms",
        "litert": "latency_ms",
        "litert-int8": "latency_ms",
        "litert-int8-size": "size_bytes",
        "litert-size": "size_bytes",
        "mae-int8": "mae_int8",
        "multiply-adds": "multiply_adds",
        "onnx": "latency_ms",
        "parameters": "parameters",
        "peak-memory": "peak_memory_bytes",
        "size": "size_bytes",
    }
    assert (made["litert"].int8, made["litert-int8"].int8) == (False, True)
    assert make_meter("command", command=[sys.executable, "{model}"], timeout=3).timeout == 3
    assert make_meter("cellwright.plugins:Parameters").metric == "parameters"
    with pytest.raises(ValueError, match=r"Did you mean 'litert'"):
        make_meter("lite-rt")
    with pytest.raises(ValueError, match="cannot be made so"):
        make_meter("litert", cores=2)
    with pytest.raises(ValueError, match="has a metric"):
        make_meter("cellwright.plugins:RollingWindow")
