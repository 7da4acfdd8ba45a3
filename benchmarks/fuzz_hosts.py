"""The records of the hosts: of Optuna, NNI, Keras Tuner and Ray Tune, and of ours beside theirs."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fuzz_damage import Door
from cellwright.adapters.nni_database import DATABASE, read_jobs
from cellwright.adapters.nni_record import HISTORY, Record
from cellwright.plugins import Dataset, Evaluation
from cellwright.plugins.strategies.outcome import Told
from cellwright.search_spaces import MLPSpace
from cellwright.searches import on_optuna
from cellwright.searches.settings import Settings
from cellwright.searches.trial import Trial, ranked


def doors(folder: Path) -> list[Door]:
    """The doors of these files; ``folder`` is used to make them."""
    return [
        _record(folder),
        _database(folder),
        _journal(folder),
        *_keras_tuner(folder),
        *_ray(folder),
    ]


def settings_of(host: str) -> Settings:
    """Of a search of two trials and more in a small space."""
    return Settings(host, "evolution", "mlp", "wine", 5, 2, 32, 1e-3, None, 0, None, 1)


def nonsense_in(trials: Sequence[Trial]) -> str:
    """What is nonsense in trials that were read; "" if nothing is."""
    for trial in trials:
        if not isinstance(trial.number, int) or isinstance(trial.number, bool) or trial.number < 0:
            return f"a number {trial.number!r}"
        for name, value in trial.metrics.items():
            if not isinstance(value, float | int) or isinstance(value, bool):
                return f"a metric {name!r} of {value!r}"
    if any(math.isnan(trial.metrics["reward"]) for trial in ranked(trials)):
        return "a trial that ranks by NaN"
    numbers = [trial.number for trial in trials]
    return "" if len(set(numbers)) == len(numbers) else f"numbers {numbers}"


def _record(folder: Path) -> Door:
    space = MLPSpace()
    params = space.sample(np.random.default_rng(0))
    record = Record(space, {0: Told(0, params, 0.5)}, {1: params}, {0: {"metrics": {}}}, 2)
    record.save(folder / HISTORY, seed=0)

    def read(folder: Path) -> str:
        record, _ = Record.load(folder / HISTORY, space)
        rewards = [told.reward for told in record.told.values()]
        finite = all(r is None or np.isfinite(r).all() for r in rewards)
        return "" if finite and isinstance(record.asked, int) else f"rewards {rewards}"

    return Door("record of NNI", HISTORY, (folder / HISTORY).read_bytes(), read)


def _database(folder: Path) -> Door:
    path = folder / "nni.sqlite"
    with closing(sqlite3.connect(path)) as made, made:
        made.execute("create table ExperimentProfile (params text, revision integer, logDir text)")
        made.execute("insert into ExperimentProfile values ('{}', 1, '')")
        made.execute("create table TrialJobEvent (timestamp integer, trialJobId text, event text, "
                     "data text, sequenceId integer)")  # fmt: skip
        made.execute("""insert into TrialJobEvent values
                     (1, 'a', 'WAITING', '{"parameters": {"x": 1}}', 0),
                     (2, 'a', 'SUCCEEDED', '', 0)
                     """)
        made.execute("create table MetricData (timestamp integer, trialJobId text, type text, "
                     "sequence integer, data text)")  # fmt: skip
        made.execute("insert into MetricData values (3, 'a', 'FINAL', 0, '\"0.5\"')")

    def read(folder: Path) -> str:
        read_jobs(folder)
        return ""

    return Door("database of NNI", str(DATABASE), path.read_bytes(), read, 0.5)


def _journal(folder: Path) -> Door:
    import optuna

    settings = settings_of("optuna")
    folder = folder / "journal"
    folder.mkdir()
    study = optuna.create_study(
        storage=on_optuna.storage_of(folder, settings),
        study_name="cellwright",
        direction="maximize",
    )
    study.tell(study.ask(), 0.5)

    def read(folder: Path) -> str:
        on_optuna.read(folder, settings)
        return ""

    whole = (folder / on_optuna.JOURNAL).read_bytes()
    return Door("journal of Optuna", on_optuna.JOURNAL, whole, read, 0.2)


def _keras_tuner(folder: Path) -> list[Door]:
    from cellwright.adapters.keras_oracle import StrategyOracle
    from cellwright.adapters.keras_trial import EvaluationTuner
    from cellwright.searches import on_keras_tuner

    settings = settings_of("keras-tuner")
    x = np.random.default_rng(0).random((20, 4)).astype(np.float32)
    y = np.arange(10) % 2
    evaluation = Evaluation(MLPSpace(), Dataset(x[:10], y, x[10:], y, ("a", "b")))

    def tuner(folder: Path) -> Any:
        oracle = on_keras_tuner._oracle(settings)
        where: Any = {"directory": str(folder), "project_name": on_keras_tuner.PROJECT}
        oracle.verbose = 0
        return EvaluationTuner(evaluation, oracle, **where)

    made = tuner(folder)
    oracle: StrategyOracle = made.oracle
    for reward in (0.25, 0.5):
        trial = oracle.create_trial("tuner0")
        oracle.update_trial(trial.trial_id, {"reward": reward, "val_loss": 1.0}, step=0)
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    oracle.create_trial("tuner0")  # which a kill has left
    made.save()
    project = folder / on_keras_tuner.PROJECT
    whole = {
        str(path.relative_to(folder)): path.read_bytes() for path in sorted(project.rglob("*.json"))
    }

    def read(folder: Path) -> str:
        return nonsense_in(on_keras_tuner.read(folder, settings))

    def report(folder: Path) -> str:
        found = on_keras_tuner.open_run(str(folder / on_keras_tuner.PROJECT), "mlp", None)
        return nonsense_in(found.trials)

    def go_on(folder: Path) -> str:
        oracle = tuner(folder).oracle
        trial = oracle.create_trial("tuner0")
        return "" if MLPSpace().read(trial.hyperparameters.values) else "no architecture"

    names = {Path(name).name: name for name in whole if "trial_0" in name or "trial" not in name}
    pairs = [
        ("oracle.json", read), ("oracle.json", go_on), ("trial.json", read), ("trial.json", report),
        ("trial.json", go_on), ("tuner0.json", go_on),
    ]  # fmt: skip
    return [
        Door(f"{name} of Keras Tuner, {do.__name__.replace('_', ' ')}", names[name],
             whole[names[name]], do, 0.5, whole)
        for name, do in pairs
    ]  # fmt: skip


def _ray(folder: Path) -> list[Door]:
    from cellwright.adapters.ray_searcher import CellwrightSearch
    from cellwright.adapters.ray_words import NOTES
    from cellwright.searches import on_ray

    settings = settings_of("ray")

    def searcher() -> CellwrightSearch:
        return CellwrightSearch("evolution", "reward", "max", space="mlp", seed=0)

    one, told = searcher(), []
    for reward in (0.25, 0.5):
        config = one.suggest(f"id{reward}")
        result = {"reward": reward, "seconds": 1.0, "training_iteration": 2}
        one.on_trial_complete(f"id{reward}", result)
        facts = {"trial_id": f"id{reward}", "config": config, "status": "TERMINATED"}
        told.append([json.dumps(facts), json.dumps({"last_result": result, "start_time": 1.0})])
    one.suggest("running")
    one.save(str(folder / "state.json"))
    state = (folder / "state.json").read_bytes()
    record = f"{on_ray.PLACE}/{on_ray.RECORD}"
    searched = "searcher-state-2026.json"

    def read(folder: Path) -> str:
        return nonsense_in(on_ray.read(folder, settings))

    def restore(folder: Path) -> str:
        again = searcher()
        again.restore(str(folder / record))
        again.begin_again()
        config = again.suggest("next")
        return "" if isinstance(config, dict) and NOTES in config else f"proposes {config}"

    def from_dir(folder: Path) -> str:
        again = searcher()
        again.restore_from_dir(str(folder))
        config = again.suggest("next")
        return "" if isinstance(config, dict) and NOTES in config else f"proposes {config}"

    def report(folder: Path) -> str:
        return nonsense_in(on_ray.open_run(str(folder), "mlp", None).trials)

    experiment = json.dumps({"trial_data": told, "runner_data": {}, "stats": {}}).encode()
    both = {searched: state, "experiment_state-2026.json": experiment}
    return [
        Door("record of Ray, read", record, state, read),
        Door("record of Ray, gone on with", record, state, restore),
        Door("searcher's state of Ray", searched, state, from_dir, 1.0, both),
        Door("experiment of Ray, restored", "experiment_state-2026.json", experiment, from_dir, 1.0,
             both),
        Door("experiment of Ray, reported", "experiment_state-2026.json", experiment, report, 1.0,
             both),
    ]  # fmt: skip
