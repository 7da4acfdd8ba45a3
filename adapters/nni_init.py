"""What ``cellwright nni-init`` writes: an NNI experiment that is ready to run, and to edit."""

from __future__ import annotations

import ast
import json
import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cellwright.adapters.nni_arguments import TUNER_ARGUMENTS, schedule_of
from cellwright.adapters.nni_space import search_space_of
from cellwright.plugins.files import atomic_write
from cellwright.plugins.registry import make_space, make_strategy

WORKING_DIRECTORY = "experiments"

_CONFIG = """\
# An NNI experiment:  nnictl create --config config.yml
# Its web page, at port 8080 of every network interface, asks for no password (--port changes it).
experimentName: {name}
searchSpaceFile: search_space.json      # every decision; add hyperparameters of your own
trialCommand: {command}
trialCodeDirectory: .
experimentWorkingDirectory: {working}   # database, logs, and what the tuner has learned
trialConcurrency: {concurrency}
maxTrialNumber: {trials}
{tuner}trainingService:
  platform: local
  useActiveGpu: false
"""

_OUR_TUNER = """\
tuner:
  className: cellwright.adapters.nni_tuner.StrategyTuner
  codeDirectory: .                      # where a space or strategy of your own is found
  classArgs:
    strategy: {strategy}
    space: {space}
    seed: {seed}                           # null draws one
    {others}
"""

# Without starting points NNI's Gaussian process takes the best of its random points, and does not
# call SciPy in a way that SciPy has refused since version 1.11.
_NUMERIC_TUNER = """\
tuner:
  name: GP                              # or another of NNI's tuners: the search space is in numbers
  classArgs:
    optimize_mode: maximize
    selection_num_starting_points: 0    # needed with SciPy 1.11 and later
"""

_TRIAL = '''\
"""One trial: NNI runs this file for each architecture. It is yours to edit."""

from cellwright.adapters.nni_trial import keep_best, run
from cellwright.plugins import {names}

if __name__ == "__main__":
    evaluation = Evaluation(
{arguments}
    )
    # best/ holds the best child so far, best.keras, and its pictures.
    run(evaluation, keep=keep_best("best", evaluation.space))
'''


