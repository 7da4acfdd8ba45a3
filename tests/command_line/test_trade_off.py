"""Targets, limits and fronts on the command line, with a meter that counts and so never varies."""

import csv
import json
import os
from dataclasses import replace

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellwright.command_line.pictures.front_children import draw_children
from cellwright.command_line.pictures.front_picture import draw_front
from cellwright.command_line.trade_off import about_target
from cellwright.plugins import ParetoPredictor, RandomSearch, load_dataset
from cellwright.plugins.metrics import METRICS, Metric
from cellwright.search_spaces import Decision, NASNetSpace, SearchSpace, Skeleton
from cellwright.search_spaces.piece_costs import PieceCosts
from cellwright.searches.folder import read_settings
from cellwright.searches.front import front
from cellwright.searches.settings import Settings
from cellwright.searches.trial import Trial

OPERATIONS = ("identity", "sep_3x3", "sep_5x5", "sep_7x7")
ONE_CELL = Skeleton.book(reductions=0)
SPACE = NASNetSpace(blocks=1, operations=OPERATIONS, skeleton=ONE_CELL)
MODULE = f"""
from cellwright.plugins import LiteRTLatency, Measurement, Timing
from cellwright.search_spaces import NASNetSpace, Skeleton
SPACE = NASNetSpace(blocks=1, operations={OPERATIONS!r}, skeleton=Skeleton.book(reductions=0))


class Weights:  # a meter of a user's: what it counts is not known before a child is built
    metric, unit, direction = "parameters", "parameters", "minimize"

    def __call__(self, model):
        return Measurement(model.count_params(), 0.0, 1, "parameters", "counted")


class Undeclared:
    metric = "throughput"

    def __call__(self, model):
        return Measurement(1e6 / model.count_params(), 0.0, 1, "images/s", "counted")


class Throughput(Undeclared):
    unit, direction = "images/s", "maximize"


def quick_int8():
    timing = Timing(warm_up=1, precision=0.5, least_seconds=0.0, most_seconds=0.2)
    return LiteRTLatency(int8=True, timing=timing, metric="latency_int8_ms")
"""
TRIALS = 4
QUALITY, LATENCY = METRICS["val_accuracy"], METRICS["latency_ms"]
slow = pytest.mark.slow


def trial(number, accuracy, latency, reward=None, state="complete"):
    metrics = {"val_accuracy": accuracy, "latency_ms": latency}
    metrics["reward"] = accuracy if reward is None else reward
    return Trial(number, {}, state, metrics)


def settings(**changed):
    plain = Settings("optuna", "random", "nasnet", "digits", 4, 1, 16, 1e-3, 2, 0, None, 1)
    return Settings(**{**vars(plain), "meter": ("keras",), **changed})


def test_the_front_is_what_nothing_beats_the_cheapest_first():
    trials = [trial(0, 0.9, 3), trial(1, 0.8, 1), trial(2, 0.8, 2), trial(3, 0.95, 5),
              trial(4, 0.8, 1), trial(5, 0.99, 1, state="failed")]  # fmt: skip
    assert [t.number for t in front(trials, QUALITY, LATENCY)] == [1, 0, 3]
    assert front(trials, QUALITY, METRICS["size_bytes"]) == []
    assert [t.number for t in front(trials, METRICS["reward"], QUALITY)] == [3]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12))
def test_each_trial_is_on_the_front_or_beaten_by_one_that_is(points):
    trials = [trial(n, float(a), float(b)) for n, (a, b) in enumerate(points)]
    found = [(t.metrics["val_accuracy"], t.metrics["latency_ms"])
             for t in front(trials, QUALITY, LATENCY)]  # fmt: skip
    assert found == sorted(set(found), key=lambda point: point[1])
    for accuracy, latency in points:
        better = [(a, b) for a, b in found if a >= accuracy and b <= latency]
        assert better
        assert ((accuracy, latency) in found) == (better == [(accuracy, latency)])


def test_a_best_child_within_the_target_and_what_it_costs():
    lines = about_target(settings(target=2.0), [trial(0, 0.9, 3, 0.6), trial(1, 0.85, 1.5)])
    assert lines == [
        "target 2 ms: the best child, trial 1 (validation accuracy 0.8500, 1.5 ms), is within it",
        "it costs 0.0500 of accuracy: the most accurate child is trial 0 (validation accuracy "
        "0.9000, 3 ms)",
    ]
    (_, last) = about_target(settings(target=4.0), [trial(0, 0.9, 3), trial(1, 0.85, 1.5)])
    assert last == "no child that was trained is more accurate"


