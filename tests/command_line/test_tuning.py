"""Hyperparameters beside the architecture and few epochs for most, on the command line."""

import csv
import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from cellwright.plugins import (
    Hyperband,
    PopulationBased,
    RandomSearch,
    load_dataset,
    make_strategy,
)
from cellwright.plugins.strategies.schedule import Attempt, draws_of
from cellwright.search_spaces import CellwrightError, JointSpace
from cellwright.searches.folder import continue_or_start, read_settings
from cellwright.searches.settings import Settings

pytest.importorskip("keras")

MODULE = """
import os
from pathlib import Path
from cellwright.search_spaces import MLPSpace, NASNetSpace, Skeleton

LAYERS = MLPSpace(nodes=(2, 16), activations=("relu",), length=2)
SMALL = {"blocks": 1, "operations": ("identity", "max_3x3", "avg_3x3"),
         "skeleton": Skeleton.book(reductions=0)}
SPACE = NASNetSpace(**SMALL)

class Stopped(NASNetSpace):
    '''Ctrl-C while the child of a trial is built, if there is a file that says which.'''

    def build(self, *arguments, **options):
        at = Path("stop")
        if at.exists():
            left = int(at.read_text())
            at.write_text(str(left - 1))
            if left == 0:
                at.unlink()
                raise KeyboardInterrupt
        return super().build(*arguments, **options)

STOPPED = Stopped(**SMALL)
"""
TUNED = ("--tune", "learning_rate=1e-4..1e-2:log", "--tune", "augmentation=none,shift")
TINY = ("--filters", 2, "--data", "data.npz", "--space", "tuning_space:SPACE")
BOOK = ("--strategy", "reinforce-book", "--strategy-arg")
PLAIN = Settings("optuna", "random", "nasnet", "digits", 4, 9, 16, 1e-3, 2, 0, None, 1)


@pytest.fixture(scope="module")
def home(tmp_path_factory, write_digits):
    """60 digits of 3 classes, and a space of one cell of one block."""
    home = tmp_path_factory.mktemp("tuning")
    write_digits(home / "data.npz")
    (home / "tuning_space.py").write_text(MODULE)
    return home


def table(folder):
    with (folder / "trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_settings_say_space_and_schedule_and_keep_them():
    settings = Settings(**{**vars(PLAIN), "tune": ("dropout=0..0.5", "batch_size=8,16")})
    space = settings.make_space()
    assert isinstance(space, JointSpace)
    assert [d.name for d in space.hyperparameters] == ["dropout", "batch_size"]
    assert settings.make_schedule() is None
    assert settings.fixed_epochs == 9
    for schedule, expected in (("hyperband", Hyperband(9, 2)), ("halving", Hyperband(9, 2, 1))):
        settings = Settings(**{**asdict(settings), "schedule": schedule, "factor": 2})
        assert settings.make_schedule() == expected
        assert settings.fixed_epochs is None
        settings.save(Path())
        assert read_settings(Path()) == settings
    with pytest.raises(CellwrightError, match=r"--tune was 'dropout.*--schedule was 'halving'"):
        continue_or_start(Path(), PLAIN)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--tune", "learning_rate"), "a hyperparameter is written NAME=LOW..HIGH"),
        (("--tune", "batch_size=0,32"), "batch_size must be at least 1, got 0"),
        (("--tune", "augmentation=none,shfit"), "augmentation must be one of"),
        (("--tune", "taste=1..2"), "hyperparameters ['taste'] mean nothing here"),
        (("--tune", "dropout=1,2", "--tune", "dropout=1..2"), "dropout"),
        (("--schedule", "asha"), "--schedule must be one of hyperband, halving, pbt, got 'asha'"),
        (("--population", 4), "--population is for population based training"),
        (("--schedule", "halving", "--step", 2), "--step is for population based training"),
        (("--schedule", "pbt"), "name them, as with --tune learning_rate=1e-4..1e-2:log"),
        (("--schedule", "pbt", "--tune", "dropout=.1..0.5"), "it may change none"),
        (("--schedule", "pbt", "--epochs", 3, "--step", 3), "needs more --epochs than its --step"),
        (("--schedule", "pbt", "--factor", 3), "--factor is for hyperband and halving"),
        (("--schedule", "pbt", "--tune", "epochs=1,2"), "do not --tune them too"),
        (("--factor", 3), "--factor needs a schedule: give --schedule too"),
        (("--schedule", "halving", "--epochs", 2), "--epochs of at least its --factor, 3"),
        ((*BOOK, "units=many"), "units must be an integer, at least 1, got 'many'"),
        ((*BOOK, "cell=gru"), "cell must be one of lstm, nas, got 'gru'"),
        ((*BOOK, "unitz=3"), "unknown argument 'unitz'; the arguments are baseline, batch"),
        ((*BOOK, "baseline=median"), "baseline must be moving-average, rolling-window, constant"),
        ((*BOOK, "seed=3"), "--strategy-arg cannot set seed: give --seed"),
        ((*BOOK, "units"), "--strategy-arg is NAME=VALUE, such as units=32"),
        ((*BOOK, "units=3", *BOOK[2:], "units=4"), "--strategy-arg gives units twice"),
        (("--schedule", "halving", "--tune", "epochs=1,2"), "do not --tune them too"),
    ],
)
def test_what_makes_no_sense_is_refused_before_a_child_is_trained(
    cellwright, home, options, message
):
    for command in (("search", "--out", "wrong"), ("nni-init", "wrong")):
        if command[0] == "nni-init":
            pytest.importorskip("nni")
        printed, code = cellwright(home, *command, *TINY, *options)
        assert code == 1
        assert message in printed
        assert not (home / "wrong").exists()


