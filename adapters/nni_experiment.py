"""An NNI experiment in a folder: how to run or resume it, and to read its trials."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellwright.adapters.nni_config import check_experiment, read_config, tuner_arguments
from cellwright.adapters.nni_init import WORKING_DIRECTORY, write_experiment
from cellwright.adapters.nni_localhost import allow_localhost
from cellwright.adapters.nni_moved import has_begun, mend
from cellwright.adapters.nni_patience import patience
from cellwright.adapters.nni_record import HISTORY, Record
from cellwright.plugins.interrupts import cannot_write, check, held_back
from cellwright.plugins.registry import make_space
from cellwright.search_spaces import CellwrightError, Params, SearchSpace

_TRIES, _PAUSE = 3, 10  # starts, and seconds between them
_IN_VAIN = 3  # resumes in a row that bring no trial

__all__ = [
    "Trial",
    "check_experiment",
    "free_port",
    "latest_experiment",
    "read_trials",
    "run_experiment",
    "write_experiment",
]


@dataclass(frozen=True)
class Trial:
    """A finished trial.

    Args:
        number: 0, 1, 2, ... as the tuner asked for them.
        params: Its architecture.
        value: What it reported as ``default``; None if it failed.
        metrics: Everything else that it reported as a number.
        others: Its hyperparameters beside the architecture.
        error: Why it failed; empty if it did not.
    """

    number: int
    params: Params
    value: float | None
    metrics: dict[str, float]
    others: dict[str, Any]
    error: str


def run_experiment(
    folder: str | Path,
    *,
    trials: int | None = None,
    port: int | None = None,
    on_trial: Callable[[Trial], None] | None = None,
    announce: Callable[[str], None] = print,
) -> list[Trial]:
    """Run the experiment of ``folder`` to its end, or resume the last one that ran there.

    On an exception, Ctrl-C included, the experiment is stopped and can be resumed, which tries the
    trials again that were running. Where this process is killed instead, NNI's run on, and
    the next call names the one to end.

    Args:
        folder: As `write_experiment` leaves it.
        trials: How many in all, those of earlier runs included; ``maxTrialNumber`` if None.
        port: Where NNI serves its web page; a free port if None.
        on_trial: Called with each trial that ends, and again if NNI first blamed the wrong one.
        announce: Called with a line that says where the web page is.

    Returns:
        All trials, those of earlier runs included.

    Raises:
        ValueError, SpaceMismatch: See `check_experiment`.
        CellwrightError: If NNI ends the experiment with an error, still runs it, or ends it three
            times without another trial; if its tuner's process ends; or if it does not start after
            three tries.
        CannotWrite: If NNI ends it because the disk is full, say.
        KeyboardInterrupt: On Ctrl-C, once the experiment is stopped.
    """
    folder = Path(folder).resolve()
    check_experiment(folder)
    _check_not_running(folder)
    allow_localhost()
    with held_back():
        return _run_to_the_end(folder, trials, port, on_trial, announce)


def _run_to_the_end(
    folder: Path,
    trials: int | None,
    port: int | None,
    on_trial: Callable[[Trial], None] | None,
    announce: Callable[[str], None],
) -> list[Trial]:
    known = {trial.number: trial for trial in read_trials(folder)}
    in_vain = 0
    while in_vain < _IN_VAIN:
        before = len(known)
        _start_and_run(folder, trials, port, known, on_trial, announce)
        if trials is None or len(known) >= trials:
            return read_trials(folder)
        # A trial that was running at a stop may be run again under parameters that NNI booked
        # wrongly, and then brings nothing new: NNI has counted enough trials, and we have not.
        in_vain = 0 if len(known) > before else in_vain + 1
    raise CellwrightError(
        f"NNI ended the experiment in {folder} with {len(known)} of {trials} trials, and "
        f"{_IN_VAIN} resumes brought no further one. Its own log says why: "
        f"{latest_experiment(folder)}/log/nnimanager.log"
    )


class NotStarted(CellwrightError):
    """NNI did not start, through no fault of the experiment."""


def _start_and_run(
    folder: Path,
    trials: int | None,
    port: int | None,
    known: dict[int, Trial],
    on_trial: Callable[[Trial], None] | None,
    announce: Callable[[str], None],
) -> None:
    """`_run`, again after a pause if NNI does not start."""
    for left in reversed(range(_TRIES)):
        try:
            _run(folder, trials, port or free_port(), known, on_trial, announce)
            return
        except NotStarted as error:
            if not left:
                raise
            announce(f"{error}; trying again in {_PAUSE} seconds")
            time.sleep(_PAUSE)


def _run(
    folder: Path,
    trials: int | None,
    port: int,
    known: dict[int, Trial],
    on_trial: Callable[[Trial], None] | None,
    announce: Callable[[str], None],
) -> None:
    """Run or resume until NNI is done; always leave the experiment stopped."""
    import nni
    from nni.experiment import Experiment
    from nni.experiment.config import ExperimentConfig

    nni.silence_stdout()
    config = ExperimentConfig.load(folder / "config.yml")
    earlier = latest_experiment(folder)
    if earlier is None:
        config.max_trial_number = trials or config.max_trial_number
    experiment = Experiment(config, id=earlier and earlier.name)
    if earlier is not None:
        # As nnictl does it. `Experiment.resume` needs a list in the home directory instead, which
        # does not move with the folder.
        experiment._action = "resume"
        for line in mend(earlier, folder):
            announce(line)
    check()
    try:
        try:
            with patience():
                experiment.start(port)
        except (OSError, RuntimeError) as error:  # those of requests are OSErrors
            raise NotStarted(
                f"NNI's web server did not start ({type(error).__name__}: {error})"
            ) from error
        announce(
            f"NNI's web page: http://localhost:{port} - it listens on every network interface and "
            "asks for no password"
        )
        if earlier is not None and trials:
            over = ("SUCCEEDED", "FAILED", "USER_CANCELED", "SYS_CANCELED", "EARLY_STOPPED")
            counts = experiment.get_job_statistics()
            done = sum(c["trialJobNumber"] for c in counts if c["trialJobStatus"] in over)
            experiment.update_max_trial_number(done + max(0, trials - len(known)))
        _watch(experiment, folder, known, on_trial)
    finally:
        experiment.stop()


def _check_not_running(folder: Path) -> None:
    """Refuse an experiment whose manager still runs, as after this process was killed.

    Raises:
        CellwrightError: If it does. Two managers would write to one database.
    """
    import psutil

    experiment = latest_experiment(folder)
    if experiment is None:
        return
    mark = ["--experiment-id", experiment.name]
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if any(words[i : i + 2] == mark for i in range(len(words))):
            raise CellwrightError(
                f"NNI still runs experiment {experiment.name} of {folder}, as process "
                f"{process.pid}: end it by `kill {process.pid}`, and give the same command again"
            )


def read_trials(folder: str | Path) -> list[Trial]:
    """The finished trials of the last experiment of ``folder``, in the order of their results.

    They come from the tuner's checkpoint, because NNI's own export may show wrong parameters for a
    trial when several run at a time.

    Raises:
        CorruptedState, SpaceMismatch: See `Record.load`.
        ValueError: If the folder's ``config.yml`` is no YAML.
    """
    folder = Path(folder)
    experiment = latest_experiment(folder)
    if experiment is None or not (experiment / "checkpoint" / HISTORY).exists():
        return []
    arguments = tuner_arguments(read_config(folder / "config.yml"))
    return trials_of(experiment, make_space(arguments.get("space"), arguments.get("tune", ())))


def trials_of(experiment: Path, space: SearchSpace) -> list[Trial]:
    """The finished trials of an experiment whose tuner is one of ours.

    Args:
        experiment: The folder that NNI made.
        space: What the tuner searches.

    Raises:
        CorruptedState, SpaceMismatch: See `Record.load`.
    """
    record, _ = Record.load(experiment / "checkpoint" / HISTORY, space)
    return [
        Trial(
            told.number,
            record.params_of(told.number),
            None if told.reward is None else record.facts[told.number].get("default"),
            record.facts[told.number].get("metrics", {}),
            record.facts[told.number].get("others", {}),
            record.facts[told.number].get("error", ""),
        )
        for told in record.told.values()
    ]


def latest_experiment(folder: str | Path) -> Path | None:
    """The folder of the last experiment that NNI made in ``folder``, in the working directory that
    its ``config.yml`` names, or in ours; its own name is NNI's id.

    Raises:
        ValueError: If ``config.yml`` is no YAML.
    """
    config = Path(folder, "config.yml")
    named = read_config(config).get("experimentWorkingDirectory") if config.is_file() else None
    made = Path(folder, named or WORKING_DIRECTORY).glob("*/db/nni.sqlite")
    found = [path.parent.parent for path in made if path.parent.parent.name != "_latest"]
    found = [experiment for experiment in found if has_begun(experiment)]
    return max(found, key=lambda path: (path / "db").stat().st_ctime, default=None)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("", 0))
        port: int = listener.getsockname()[1]
        return port


def _watch(
    experiment: Any,
    folder: Path,
    known: dict[int, Trial],
    on_trial: Callable[[Trial], None] | None,
    poll: float = 1.0,
) -> None:
    """Report each trial that ends, until the experiment ends."""
    while True:
        check()
        status, errors = _status(experiment)
        if status in ("DONE", "STOPPED"):
            time.sleep(poll)  # for the last result to reach the tuner
        for trial in read_trials(folder):
            if known.get(trial.number) != trial:
                known[trial.number] = trial
                if on_trial is not None:
                    on_trial(trial)
        if status == "ERROR":
            raise _failure(folder, errors)
        if status in ("DONE", "STOPPED"):
            return
        time.sleep(poll)


def _status(experiment: Any) -> tuple[str, list[str]]:
    """NNI's word for how the experiment stands, and the errors that it tells of.

    Raises:
        CellwrightError: If NNI's manager does not answer any more.
    """
    from nni.experiment import rest

    try:
        answer = rest.get(experiment.port, "/check-status", experiment.url_prefix)
    except OSError as error:
        raise CellwrightError(
            f"NNI's manager does not answer any more ({type(error).__name__}: {error}). Nothing "
            "that was told is lost: run the experiment again to go on"
        ) from error
    return str(answer["status"]), [str(text) for text in answer.get("errors", ())]


def _failure(folder: Path, errors: Sequence[str]) -> BaseException:
    """What to raise where NNI ended the experiment: its errors, and the end of the tuner's log."""
    if full := re.search(r"SQLITE_(FULL|READONLY|IOERR|CANTOPEN)\w*: (.*)|E(NOSPC|ROFS): ([^,]*)",
                         "; ".join(errors)):  # fmt: skip
        return cannot_write(folder, full[2] or full[4])
    experiment = latest_experiment(folder)
    log = experiment / "log" / "dispatcher.log" if experiment else folder
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    last = "\n".join(line for line in text.splitlines() if line.strip())[-2000:]
    what = "; ".join(errors) or "no reason given"
    if "did not connect" in what and "Traceback" not in last:
        return NotStarted(
            "NNI's tuner did not connect in time, as on a machine that is too busy: try again when "
            "it has less to do"
        )
    return CellwrightError(
        f"NNI ended the experiment with an error: {what}\n{log} ends with:\n{last}"
    )
