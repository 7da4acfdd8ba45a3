"""Records that version 0.1.0 left, before its parts had rooms: the present version goes on with
each of them exactly as that one did.

``tests/fixtures/before_rooms/make.py`` says how they were made. What goes on with a record is a
function here, and what it is to give was written down by that script, which called the same
function under the old version.
"""

import contextlib
import csv
import io
import json
import os
import runpy
import shutil
import sqlite3
import subprocess
import sys
import time
import zlib
from dataclasses import fields
from importlib.metadata import entry_points
from operator import attrgetter
from pathlib import Path

import numpy as np
import pytest

from cellwright import plugins
from cellwright.search_spaces import (
    INFEASIBLE,
    ConvNetSpace,
    Decision,
    Float,
    Int,
    JointSpace,
    MLPSpace,
    MnasNetSpace,
    NASNetSpace,
    SearchSpace,
)
from cellwright.searches.settings import Settings

SETTINGS = [  # of version 0.1.0
    "host", "strategy", "space", "data", "trials", "epochs", "batch_size", "learning_rate",
    "filters", "seed", "storage", "concurrency", "label", "drop", "task", "class_weight", "meter",
    "target", "target_from", "hard", "limit", "patience", "deadline", "objectives", "predict",
    "tune", "schedule", "factor",
]  # fmt: skip
FIXTURES = Path(__file__).parents[1] / "fixtures" / "before_rooms"

SPACES = {
    "book": NASNetSpace,
    "cells": lambda: NASNetSpace(blocks=2),
    "published": NASNetSpace.published,
    "amoebanet": NASNetSpace.amoebanet,
    "mlp": MLPSpace,
    "mnasnet": MnasNetSpace,
    "convnet": lambda: ConvNetSpace(layers=(3, 5), filters=(24, 36), sizes=(1, 3, 5)),
    "scheduled": lambda: ConvNetSpace(layers=(2, 3, 4), strides=True, every=6),
    "joint": lambda: JointSpace(
        MLPSpace(),
        Float("learning_rate", 1e-4, 1e-2, log=True),
        Int("batch_size", 16, 256, log=True),
        Decision("clustering", (False, True)),
        Int("clusters", 4, 20, when={"clustering": True}),
    ),
    "plain": lambda: SearchSpace(
        [Decision("a", (1, 2, 3)), Decision("b", ("x", "y")), Decision("c", (0, 1))]
    ),
}
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def read(file):
    return json.loads((FIXTURES / file).read_text(encoding="utf-8"))


def written(space, params):
    """Params in short: a character for each decision."""
    return "".join(DIGITS[index] for index in space.encode(params))


def score(params, objectives=1):
    """Rewards in [0, 1) that are the same on every machine."""
    text = repr(sorted(params.items()))
    values = tuple(zlib.crc32(f"{k} {text}".encode()) / 2**32 for k in range(objectives))
    return values if objectives > 1 else values[0]


def outcome(number, params, objectives):
    """The reward and the excess of a trial: some fail, and some are beyond a limit."""
    if number % 7 == 3:
        return None, 0.0
    if number % 11 == 5:
        return None, 0.25 + score(params)
    return score(params, objectives), 0.0


def test_the_records_are_here():
    wanted = ["expected.json"]
    wanted += [f"{part}/expected.json" for part in ("optuna", "keras_tuner", "nni", "runs")]
    assert [file for file in wanted if not (FIXTURES / file).is_file()] == []


# Strategies


def make(entry):
    """The strategy of an entry of ``expected.json``."""
    arguments = dict(entry["arguments"])
    if "baseline" in arguments:
        arguments["baseline"] = getattr(plugins, arguments["baseline"])()
    if "signal" in arguments:
        arguments["signal"] = score
    made = attrgetter(entry["strategy"])(plugins)
    return made(SPACES[entry["space"]](), seed=entry["seed"], **arguments)


# Optuna


def goals(entry):
    return len(entry.get("directions", [1]))


def schedule_of(entry):
    given = entry.get("schedule")
    return None if given is None else plugins.Hyperband(**given)