def test_a_best_child_beyond_the_target_is_called_so():
    found = [trial(0, 0.9, 3), trial(1, 0.85, 1.5)]
    first, second, _ = about_target(settings(target=2.0), found)
    assert first.endswith("is [yellow]beyond it[/]")
    assert second.startswith("the best within it is trial 1 (validation accuracy 0.8500, 1.5 ms);")
    _, second, _ = about_target(settings(target=1.0), found)
    assert second.startswith("no child is within it;")


def test_nothing_is_said_of_targets_that_nobody_gave():
    assert about_target(settings(meter=()), [trial(0, 0.9, 3)]) == []
    assert about_target(settings(), [trial(0, 0.9, 3)]) == []
    beyond = Trial(1, {}, "infeasible", {"latency_ms": 3.0, "infeasible": 1.0})
    assert about_target(settings(limit=2.0), [trial(0, 0.9, 1), beyond]) == [
        "limit 2 ms: 1 of 2 children are beyond it, not trained"
    ]


def test_a_picture_shows_trials_front_target_and_what_was_not_trained():
    beyond = Trial(3, {}, "infeasible", {"latency_ms": 30.0, "infeasible": 1.0})
    trials = [trial(0, 0.9, 3), trial(1, 0.8, 1), trial(2, 0.7, 2), beyond]
    (axes,) = draw_front(trials, target=2.5, best=trials[0]).axes
    labels = axes.get_legend_handles_labels()[1]
    assert labels == ["one trial", "front", "best reward (trial 0)",
                      "beyond the limit, not trained (1)", "target 2.5 ms"]  # fmt: skip
    assert {text.get_text() for text in axes.texts} == {"0", "1"}
    assert axes.get_xlabel() == "latency (ms)"
    assert axes.get_xscale() == "linear"
    (wide,) = draw_front([trial(0, 0.9, 1), trial(1, 0.95, 100)]).axes
    assert wide.get_xscale() == "log"
    (empty,) = draw_front([]).axes
    assert empty.texts[0].get_text() == "no trial has both metrics"


def test_the_front_of_two_metrics_that_go_up():
    throughput = Metric("throughput", "images/s", "maximize")
    points = [(0.9, 10), (0.8, 30), (0.7, 20), (0.95, 5)]
    trials = [
        Trial(n, {}, "complete", {"val_accuracy": a, "throughput": t, "reward": a})
        for n, (a, t) in enumerate(points)
    ]
    assert [t.number for t in front(trials, QUALITY, throughput)] == [1, 0, 3]  # the fastest first
    (axes,) = draw_front(trials, cost=throughput).axes
    assert axes.get_xlabel() == "throughput (images/s)"
    assert {text.get_horizontalalignment() for text in axes.texts} == {"left"}
    (steps,) = [line for line in axes.lines if line.get_label() == "front"]
    assert list(steps.get_xdata()) == [30, 10, 5]


def test_the_networks_of_a_front_are_drawn_beside_what_they_are_worth(monkeypatch):
    monkeypatch.setattr("cellwright.command_line.pictures.front_children.MOST", 2)
    rng = np.random.default_rng(0)
    trials = [replace(trial(n, 0.5 + n / 10, n + 1), params=SPACE.sample(rng)) for n in range(3)]
    front = {"quality": QUALITY, "cost": LATENCY}
    (axes,) = draw_children(SPACE, trials, **front).axes
    assert [text.get_text() for text in axes.texts] == [
        "trial 0: validation accuracy 0.5000, 1 ms",
        "trial 2: validation accuracy 0.7000, 3 ms",
    ]
    assert len(axes.images) == 4  # a normal and a reduction cell of each
    assert draw_children(SearchSpace([Decision("a", (1,))]), [trial(0, 0.5, 1)], **front) is None


# Searches


@pytest.fixture(scope="module")
def home(tmp_path_factory, write_digits):
    """60 digits of 3 classes, and a space of one block."""
    home = tmp_path_factory.mktemp("trade_off")
    write_digits(home / "data.npz")
    (home / "trade_off_space.py").write_text(MODULE)
    return home


def sizes():
    """Parameters of the first children that random search proposes."""
    strategy = RandomSearch(SPACE, seed=0)
    return [
        SPACE.build(strategy.ask(n), (8, 8, 1), 3, filters=2).count_params() for n in range(TRIALS)
    ]


