"""A search driven by NNI, as an experiment in a folder of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from cellwright.adapters import nni_experiment, nni_trial
from cellwright.adapters.nni_init import write_experiment
from cellwright.command_line.results import Trial
from cellwright.command_line.settings import Settings, read_settings
from cellwright.plugins import Evaluation
from cellwright.plugins.best_child import keep_best
from cellwright.search_spaces import INFEASIBLE, CellwrightError

EXPERIMENT = "experiment"

_TRIAL = '''\
"""One trial of the search whose settings are in {folder!r}."""

from cellwright.command_line.on_nni import run_trial

if __name__ == "__main__":
    run_trial({folder!r})
'''


def read(folder: Path, settings: Settings) -> list[Trial]:
    """The finished trials of the search in ``folder``, in the order of their numbers."""
    experiment = folder / EXPERIMENT
    if not experiment.exists():
        return []
    return [trial_of(trial) for trial in nni_experiment.read_trials(experiment)]


def search(
    folder: Path,
    settings: Settings,
    evaluation: Evaluation,
    on_trial: Callable[[Trial], None],
    on_epoch: Callable[[int, int, dict[str, float]], None],
) -> None:
    """Run the experiment until there are ``settings.trials`` trials, each its own process."""
    if len(read(folder, settings)) >= settings.trials:
        return
    if not isinstance(settings.space, str):
        raise CellwrightError(
            "NNI's trials are processes of their own and need the space by name, or as "
            f"module:attribute; got {settings.space!r}"
        )
    experiment = folder / EXPERIMENT
    write_experiment(
        experiment,
        strategy=settings.strategy,
        space=settings.space,
        seed=settings.seed,
        data=settings.data,
        epochs=settings.epochs,
        trials=settings.trials,
        concurrency=settings.concurrency,
        objectives=settings.goals if settings.objectives else None,
        name=f"cellwright {folder.resolve().name}",
        overwrite=True,
    )
    script = _TRIAL.format(folder=str(folder.resolve()))
    (experiment / "trial.py").write_text(script, encoding="utf-8")
    # NNI's processes start in the experiment's folder; a space of the user's is found from here.
    here = [os.environ.get("PYTHONPATH"), str(Path.cwd())]
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in here if path)
    nni_experiment.run_experiment(
        experiment, trials=settings.trials, on_trial=lambda trial: on_trial(trial_of(trial))
    )


def run_trial(folder: str) -> None:
    """Be one trial of the search in ``folder``; NNI starts it."""
    settings = read_settings(Path(folder))
    nni_trial.run(settings.make_evaluation(), keep=keep_best(folder))


def trial_of(trial: nni_experiment.Trial, sign: float = 1.0) -> Trial:
    """A trial of an experiment, whose value is the reward times ``sign``."""
    if trial.value is None:
        state = "infeasible" if INFEASIBLE in trial.metrics else "failed"
        return Trial(trial.number, trial.params, state, trial.metrics, trial.error)
    return Trial(
        trial.number, trial.params, "complete", {**trial.metrics, "reward": sign * trial.value}
    )