def search_study(entry, storage, trials):
    """Run ``trials`` trials of a study of ``optuna/expected.json``, and give its sampler and it."""
    optuna = pytest.importorskip("optuna")
    from cellwright.adapters.optuna_sampler import StrategySampler, rung_of, suggest

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = SPACES[entry["space"]]()

    def objective(trial):
        params = suggest(trial, space)
        if entry.get("other"):
            params["other"] = trial.suggest_float("other", 0.0, 1.0)
        rung = rung_of(trial)
        if trial.number == 4:
            raise RuntimeError("child 4 fails")
        if trial.number == 6:
            trial.set_user_attr(INFEASIBLE, 0.5)
            raise RuntimeError("child 6 is beyond a limit")
        if trial.number == 8 and goals(entry) == 1:
            trial.report(0.75, 0)
            raise optuna.TrialPruned
        return score({**params, "epochs": rung.epochs if rung else 1}, goals(entry))

    sampler = StrategySampler(make(entry), schedule=schedule_of(entry))
    study = optuna.create_study(
        storage=storage,
        study_name=entry["id"],
        sampler=sampler,
        directions=entry["directions"],
        load_if_exists=True,
    )
    study.optimize(objective, n_trials=trials, catch=(RuntimeError,))
    return sampler, study


def storage_of(entry, folder):
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    if entry["storage"].endswith(".journal"):
        return JournalStorage(JournalFileBackend(str(folder / entry["storage"])))
    return f"sqlite:///{folder / entry['storage']}"


def study_goes_on(entry, folder):
    """What the next four trials try, and what the strategy has been told of those before."""
    sampler, study = search_study(entry, storage_of(entry, folder), 4)
    found = study.trials[-4:]
    told = [[one.number, plain(one.reward), one.excess] for one in sampler.strategy.history]
    return {
        "told": told,
        "next": [trial.params for trial in found],
        "rungs": [trial.user_attrs.get("rung") for trial in found],
        "predicted": [
            round(trial.user_attrs[name], 6)
            for trial in found
            for name in ("predicted", "predicted_std")
            if name in trial.user_attrs
        ],
    }


def plain(reward):
    return list(reward) if isinstance(reward, tuple) else reward


def records(part):
    """The entries of a part's ``expected.json``."""
    file = FIXTURES / part / "expected.json"
    found = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    return [pytest.param(entry, id=entry["id"]) for entry in found]


def check(found, entry):
    """That what goes on is what went on."""
    found, expected = json.loads(json.dumps(found)), dict(entry["expected"])
    assert found.pop("predicted", []) == pytest.approx(expected.pop("predicted", []), rel=1e-4)
    assert found == expected


@pytest.fixture
def copied(tmp_path):
    """A function that copies a record, as frozen ones stay."""

    def copy(name):
        source, to = FIXTURES / name, tmp_path / Path(name).name
        shutil.copytree(source, to) if source.is_dir() else shutil.copyfile(source, to)
        return to

    return copy


@pytest.fixture
def utc(monkeypatch):
    """The time zone of the records: a seed that no user gave follows from when the first trial of a
    study began, and Optuna says that in local time."""
    with monkeypatch.context() as environment:
        environment.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize("entry", records("optuna"))
@pytest.mark.usefixtures("utc")
def test_a_study_goes_on(entry, copied, tmp_path):
    pytest.importorskip("optuna")
    copied(f"optuna/{entry['storage']}")
    check(study_goes_on(entry, tmp_path), entry)


# Keras Tuner


def search_project(entry, folder, trials):
    """Run a project of ``keras_tuner/expected.json`` up to ``trials`` trials; gives its oracle."""
    kt = pytest.importorskip("keras_tuner")
    from cellwright.adapters.keras_oracle import StrategyOracle, architecture

    ways = ["max", "min"][: goals(entry)]
    objective = [kt.Objective(f"score_{k}", way) for k, way in enumerate(ways)]
    others = kt.HyperParameters()
    if entry.get("other"):
        others.Float("other", 0.0, 1.0)
    oracle = StrategyOracle(
        objective if len(objective) > 1 else objective[0],
        trials,
        schedule=schedule_of(entry),
        hyperparameters=others,
        **(
            {"strategy": entry["strategy"], "space": entry["space"], "seed": entry["seed"],
             **entry["arguments"]}
            if entry.get("named")
            else {"strategy": make(entry)}
        ),
    )  # fmt: skip

    class Scored(kt.engine.base_tuner.BaseTuner):
        def run_trial(self, trial, *arguments, **options):
            number, values = int(trial.trial_id), trial.hyperparameters.values
            if number == 2:
                raise RuntimeError("child 2 fails")
            if number == 5:
                oracle.update_trial(trial.trial_id, {INFEASIBLE: 0.5})
                raise kt.errors.FailedTrialError("child 5 is beyond a limit")
            params = architecture(trial.hyperparameters, oracle.space)
            params["epochs"] = values.get("tuner/epochs", 1)
            params["other"] = values.get("other")
            rewards = score(params, goals(entry))
            rewards = rewards if goals(entry) > 1 else [rewards]
            found = {f"score_{k}": reward for k, reward in enumerate(rewards)}
            if len(found) > 1:
                found["multi_objective"] = oracle.objective.get_value(found)
            return found

    tuner = Scored(oracle, directory=str(folder), project_name=entry["id"])
    tuner.search(verbose=0)
    return oracle


