"""What Optuna's own pages and plots show: pictures as artifacts, the main parameters."""

import runpy
import shutil
from pathlib import Path

import optuna
import pytest
from optuna.artifacts import FileSystemArtifactStore, download_artifact, get_all_artifact_meta
from optuna.samplers import TPESampler

from cellwright.adapters.optuna_picture import keep_picture
from cellwright.adapters.optuna_sampler import StrategySampler, suggest
from cellwright.adapters.optuna_study import main_params
from cellwright.search_spaces import (
    CellwrightError,
    Decision,
    MLPSpace,
    NASNetSpace,
    SearchSpace,
)
from cellwright.searches.on_optuna import open_run

DOCS = Path(__file__).parents[2] / "docs"
CELLS = NASNetSpace(blocks=1)
FIFTY = NASNetSpace()


@pytest.fixture(autouse=True)
def _quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture
def store(tmp_path):
    (tmp_path / "artifacts").mkdir()
    return FileSystemArtifactStore(str(tmp_path / "artifacts"))


def files_of(study):
    """Names of the artifacts of each trial."""
    storage = study._storage
    return [
        sorted(meta.filename for meta in get_all_artifact_meta(trial, storage=storage))
        for trial in study.trials
    ]


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_each_trial_that_is_the_best_so_far_has_its_picture(direction, store, tmp_path):
    sign = 1 if direction == "maximize" else -1
    values = iter([3.0, 2.0, 5.0, 5.0, 9.0, 8.0, 9.5])

    def objective(trial):
        suggest(trial, CELLS)
        trial.set_constraint("latency", 1.0 if trial.number == 4 else 0.0)
        if trial.number == 5:
            raise optuna.TrialPruned
        return sign * next(values)

    sampler = StrategySampler("random", space=CELLS, seed=0, artifact_store=store)
    storage = f"sqlite:///{tmp_path}/s.db"
    study = optuna.create_study(direction=direction, sampler=sampler, storage=storage)
    study.optimize(objective, n_trials=7)
    pictures = files_of(study)
    assert [bool(files) for files in pictures] == [True, False, True, False, False, False, True]
    names = sorted(f"{name}.png" for name in CELLS.figures(CELLS.read(study.best_params)))
    assert pictures[study.best_trial.number] == names
    meta = get_all_artifact_meta(study.best_trial, storage=study._storage)[0]
    assert meta.mimetype == "image/png"
    download_artifact(
        artifact_store=store, artifact_id=meta.artifact_id, file_path=str(tmp_path / "picture.png")
    )
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_with_several_objectives_the_front_has_pictures(store):
    values = iter([(1.0, 1.0), (2.0, 2.0), (2.0, 0.5), (3.0, 9.0)])
    sampler = StrategySampler("pareto", space=CELLS, seed=0, artifact_store=store)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    study.optimize(lambda trial: suggest(trial, CELLS) and next(values), n_trials=4)
    assert [bool(files) for files in files_of(study)] == [True, True, True, True]


def test_an_objective_may_keep_a_picture_under_any_sampler(store):
    def objective(trial):
        suggest(trial, CELLS)
        return len(keep_picture(trial, CELLS, store))

    study = optuna.create_study(sampler=TPESampler(seed=0))
    study.optimize(objective, n_trials=1)
    assert study.best_value == len(files_of(study)[0]) > 0


def test_what_cannot_be_drawn_or_kept_does_not_end_the_study(caplog):
    class Full:
        def write(self, *_):
            raise OSError("disk full")

    plain = SearchSpace([Decision("a", (1, 2, 3))])
    for space in (plain, CELLS):
        sampler = StrategySampler("random", space=space, seed=0, artifact_store=Full())
        study = optuna.create_study(sampler=sampler)
        study.optimize(lambda trial, space=space: len(suggest(trial, space)), n_trials=2)
        assert len(study.trials) == 2
    (said,) = caplog.messages
    assert "picture of trial 0 could not be kept: OSError('disk full')" in said