def write_experiment(
    folder: str | Path,
    *,
    strategy: str = "auto",
    arguments: Mapping[str, Any] | None = None,
    space: str = "nasnet",
    tune: Sequence[str] = (),
    seed: int | None = 0,
    data: str = "digits",
    epochs: int = 6,
    options: Mapping[str, Any] | None = None,
    trials: int = 20,
    concurrency: int = 2,
    name: str | None = None,
    objectives: Mapping[str, str] | None = None,
    schedule: Mapping[str, Any] | None = None,
    numeric: bool = False,
    script: str | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write ``config.yml``, ``search_space.json`` and ``trial.py``.

    Args:
        folder: Created if it does not exist.
        strategy: A name, or ``"module:attribute"``.
        arguments: Of the strategy, plain values, such as ``{"batch": 4}``.
        space: Likewise; the trial script must find it too.
        tune: Hyperparameters that the strategy decides on as well; see `make_space`.
        seed: The strategy's; None draws one.
        data: For `load_dataset`.
        epochs: How long each child is trained, at least 1. A schedule takes its place.
        options: For ``space.build``, such as ``{"filters": 16}``.
        trials: The largest number of trials.
        concurrency: How many trials run at a time.
        name: What NNI's web page calls the experiment.
        objectives: For a strategy of several objectives, see `StrategyTuner`.
        schedule: See `StrategyTuner`; children that may go on are kept in ``checkpoints``.
        numeric: Write the search space in numbers (`nni_numbers`), for NNI's own ``GP`` tuner, to
            which ``strategy`` and ``seed`` mean nothing.
        script: The text of ``trial.py``, such as `trial_script` gives; ``data``, ``epochs`` and
            ``options`` are then not used.
        overwrite: Replace files that are there.

    Returns:
        The files.

    Raises:
        ValueError: On a space, strategy or number that does not fit, or on a schedule or several
            objectives with ``numeric``; nothing is written.
        FileExistsError: If one of the files exists and ``overwrite`` is False.
    """
    for label, count in (("epochs", epochs), ("trials", trials), ("concurrency", concurrency)):
        if count < 1:
            raise ValueError(f"{label} must be at least 1, got {count}")
    made = make_space(space, tune)
    schedule_of(schedule, made)
    arguments = dict(arguments or {})
    if taken := sorted(arguments.keys() & set(TUNER_ARGUMENTS)):
        raise ValueError(
            f"arguments of a strategy must not be called {', '.join(taken)} in an NNI experiment, "
            "whose tuner has arguments of these names itself"
        )
    make_strategy(strategy, made, seed=seed, objectives=len(objectives or ["default"]), **arguments)
    if numeric and (schedule or objectives):
        raise ValueError(
            "a search space in numbers is for NNI's own tuners, which have no schedule and one "
            "objective: leave both out"
        )
    source = str(Path(data).resolve()) if Path(data).exists() else data
    goal = (
        f"objectives: {json.dumps(dict(objectives))}" if objectives else "optimize_mode: maximize"
    )
    others = {"schedule": schedule and dict(schedule), "tune": [*tune]}
    written = {**{name: value for name, value in others.items() if value}, **arguments}
    lines = [goal, *(f"{name}: {_as_yaml(value)}" for name, value in written.items())]
    tuner = _OUR_TUNER.format(
        strategy=json.dumps(strategy),
        space=json.dumps(space),
        seed=json.dumps(seed),
        others="\n    ".join(lines),
    )
    searched_by = "GP" if numeric else f"cellwright {strategy}"
    config = _CONFIG.format(
        name=json.dumps(name or f"{searched_by} on {Path(data).name}"),
        command=json.dumps(f"{_python()} trial.py"),
        working=WORKING_DIRECTORY,
        concurrency=concurrency,
        trials=trials,
        tuner=_NUMERIC_TUNER if numeric else tuner,
    )
    script = script or trial_script(
        space=call("make_space", space, **({"tune": [*tune]} if tune else {})),
        data=call("load_dataset", source),
        recipe="Recipe()" if schedule else call("Recipe", epochs=epochs),
        options=as_python(options or {}),
        **({"checkpoints": as_python("checkpoints")} if schedule else {}),
    )
    texts = {
        "config.yml": config,
        "search_space.json": json.dumps(search_space_of(made, numeric), indent=2) + "\n",
        "trial.py": script,
    }
    return _write(Path(folder), texts, overwrite)


def trial_script(**arguments: str) -> str:
    """The text of a ``trial.py``.

    Args:
        arguments: Those of its `Evaluation`, each as Python.
    """
    trees = [ast.parse(text, mode="eval") for text in arguments.values()]
    called = [node.func for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {"Evaluation"}
    for function in called:  # a name, or a method of one, such as MnasNetReward.hard
        named = function.value if isinstance(function, ast.Attribute) else function
        names |= {named.id} if isinstance(named, ast.Name) else set()
    return _TRIAL.format(
        names=", ".join(sorted(names)),
        arguments="\n".join(f"        {name}={text}," for name, text in arguments.items()),
    )


def call(function: str, *arguments: Any, **options: Any) -> str:
    """A call of ``function`` with plain values, as Python."""
    given = [*map(as_python, arguments), *(f"{k}={as_python(x)}" for k, x in options.items())]
    return f"{function}({', '.join(given)})"


def as_python(value: Any) -> str:
    """A plain value as Python, with the quotes that formatters like."""
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{as_python(k)}: {as_python(x)}' for k, x in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(as_python, value))}]"
    return repr(value)


def _as_yaml(value: Any) -> str:
    """A plain value as JSON that YAML reads alike, which takes 1e-05 for text."""
    if isinstance(value, float):
        text = repr(value)
        return text if "." in text else text.replace("e", ".0e")
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{json.dumps(k)}: {_as_yaml(x)}' for k, x in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_as_yaml, value))}]"
    return json.dumps(value)


def _python() -> str:
    """This interpreter, by the name under which the shell finds it."""
    for name in ("python", "python3"):
        found = shutil.which(name)
        if found and os.path.samefile(Path(found).parent, Path(sys.executable).parent):
            return name
    return shlex.quote(sys.executable) if os.name == "posix" else f'"{sys.executable}"'


def _write(folder: Path, texts: Mapping[str, str], overwrite: bool) -> list[Path]:
    files = [folder / name for name in texts]
    there = [str(file) for file in files if file.exists()]
    if there and not overwrite:
        raise FileExistsError(f"{', '.join(there)} already there; choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in zip(files, texts.values(), strict=True):
        with atomic_write(file) as opened:
            opened.write(text)
    return files