def project_goes_on(entry, folder):
    """What the next four trials try, and what the strategy has been told of those before."""
    trials = entry["trials"]
    oracle = search_project(entry, folder, trials + 4)
    ids = sorted(oracle.trials, key=int)
    new = [oracle.trials[name] for name in ids[-4:]]
    kept = [
        metrics.get_last_value(name)
        for metrics in (trial.metrics for trial in new)
        for name in ("predicted", "predicted_std")
        if metrics.exists(name)
    ]
    return {
        "ids": ids,
        "told": [[one.number, plain(one.reward), one.excess] for one in oracle.record()],
        "next": [trial.hyperparameters.values for trial in new],
        "predicted": [round(value, 6) for value in kept],
    }


@pytest.mark.parametrize("entry", records("keras_tuner"))
def test_a_project_goes_on(entry, copied, tmp_path):
    pytest.importorskip("keras_tuner")
    copied(f"keras_tuner/{entry['id']}")
    check(project_goes_on(entry, tmp_path), entry)


# NNI's tuner


def run_tuner(entry, folder, trials, resume=False):
    """So many trials of a tuner of ``nni/expected.json``; gives it, and what each was given.

    The last trial never ends: NNI was stopped.
    """
    pytest.importorskip("nni")
    from cellwright.adapters.nni_space import search_space_of
    from cellwright.adapters.nni_tuner import StrategyTuner

    os.environ["NNI_CHECKPOINT_DIRECTORY"] = str(folder)
    tuner = StrategyTuner(entry["strategy"], seed=entry["seed"], **entry["arguments"])
    if resume:
        tuner.load_checkpoint()
    tuner.update_search_space({**search_space_of(tuner.space), **entry["others"]})
    given = []
    for number in range(trials):
        [params] = tuner.generate_multiple_parameters([number])
        given.append(params)
        if number == trials - 1:
            break
        network = {name: params[name] for name in tuner.space.names}
        values = score(params, len(entry["arguments"].get("objectives", [1])))
        names = entry["arguments"].get("objectives", {"default": "maximize"})
        rewards = values if isinstance(values, tuple) else (values,)
        report = dict(zip(names, rewards, strict=True))
        value = {"default": 0.5, **report, "architecture": network}
        if number == 3:
            value = {"default": None, "error": "child 3 fails", "architecture": network}
        if number == 5:
            value = {"default": None, "error": "beyond", INFEASIBLE: 0.5, "architecture": network}
        if number != 6:  # this one ends without a word
            tuner.receive_trial_result(number, params, value, trial_job_id=f"job{number}")
        tuner.trial_end(number, number != 6)
    return tuner, given


def tuner_goes_on(entry, folder):
    """What the next four trials are given, the one that never ended first."""
    tuner, given = run_tuner(entry, folder, 5, resume=True)
    saved = json.loads((folder / "cellwright_history.json").read_text(encoding="utf-8"))
    # The old version, by which make.py runs this, noted no identity. Which of the book's spaces it
    # was is not noted either, since it had but one.
    identity = getattr(tuner.space, "identity", dict)()
    identity.get("facts", {}).pop("repair", None)
    assert saved.pop("identity", None) in (None, identity)
    return {"next": given[:4], "saved": saved}


@pytest.mark.parametrize("entry", records("nni"))
def test_a_tuner_goes_on(entry, copied, monkeypatch):
    pytest.importorskip("nni")
    monkeypatch.setenv("NNI_CHECKPOINT_DIRECTORY", "")
    check(tuner_goes_on(entry, copied(f"nni/{entry['id']}")), entry)


# Folders of `cellwright search`