@pytest.mark.parametrize(
    "host", ["optuna", "keras-tuner", pytest.param("nni", marks=pytest.mark.slow)]
)
def test_the_books_controller_searches_in_every_host(cellwright, home, host, monkeypatch):
    """By its name and with arguments, which are kept and compared."""
    pytest.importorskip(host.replace("-", "_"))
    path = os.pathsep.join([str(home), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)  # of NNI's trials
    search = ("search", *TINY, "--epochs", 1, "--host", host, "--out", f"book-{host}")
    given = (*BOOK, "units=4", "--strategy-arg", "baseline={window: 5}")
    for trials in (2, 3):
        printed, code = cellwright(home, *search, *given, "--trials", trials)
        assert code == 0, printed
    settings = read_settings(home / f"book-{host}")
    assert settings.strategy_arg == {"units": 4, "baseline": "{window: 5}"}
    strategy = make_strategy("reinforce-book", settings.make_space(), seed=0, units=4,
                             baseline={"window": 5})  # fmt: skip
    for number, row in enumerate(table(home / f"book-{host}")):
        asked = strategy.ask(number)
        assert {name: row[name] for name in asked} == {n: str(x) for n, x in asked.items()}
        strategy.tell(number, asked, float(row["reward"]))
    for name in ("search", "normal_cell", "reduction_cell"):
        assert (home / f"book-{host}" / "pictures" / f"{name}.png").exists()
    printed, code = cellwright(home, *search, *given[:4], "--trials", 4)
    assert code == 1
    assert "--strategy-arg was 'baseline={window: 5} units=4' and is now 'units=4'" in printed
    assert "units=4" in cellwright(home, "show", f"book-{host}")[0]


@pytest.mark.slow
@pytest.mark.parametrize("host", ["optuna", "keras-tuner", "nni"])
def test_hyperparameters_and_a_schedule_in_every_host(cellwright, home, host, monkeypatch):
    """The same trials, rung by rung, and they go on after a stop."""
    pytest.importorskip(host.replace("-", "_"))
    path = os.pathsep.join([str(home), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)  # of NNI's trials
    options = ("search", *TINY, *TUNED, "--strategy", "random", "--host", host, "--out", host,
               "--schedule", "hyperband", "--epochs", 4, "--factor", 2)  # fmt: skip
    printed, code = cellwright(home, *options, "--trials", 5)
    assert code == 0, printed
    printed, code = cellwright(home, *options, "--trials", 7)
    assert code == 0, printed
    assert "continuing after 5 trials" in printed
    rows = table(home / host)
    first = Hyperband(4, 2).plan[0]
    assert first == [(4, 1), (2, 2), (1, 4)]
    assert [float(row["epochs"]) for row in rows] == [1, 1, 1, 1, 2, 2, 4]
    assert [float(row["trained_epochs"]) for row in rows] == [1, 1, 1, 1, 1, 1, 2]
    space = read_settings(home / host).make_space()
    strategy = RandomSearch(space, seed=0)
    for number, row in enumerate(rows[:4]):
        asked = strategy.ask(number)
        assert {name: row[name] for name in asked} == {n: str(x) for n, x in asked.items()}
        strategy.tell(number, asked, float(row["reward"]))
    ranked = sorted(rows[:4], key=lambda row: -float(row["reward"]))
    decided = [[row[name] for name in space.names] for row in rows]
    assert sorted(decided[4:6]) == sorted([row[name] for name in space.names] for row in ranked[:2])
    assert decided[6] in decided[4:6]
    assert (home / host / "best.keras").exists()
    found = json.loads(cellwright(home, "best", host, "--json")[0])
    assert found["genotype"]["hyperparameters"].keys() == {"learning_rate", "augmentation"}
    assert "learning_rate:" in cellwright(home, "show", host)[0]
    exported, code = cellwright(home, "export", host, "--trial", 0, "--to", "keras")
    assert code == 0, exported
    assert "in the search it was" in exported or "trained again" not in exported


@pytest.mark.parametrize(
    "host",
    ["optuna", "keras-tuner", *(pytest.param(h, marks=pytest.mark.slow) for h in ("nni", "ray"))],
)
def test_successive_halving_in_every_host(cellwright, home, host, monkeypatch):
    """The better of two goes on with its weights, and no other bracket follows."""
    pytest.importorskip(host.replace("-", "_"))
    path = os.pathsep.join([str(home), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)  # of NNI's trials
    out = f"halving-{host}"
    printed, code = cellwright(
        home, "search", "--data", "data.npz", "--space", "tuning_space:LAYERS", "--host", host,
        "--strategy", "random", "--schedule", "halving", "--epochs", 2, "--factor", 2, "--out", out,
    )  # fmt: skip
    assert code == 0, printed
    rows = table(home / out)
    assert [float(row["epochs"]) for row in rows] == [1, 1, 2]
    assert [float(row["trained_epochs"]) for row in rows] == [1, 1, 1]
    better = max(rows[:2], key=lambda row: float(row["reward"]))
    assert rows[0]["layer/1"] != rows[1]["layer/1"]
    assert rows[2]["layer/1"] == better["layer/1"]
    assert (home / out / "pictures" / "search.png").exists()


@pytest.mark.slow
def test_a_rung_that_ctrl_c_interrupts_is_run_again(cellwright, home):
    options = ("search", *TINY[:-1], "tuning_space:STOPPED", "--strategy", "random", "--schedule",
               "halving", "--epochs", 4, "--factor", 2, "--out", "stopped")  # fmt: skip
    (home / "stop").write_text("5")  # the first that goes on; one more is built before the search
    printed, code = cellwright(home, *options)
    assert code == 130, printed
    printed, code = cellwright(home, *options)
    assert code == 0, printed
    rows = table(home / "stopped")
    assert [row["state"] for row in rows] == ["complete"] * 4 + ["interrupted"] + ["complete"] * 3
    complete = [row for row in rows if row["state"] == "complete"]
    assert [float(row["epochs"]) for row in complete] == [1, 1, 1, 1, 2, 2, 4]


def test_nni_init_writes_what_a_search_in_nni_does(cellwright, home):
    """The trial script makes the evaluation that `cellwright search` makes."""
    pytest.importorskip("nni")
    import yaml

    options = ("--data", "wine", "--class-weight", "balanced", "--space", "mlp", *TUNED[:2],
               "--schedule", "hyperband", "--epochs", 9, "--objectives", "val_accuracy,parameters",
               "--meter", "parameters", "--limit", 5000, "--seed", 3)  # fmt: skip
    printed, code = cellwright(home, "nni-init", "experiment", *options)
    assert code == 0, printed
    folder = home / "experiment"
    config = yaml.safe_load((folder / "config.yml").read_text())
    assert config["tuner"]["classArgs"] == {
        "strategy": "pareto-predictor",
        "space": "mlp",
        "seed": 3,
        "objectives": {"val_accuracy": "maximize", "parameters": "minimize"},
        "schedule": {"max_epochs": 9, "factor": 3, "brackets": None},
        "tune": ["learning_rate=1e-4..1e-2:log"],
    }
    assert config["maxTrialNumber"] == Hyperband(9, 3).trials
    from cellwright.adapters.nni_experiment import check_experiment

    check_experiment(folder)
    text = (folder / "trial.py").read_text()
    names = {"__name__": "read"}
    exec(text.replace("__main__", "read").replace("    run(", "    (lambda *a, **b: 0)("), names)
    written = names["evaluation"]
    settings = Settings(
        "nni", "pareto-predictor", "mlp", "wine", 4, 9, 128, 1e-3, None, 3, None, 2,
        class_weight="balanced", meter=("parameters",), limit=5000.0,
        objectives=("val_accuracy", "parameters"), tune=(TUNED[1],), schedule="hyperband",
    )  # fmt: skip
    made = settings.make_evaluation(load_dataset("wine", balanced=True))
    assert written.space.fingerprint == made.space.fingerprint
    assert (written.recipe, written.limit, written.options) == (
        made.recipe, made.limit, made.options,
    )  # fmt: skip
    assert (written.meter.metric, written.seed) == ("parameters", 3)
    assert written.checkpoints == "checkpoints"
    np.testing.assert_array_equal(written.data.weights, made.data.weights)


def test_nni_init_refuses_what_a_script_cannot_hold(home, tmp_path):
    """A field of `Evaluation` that is added later is written too, or refused."""
    pytest.importorskip("nni")
    from cellwright.plugins import WeightBank
    from cellwright.searches import on_nni

    settings = Settings("nni", "random", "mlp", "wine", 4, 1, 32, 1e-3, None, 0, None, 2)
    evaluation = settings.make_evaluation(load_dataset("wine"))
    banked = replace(evaluation, weights=WeightBank(tmp_path / "bank"))
    with pytest.raises(CellwrightError, match=r"cannot hold weights=.*add it to trial.py by hand"):
        on_nni.write(tmp_path / "experiment", settings, banked, overwrite=False)
    assert not (tmp_path / "experiment").exists()
    late = replace(evaluation, deadline=123.5)
    on_nni.write(tmp_path / "experiment", settings, late, overwrite=False)
    assert "deadline=123.5," in (tmp_path / "experiment" / "trial.py").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("host", ["optuna", "keras-tuner", "nni"])
def test_population_based_training_in_every_host(cellwright, home, host, monkeypatch):
    """The same members, step by step; they go on after a stop, and each child can be had again."""
    pytest.importorskip(host.replace("-", "_"))
    path = os.pathsep.join([str(home), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)  # of NNI's trials
    out = f"population-{host}"
    options = ("search", *TINY, *TUNED, "--strategy", "random", "--host", host, "--out", out,
               "--schedule", "pbt", "--epochs", 3, "--population", 2)  # fmt: skip
    printed, code = cellwright(home, *options, "--trials", 3)
    assert code == 0, printed
    printed, code = cellwright(home, *options)
    assert code == 0, printed
    assert "continuing after 3 trials" in printed
    rows = table(home / out)
    assert [float(row["epochs"]) for row in rows] == [1, 1, 2, 2, 3, 3]
    assert [float(row["trained_epochs"]) for row in rows] == [1] * 6
    assert len(list((home / out / "checkpoints").glob("*.npz"))) == 6
    space = read_settings(home / out).make_space()
    schedule, strategy = PopulationBased(2, 3), RandomSearch(space, seed=0)
    attempts = []
    for number, row in enumerate(rows):
        rung = schedule.next(attempts, space, draws_of(0, number))
        params = strategy.ask(number)
        if rung.past is not None:
            params = {**attempts[rung.past].params, **(rung.changes or {})}
        assert {name: row[name] for name in params} == {n: str(x) for n, x in params.items()}
        reward, held = float(row["reward"]), (rung.bracket, rung.epochs, rung.after, params)
        attempts.append(Attempt(number, rung.past, True, reward, *held))
        strategy.tell(number, space.decode(space.encode(params)), reward)
    worse = next(n for n in (2, 3) if not is_best(rows, n))
    exported, code = cellwright(home, "export", out, "--trial", worse, "--to", "keras")
    assert code == 0, exported
    assert "is read from its weights in" in exported
    accuracy = f"{float(rows[worse]['val_accuracy']):.4f}"
    assert exported.count(accuracy) == 2  # of the child, and in the search


def is_best(rows, number):
    return max(rows, key=lambda row: float(row["reward"])) is rows[number]


@pytest.mark.slow
def test_a_step_that_ctrl_c_interrupts_is_run_again(cellwright, home):
    options = ("search", *TINY[:-1], "tuning_space:STOPPED", *TUNED, "--strategy", "random",
               "--schedule", "pbt", "--epochs", 2, "--population", 2,
               "--out", "halted")  # fmt: skip
    (home / "stop").write_text("3")  # the first that goes on; one more is built before the search
    printed, code = cellwright(home, *options)
    assert code == 130, printed
    printed, code = cellwright(home, *options)
    assert code == 0, printed
    rows = table(home / "halted")
    assert [row["state"] for row in rows] == ["complete"] * 2 + ["interrupted"] + ["complete"] * 2
    complete = [row for row in rows if row["state"] == "complete"]
    assert [float(row["epochs"]) for row in complete] == [1, 1, 2, 2]
    assert [float(row["trained_epochs"]) for row in complete] == [1] * 4
    names = read_settings(home / "halted").make_space().names
    assert [rows[2][name] for name in names] == [rows[3][name] for name in names]


def test_nni_init_writes_a_population(cellwright, home):
    pytest.importorskip("nni")
    import yaml

    options = ("--data", "wine", "--space", "mlp", *TUNED[:2], "--schedule", "pbt", "--epochs", 9,
               "--population", 5, "--step", 3)  # fmt: skip
    printed, code = cellwright(home, "nni-init", "members", *options)
    assert code == 0, printed
    config = yaml.safe_load((home / "members" / "config.yml").read_text())
    schedule = config["tuner"]["classArgs"]["schedule"]
    assert PopulationBased(**schedule) == PopulationBased(5, 9, step=3)
    assert config["maxTrialNumber"] == 15
    assert "checkpoints" in (home / "members" / "trial.py").read_text()
    from cellwright.adapters.nni_experiment import check_experiment

    check_experiment(home / "members")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--strategy", "evolution"), "leave out --numeric, or --strategy"),
        (("--objectives", "val_accuracy,parameters"), "leave out --numeric, or --objectives"),
        (("--schedule", "hyperband"), "leave out --numeric, or --schedule"),
    ],
)
def test_numbers_are_not_for_our_own_strategies(cellwright, home, options, message):
    pytest.importorskip("nni")
    printed, code = cellwright(home, "nni-init", "wrong", *TINY, "--numeric", *options)
    assert code == 1
    assert message in " ".join(printed.split())
    assert not (home / "wrong").exists()