def searched(n_trials=60):
    """A study of fifty decisions of which three matter, and a learning rate, which does."""

    def objective(trial):
        rate = trial.suggest_float("learning_rate", 0, 1)
        params = suggest(trial, FIFTY)
        matters = ("normal/1/operation_1", "normal/2/operation_1", "reduction/5/operation_2")
        return 2 * rate + sum(params[name] == "sep_3x3" for name in matters)

    study = optuna.create_study(direction="maximize", sampler=StrategySampler("random", seed=0))
    study.optimize(objective, n_trials=n_trials)
    return study


def test_the_main_parameters_are_those_that_matter_and_plots_take_them():
    study = searched()
    names = main_params(study, 5)
    assert len(names) == 5
    assert "learning_rate" in names[:3]
    assert {"normal/1/operation_1", "normal/2/operation_1", "reduction/5/operation_2"} & {*names}
    pytest.importorskip("plotly")
    bars = optuna.visualization.plot_param_importances(study, params=names)
    assert set(bars.data[0].y) == set(names)
    lines = optuna.visualization.plot_parallel_coordinate(study, params=names)
    assert len(lines.layout.xaxis.ticktext) == 6  # the value and five parameters


def test_the_main_parameters_of_a_study_that_began_without_us():
    study = optuna.create_study(direction="maximize", sampler=TPESampler(seed=0))
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=4)
    space = MLPSpace()
    study.sampler = StrategySampler("random", space=space, seed=0)
    study.optimize(lambda trial: len(suggest(trial, space)) + trial.number % 3, n_trials=8)
    assert {"x"} < {*main_params(study)} <= {"x", *space.names}


def test_the_main_parameters_of_several_objectives():
    study = optuna.create_study(directions=["maximize"] * 2, sampler=TPESampler(seed=0))
    study.optimize(
        lambda trial: (trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)), n_trials=30
    )
    assert main_params(study, 1, target=lambda trial: trial.values[1]) == ["y"]
    assert {*main_params(study)} == {"x", "y"}


@pytest.mark.parametrize("n_trials", [0, 1])
def test_too_few_trials_for_importances_are_said(n_trials):
    study = searched(n_trials)
    with pytest.raises(ValueError, match=f"has {n_trials} complete trials"):
        main_params(study)
    with pytest.raises(ValueError, match="most must be at least 1"):
        main_params(study, 0)


def test_a_study_that_began_without_us_is_read_as_a_run(tmp_path):
    space, storage = MLPSpace(), f"sqlite:///{tmp_path}/s.db"
    study = optuna.create_study(storage=storage, study_name="s", direction="maximize")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    study.sampler = StrategySampler("random", space=space, seed=0)
    study.optimize(lambda trial: len(suggest(trial, space)), n_trials=3)
    trial = study.ask()
    trial.suggest_categorical("layer/1", space.decisions[0].choices)
    study.tell(trial, 1.0)
    run = open_run(storage, "mlp", None)
    assert [trial.number for trial in run.trials] == [0, 1, 2, 3, 4, 5]
    assert [bool(trial.params) for trial in run.trials] == [False, False, True, True, True, False]
    assert [set(run.trials[k].others) for k in (0, 2, 5)] == [{"x"}, set(), {"layer/1"}]
    with pytest.raises(CellwrightError, match="Give --space"):
        open_run(storage, "nasnet", None)


@pytest.mark.slow
def test_the_screenshots_of_the_guide_can_be_taken(tmp_path):
    pytest.importorskip("optuna_dashboard")
    pytest.importorskip("plotly")
    script = runpy.run_path(str(DOCS / "screenshots" / "optuna_pages.py"))
    if shutil.which(script["BROWSER"]) is None:
        pytest.skip(f"there is no {script['BROWSER']} on this machine")
    files = script["main"](tmp_path, trials=12)
    page = (DOCS / "optuna.md").read_text(encoding="utf-8")
    for file in files:
        assert file.read_bytes().startswith(b"\x89PNG")
        assert 20_000 < file.stat().st_size < 300_000
        assert f"images/{file.name}" in page
        assert (DOCS / "images" / file.name).stat().st_size < 300_000