def command(home, *arguments):
    """What ``cellwright`` prints in the folder ``home``, run in this process."""
    [entry] = entry_points(group="console_scripts", name="cellwright")
    main = entry.load()
    before = os.getcwd(), sys.argv, sys.path[:], sys.stdout, sys.stderr
    os.chdir(home)
    sys.argv = ["cellwright", *map(str, arguments)]
    sys.stdout = sys.stderr = out = io.StringIO()
    code = 0
    try:
        main()
    except SystemExit as end:
        code = end.code or 0
    finally:
        os.chdir(before[0])
        sys.argv, sys.path[:], sys.stdout, sys.stderr = before[1:]
    assert code == 0, out.getvalue()
    return out.getvalue()


def process(home, *arguments):
    """The same in a process of its own."""
    run = "from importlib.metadata import entry_points as e; [m] = e(group='console_scripts', "
    run += "name='cellwright'); m.load()()"
    done = subprocess.run(
        [sys.executable, "-c", run, *map(str, arguments)],
        cwd=home,
        env=os.environ | {"HOME": str(home)},  # where NNI keeps a list of experiments
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def table(folder):
    with (folder / "trials.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_search(folder):
    """The best child, as it is read without a new trial."""
    return json.loads(command(folder.parent, "best", folder.name, "--json"))


def search_goes_on(entry, folder, run=command):
    """The best child, the rows of the trials that were there, and of those that are new what does
    not depend on the machine."""
    best = read_search(folder)
    trials = entry["trials"] + entry["more"]
    run(folder.parent, "search", *entry["options"], "--trials", trials, "--out", folder.name)
    rows = table(folder)
    facts = ("trial", "state", "epochs", "trained_epochs", *best["params"])
    return {
        "best": best,
        "before": rows[: entry["trials"]],
        "next": [
            {name: row[name] for name in facts if name in row} for row in rows[entry["trials"] :]
        ],
        "settings": as_they_were(json.loads((folder / "settings.json").read_text("utf-8"))),
    }


def as_they_were(settings):
    """The settings as version 0.1.0 wrote them: lists as texts, objectives without directions, and
    without what has been added since, which must have its default in a search of that version."""
    plain = Settings("", "", "", "", 1, 1, 1, 1.0, None, 0, None, 1)
    since = {f.name: getattr(plain, f.name) for f in fields(Settings) if f.name not in SETTINGS}
    since["edition"] = 1  # that of a search which began when settings kept none
    assert {name: settings[name] for name in since} == json.loads(json.dumps(since))
    before = {name: settings[name] for name in SETTINGS}
    for name, between in (("drop", ","), ("objectives", ","), ("tune", " "), ("meter", " ")):
        texts = settings[name]
        assert isinstance(texts, list)
        before[name] = between.join(texts) or None
    if settings["objectives"]:
        assert settings["objectives"] == ["val_accuracy:max", "parameters:min"]
        before["objectives"] = "val_accuracy,parameters"
    return before


def relocate(folder):
    """Say in NNI's database where the folder of a search now is.

    NNI goes on with the paths that stand there: of the experiment, and of Python.
    """
    for file in folder.glob("experiment/experiments/*/db/nni.sqlite"):
        with contextlib.closing(sqlite3.connect(file)) as database, database:
            for old, new in (("/FOLDER", str(folder)), ("/PYTHON", sys.executable)):
                for column in ("ExperimentProfile.params", "ExperimentProfile.logDir",
                               "TrialJobEvent.logPath"):  # fmt: skip
                    of, _, name = column.partition(".")
                    change = f"UPDATE {of} SET {name} = replace({name}, ?, ?)"
                    database.execute(change, (old, new))


@pytest.mark.parametrize("entry", [e for e in records("runs") if e.id != "nni"])
def test_a_search_goes_on(entry, copied):
    for module in ("keras", "keras_tuner" if entry["id"] == "keras-tuner" else "optuna"):
        pytest.importorskip(module)
    check(search_goes_on(entry, copied(f"runs/{entry['id']}")), entry)


@pytest.mark.parametrize("entry", [e for e in records("runs") if e.id == "nni"])
def test_a_search_by_nni_is_read(entry, copied):
    pytest.importorskip("nni")
    assert read_search(copied(f"runs/{entry['id']}")) == entry["expected"]["best"]


@pytest.mark.slow
@pytest.mark.parametrize("entry", [e for e in records("runs") if e.id == "nni"])
def test_a_search_by_nni_goes_on(entry, copied):
    pytest.importorskip("nni")
    folder = copied(f"runs/{entry['id']}")
    relocate(folder)
    check(search_goes_on(entry, folder, process), entry)


# What else is kept in files


def predicted(folder):
    """What the saved estimator says of five rows."""
    from sklearn.datasets import load_wine

    from cellwright import CellwrightClassifier

    rows = load_wine().data[::36]
    found = CellwrightClassifier.load(folder)
    return {
        "classes": found.predict(rows).tolist(),
        "probabilities": found.predict_proba(rows).round(6).tolist(),
        "best_params": found.best_params_,
        "trials": [[one.number, one.params, one.state, one.reward] for one in found.trials_],
    }


def test_a_saved_estimator_predicts_what_it_did(copied):
    pytest.importorskip("keras")
    found, expected = predicted(copied("estimator")), read("expected.json")["estimator"]
    wanted = expected.pop("probabilities")
    assert np.array(found.pop("probabilities")) == pytest.approx(np.array(wanted), abs=1e-4)
    assert json.loads(json.dumps(found)) == expected


def latency_predictor(path):
    """A table that counts in place of timing, so that any machine makes the same one."""
    from cellwright import LatencyPredictor

    # The book's space of that version.
    space = getattr(NASNetSpace, "wide", NASNetSpace)(blocks=1)
    meter = plugins.MultiplyAdds()
    return LatencyPredictor(space, (8, 8, 1), 3, options={"filters": 2}, meter=meter, path=path)


def sampled(space, number):
    rng = np.random.default_rng(0)
    return [space.sample(rng) for _ in range(number)]


def predicted_times(path):
    """What the table of another machine predicts, as if it were this machine's."""
    here = latency_predictor(None).table.about["machine"]
    table = json.loads(path.read_text(encoding="utf-8"))
    table["about"]["machine"] = here
    path.write_text(json.dumps(table), encoding="utf-8")
    predictor = latency_predictor(path)
    return [predictor.milliseconds(params) for params in sampled(predictor.space, 4)]


def test_a_latency_table_predicts_what_it_did(copied):
    pytest.importorskip("keras")
    found = predicted_times(copied("latency.json"))
    assert found == pytest.approx(read("expected.json")["latency"])


def facts_of(data):
    return {
        "x_train": data.x_train.tolist(),
        "y_val": data.y_val.tolist(),
        "weights": data.weights.tolist(),
        "class_names": data.class_names,
        "shape": [data.input_shape, data.classes],
    }


def test_saved_data_are_what_they_were(copied):
    found = facts_of(plugins.load_dataset(str(copied("rows.dataset.npz"))))
    assert json.loads(json.dumps(found)) == read("expected.json")["dataset"]


CHILD = {"blocks": 1, "operation_set": "amoebanet", "combinations": ("add",)}


def outputs(file):
    """Of a saved child, loaded as docs/export.md says."""
    import keras

    import cellwright.search_spaces.export  # noqa: F401, that Keras knows layers of ours

    model = keras.models.load_model(file)
    image = np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 8, 8, 1)
    return keras.ops.convert_to_numpy(model(image)).round(6).tolist()


def test_a_saved_child_with_layers_of_ours_is_loaded(copied):
    pytest.importorskip("keras")
    found = np.array(outputs(copied("drop_path.keras")))
    assert found == pytest.approx(np.array(read("expected.json")["drop_path"]), abs=1e-5)


def trained_on(folder):
    """How many epochs a child is trained for that goes on from its checkpoint, and its losses."""
    data = plugins.load_dataset("wine")
    recipe = plugins.Recipe(epochs=3)
    evaluation = plugins.Evaluation(MLPSpace(), data, recipe=recipe, checkpoints=folder)
    metrics, _ = evaluation.run({"layer/1": "8 relu", "layer/2": "output"})
    return {"trained_epochs": metrics["trained_epochs"], "val_loss": metrics["val_loss"]}


def test_a_child_goes_on_from_its_checkpoint(copied):
    pytest.importorskip("keras")
    found, expected = trained_on(copied("checkpoints")), read("expected.json")["checkpoint"]
    assert found == pytest.approx(expected, rel=1e-3)


def test_an_experiment_of_nni_init_is_still_one(copied):
    """NNI runs its trial script and makes its tuner, both as they were written."""
    pytest.importorskip("nni")
    from cellwright.adapters.nni_experiment import check_experiment

    folder = copied("nni_init")
    check_experiment(folder)
    names = runpy.run_path(str(folder / "trial.py"), run_name="trial")
    assert {"Evaluation", "run", "keep_best"} <= names.keys()