def search(cellwright, home, host, limit, out):
    return cellwright(
        home, "search", "--epochs", 3, "--learning-rate", 0.1, "--batch-size", 16, "--filters", 2,
        "--data", "data.npz", "--strategy", "random", "--space", "trade_off_space:SPACE",
        "--trials", TRIALS, "--host", host, "--out", out,
        "--meter", "trade_off_space:Weights", "--target", limit, "--hard", "--limit", limit,
    )  # fmt: skip


def table(folder):
    with (folder / "trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def limited(cellwright, home):
    """A search that trains the smaller half of its children."""
    limit = sorted(sizes())[1]
    printed, code = search(cellwright, home, "optuna", limit, "limited")
    assert code == 0, printed
    return limit, printed, home / "limited"


def test_what_is_beyond_a_limit_is_a_row_and_no_training(limited):
    limit, printed, folder = limited
    rows = table(folder)
    assert [float(row["parameters"]) for row in rows] == sizes()
    for row in rows:
        beyond = float(row["parameters"]) > limit
        assert row["state"] == ("infeasible" if beyond else "complete")
        assert bool(row["val_accuracy"]) is not beyond
        assert ("beyond the limit" in row["error"]) is beyond
    beyond = sum(row["state"] == "infeasible" for row in rows)
    assert beyond > 0
    assert f"{beyond} of {TRIALS} children are beyond it, not trained" in printed
    assert "is within it" in printed
    assert read_settings(folder).limit == limit


@pytest.mark.parametrize("host", ["optuna", pytest.param("keras-tuner", marks=slow)])
def test_what_is_known_to_be_beyond_a_limit_is_not_even_proposed(cellwright, home, host):
    pytest.importorskip(host.replace("-", "_"))
    limit, out = sorted(sizes())[1], f"known-{host}"
    printed, code = cellwright(
        home, "search", "--epochs", 1, "--filters", 2, "--data", "data.npz", "--strategy", "random",
        "--space", "trade_off_space:SPACE", "--trials", TRIALS, "--host", host, "--out", out,
        "--meter", "parameters", "--limit", limit,
    )  # fmt: skip
    assert code == 0, printed
    rows = table(home / out)
    assert {row["state"] for row in rows} == {"complete"}
    assert all(float(row["parameters"]) <= limit for row in rows)
    assert f"0 of {TRIALS} children are beyond it" in printed
    settings = read_settings(home / out)
    how = {"input_shape": [8, 8, 1], "classes": 3, "options": {"filters": 2}}
    strategy = RandomSearch(SPACE, seed=0).keep_within(
        {"metric": "parameters", "at_most": limit, **how}
    )
    for number, row in enumerate(rows):
        asked = strategy.ask(number)
        assert {name: row[name] for name in asked} == {n: str(x) for n, x in asked.items()}
        strategy.tell(number, asked, float(row["reward"]))
    before = replace(settings, edition=3)  # a search that began before goes on as it was
    assert before.strategy_arguments(settings.make_evaluation()) == {}


def test_show_prints_and_draws_the_front(cellwright, home, limited):
    folder = limited[2]
    printed, code = cellwright(home, "show", folder)
    assert code == 0
    assert "front: validation accuracy against parameters" in printed
    assert (folder / "pictures" / "front.png").read_bytes().startswith(b"\x89PNG")
    printed, code = cellwright(home, "show", folder, "--against", "seconds")
    assert code == 0
    assert "front: validation accuracy against seconds of the trial" in printed
    assert (folder / "pictures" / "front_against_seconds.png").exists()
    printed, code = cellwright(home, "show", folder, "--against", "taste")
    assert code == 1
    assert "--against must be a metric of the trials" in printed


def test_any_trial_is_exported_as_it_was_in_the_search(cellwright, home, limited):
    folder = limited[2]
    rows = table(folder)
    best = json.loads((folder / "best.json").read_text())["params"]
    complete = [row for row in rows if row["state"] == "complete"]
    data = load_dataset(str(home / "data.npz"))
    for row in complete:
        printed, code = cellwright(
            home, "export", folder, "--trial", row["trial"], "--to", "keras", "--to", "python"
        )
        assert code == 0, printed
        kept = {name: row[name] for name in best} == {n: str(x) for n, x in best.items()}
        assert ("is trained again" in printed) is not kept
        for file in (
            folder / "children" / f"trial_{row['trial']}.keras",
            folder / "export" / f"trial_{row['trial']}.keras",
        ):
            model = keras.models.load_model(file)
            predicted = model.predict(data.x_val, verbose=0)
            accuracy = (predicted.argmax(axis=1) == data.y_val).mean()
            assert accuracy == pytest.approx(float(row["val_accuracy"]), abs=1e-6)
            loss = -np.log(predicted[np.arange(len(predicted)), data.y_val]).mean()
            assert loss == pytest.approx(float(row["val_loss"]), rel=1e-4)
    printed, _ = cellwright(
        home, "export", folder, "--trial", complete[0]["trial"], "--to", "keras"
    )
    assert "is trained again" not in printed
    refused = next(row for row in rows if row["state"] == "infeasible")
    printed, code = cellwright(home, "export", folder, "--trial", refused["trial"])
    assert code == 1
    assert f"trial {refused['trial']} has no child to export: it is infeasible" in printed


@pytest.mark.parametrize("metric", [None, "val_loss", "parameters"])
def test_a_report_says_what_was_beyond_the_limit_whatever_it_judges_by(
    cellwright, home, limited, metric
):
    rows = table(limited[2])
    by = () if metric is None else ("--metric", metric)
    printed, code = cellwright(home, "report", "limited", "--out", "told", *by)
    assert code == 0, printed
    assert [row["state"] for row in table(home / "told")] == [row["state"] for row in rows]
    beyond = sum(row["state"] == "infeasible" for row in rows)
    assert f"{beyond} more were beyond the limit and not trained" in printed
    if metric == "parameters":
        least = min(float(row["parameters"]) for row in rows)
        assert f"parameters: best {least:,.0f}," in printed


@pytest.mark.parametrize("host", ["keras-tuner", pytest.param("nni", marks=pytest.mark.slow)])
def test_other_hosts_leave_the_same_table(cellwright, home, limited, host, monkeypatch):
    pytest.importorskip("keras_tuner" if host == "keras-tuner" else "nni")
    path = os.pathsep.join([str(home), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)  # of NNI's trials
    printed, code = search(cellwright, home, host, limited[0], host)
    assert code == 0, printed
    mine, theirs = table(home / host), table(limited[2])
    for one, other in zip(mine, theirs, strict=True):
        unlike = {"seconds", "error"}
        assert {k: v for k, v in one.items() if k not in unlike} == {
            k: v for k, v in other.items() if k not in unlike
        }
        assert ("beyond the limit" in one["error"]) == ("beyond the limit" in other["error"])


@pytest.mark.parametrize("host", ["optuna", "keras-tuner", pytest.param("nni", marks=slow)])
def test_several_objectives_are_searched_for_in_every_host(cellwright, home, host, monkeypatch):
    pytest.importorskip(host.replace("-", "_"))
    path = os.pathsep.join([str(home), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)  # of NNI's trials
    out = f"two-{host}"
    printed, code = cellwright(
        home, "search", "--epochs", 1, "--filters", 2, "--data", "data.npz", "--trials", TRIALS,
        "--space", "trade_off_space:SPACE", "--host", host, "--out", out,
        "--objectives", "val_accuracy,parameters",
    )  # fmt: skip
    assert code == 0, printed
    rows = table(home / out)
    settings = read_settings(home / out)
    data = settings.load_data()
    how = (data.input_shape, data.classes, {"filters": 2})
    parameters = PieceCosts(SPACE, "parameters", *how)
    strategy = ParetoPredictor(SPACE, seed=0, computed=[None, lambda x: -parameters(x)])
    for number, row in enumerate(rows):
        asked = strategy.ask(number)
        assert {name: row[name] for name in asked} == {n: str(x) for n, x in asked.items()}
        strategy.tell(number, asked, (float(row["val_accuracy"]), -float(row["parameters"])))
        assert parameters(asked) == float(row["parameters"])
    assert settings.strategy == "pareto-predictor"
    before = replace(settings, edition=2)  # a search that began before goes on as it was
    assert before.strategy_arguments(settings.make_evaluation()) == {}
    printed, _ = cellwright(home, "show", out)
    assert "front: validation accuracy against parameters" in printed
    assert (home / out / "pictures" / "front_children.png").exists()


def measured_search(cellwright, home, meter, out, *options):
    return cellwright(
        home, "search", "--epochs", 1, "--filters", 2, "--data", "data.npz", "--trials", 3,
        "--space", "trade_off_space:SPACE", "--meter", f"trade_off_space:{meter}", "--out", out,
        *options,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("host", "meter", "objective"),
    [
        ("optuna", "Throughput", "throughput"),
        ("keras-tuner", "Undeclared", "throughput:max"),
    ],
)
def test_what_a_meter_of_yours_measures_is_maximised(cellwright, home, host, meter, objective):
    pytest.importorskip(host.replace("-", "_"))
    out = f"{meter}-{host}"
    printed, code = measured_search(
        cellwright, home, meter, out, "--host", host, "--objectives", f"val_accuracy,{objective}"
    )
    assert code == 0, printed
    assert "throughput " in printed
    assert read_settings(home / out).objectives == ("val_accuracy:max", "throughput:max")
    rows = table(home / out)
    fastest = max(rows, key=lambda row: float(row["throughput"]))
    told, code = cellwright(home, "report", out, "--metric", "throughput", "--json")
    assert code == 0, told
    assert json.loads(told)["best"][0]["trial"] == int(fastest["trial"])
    told, code = cellwright(home, "show", out)
    assert code == 0, told
    assert "front: validation accuracy against throughput" in told
    if host == "optuna":
        (line,) = [each for each in (home / out / "study.journal").read_text().splitlines()
                   if "directions" in each]  # fmt: skip
        assert json.loads(line)["directions"] == [2, 2]  # of optuna.study.StudyDirection: up


def test_a_report_by_an_int8_latency_ranks_the_fastest_child_first(cellwright, home):
    pytest.importorskip("ai_edge_litert")
    printed, code = measured_search(cellwright, home, "quick_int8", "int8", "--strategy", "random")
    assert code == 0, printed
    rows = sorted(table(home / "int8"), key=lambda row: float(row["latency_int8_ms"]))
    assert "latency int8 " in printed
    told, code = cellwright(home, "report", "int8", "--metric", "latency_int8_ms", "--json")
    assert code == 0, told
    assert [t["trial"] for t in json.loads(told)["best"]] == [int(row["trial"]) for row in rows]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--meter", "trade_off_space:Undeclared"),
            "write --objectives throughput:max or --objectives throughput:min, or give the meter",
        ),
        (
            ("--meter", "trade_off_space:Undeclared", "--objectives", "val_accuracy,throughput"),
            "write --objectives throughput:max",
        ),
        (
            ("--reward", "accuracy,metric=accuracy_int8"),
            "that measures it (accuracy_int8 needs --meter accuracy-int8), or another reward",
        ),
        (("--objectives", "accuracy_int8,loss"), "accuracy_int8 needs --meter accuracy-int8"),
        (("--meter", "onnx,provider=sundial"), "has no execution provider 'sundial' on this"),
        (("--meter", "litert", "--meter", "keras"), "each meter must write a metric of its own"),
        (("--meter", "size,bits"), "--meter is a name, or a name and its arguments, each once"),
        (("--meter", "trade_off_space:Throughput", "--target", 3), "leave the target out"),
        (("--objectives", "val_accuracy,f1_macro"), "a --meter adds its own metric, and :max"),
        (("--objectives", "loss,val_accuracy,loss:max"), "two metrics or more, each once"),
        (("--hard",), "--hard needs a target"),
        (("--target-ms", 1, "--target-from", "mnasnet-a1"), "both set the target: give one"),
        (("--meter", "sundial"), "unknown name 'sundial'; installed meters are"),
        (("--target-from", "mnasnet-z9"), "no reference network is called 'mnasnet-z9'"),
        (("--objectives", "val_accuracy"), "--objectives takes two metrics or more"),
        (("--objectives", "val_accuracy,taste"), "got 'val_accuracy,taste'; a --meter adds"),
        (
            ("--objectives", "val_accuracy,parameters", "--strategy", "evolution"),
            "on one objective",
        ),
        (("--predict", "t.json", "--space", "convnet"), "a network consists of, and ConvNetSpace("),
        (
            ("--predict", "t.json", "--meter", "parameters"),
            "latencies, and --meter measures parameters",
        ),
        (("--limit-ms", 0), "--limit-ms 0: limit must be above 0 and finite"),
    ],
)
def test_wrong_options_are_refused_before_a_child_is_trained(cellwright, home, options, message):
    printed, code = cellwright(home, "search", *options, "--out", "wrong")
    assert code == 1
    assert message in printed
    assert not (home / "wrong").exists()
