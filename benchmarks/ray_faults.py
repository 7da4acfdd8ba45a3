"""A search of Ray Tune whose workers and driver are killed: what is lost, or tried twice.

    python -m benchmarks.ray_faults --trials 300 --workers 2 --kill-every 3

A child's training is a sleep, and its score is read off its architecture. Every ``--kill-every``
seconds the process of a random trial is killed by SIGKILL; Tune tries that trial again
(``max_failures``). Half-way the driver is killed with all that it has started, and
``Tuner.restore`` goes on. In the end the searcher that has gone through all this says what it would
propose next, and so does one that reads its state.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from cellwright.search_spaces import NASNetSpace

SPACE = NASNetSpace(blocks=3)
NAME = "search"


def score(params: dict[str, Any]) -> float:
    """A child's reward, in [0, 1]: how like a hidden architecture it is."""
    hidden = SPACE.sample(np.random.default_rng(0))
    return float(np.mean([params[name] == hidden[name] for name in SPACE.names]))


def searcher() -> Any:
    from cellwright.adapters.ray_searcher import CellwrightSearch

    return CellwrightSearch("evolution", "score", "max", space=SPACE, seed=1)


def drive(folder: Path, trials: int, workers: int, kill_every: float, seconds: float) -> None:
    """The driver: begin the search in ``folder``, or go on with it."""
    import ray
    from ray import tune

    alive, kills = folder / "alive", folder / "kills.txt"

    def trainable(config: dict[str, Any]) -> None:
        mine = alive / str(os.getpid())
        mine.touch()
        time.sleep(random.uniform(0.5, 1.5) * seconds)
        mine.unlink(missing_ok=True)
        tune.report({"score": score({name: config[name] for name in SPACE.names})})

    def kill() -> None:
        while True:
            time.sleep(kill_every)
            pids = [int(path.name) for path in alive.iterdir()]
            if pids:
                pid = random.choice(pids)
                (alive / str(pid)).unlink(missing_ok=True)
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
                with kills.open("a") as file:
                    print(pid, file=file)

    ray.init(
        num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level="CRITICAL"
    )
    threading.Thread(target=kill, daemon=True).start()
    place = folder / NAME
    if place.exists():
        tuner = tune.Tuner.restore(str(place), trainable=trainable)
    else:
        tuner = tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=searcher(),
                num_samples=trials,
                max_concurrent_trials=workers,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name=NAME,
                storage_path=str(folder),
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=20),
            ),
        )
    tuner.fit()


def run(trials: int, workers: int, kill_every: float, seconds: float) -> dict[str, int]:
    """Search, with the driver killed half-way, and count what came of it."""
    from cellwright.adapters.ray_experiment import trials_in

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "alive").mkdir()
        arguments = [str(folder), *map(str, (trials, workers, kill_every, seconds))]
        command = [sys.executable, "-m", "benchmarks.ray_faults", "--drive", *arguments]
        driver = subprocess.Popen(command, start_new_session=True)
        while driver.poll() is None and _told(folder) < trials // 2:
            time.sleep(0.5)
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
        at_kill = _told(folder)
        for pid in (folder / "alive").iterdir():
            pid.unlink()
        subprocess.run(command, check=False)
        found = trials_in(folder / NAME)
        good = [trial for trial in found if trial.status == "TERMINATED"]
        networks = Counter(SPACE.key(SPACE.read(trial.config)) for trial in good)
        numbers = {trial.config["cellwright"]["number"] for trial in good}
        last, again = searcher(), searcher()
        for each in (last, again):
            each.restore_from_dir(str(folder / NAME))
        replayed = searcher()
        for told in last.record.told.values():
            replayed.record.tell(told.number, _result(told))
        replayed.record.asked = last.record.asked
        return {
            "trials": len(good),
            "workers killed": len((folder / "kills.txt").read_text().split()),
            "told when the driver was killed": at_kill,
            "lost": trials - len(numbers),
            "left running": sum(not trial.ended for trial in found),
            "networks evaluated twice": sum(count > 1 for count in networks.values()),
            "told to the strategy": len(last.record.told),
            "next proposals apart": int(
                SPACE.read(again.suggest("a")) != SPACE.read(replayed.suggest("a"))
            ),
        }


def _result(told: Any) -> Any:
    from cellwright.plugins.records.record import result_of

    return result_of(SPACE, told.params, told.reward, {})


def _told(folder: Path) -> int:
    """How many trials the newest state of the searcher holds."""
    files = sorted((folder / NAME).glob("searcher-state-*.json"))
    try:
        return len(json.loads(files[-1].read_text())["history"]) if files else 0
    except ValueError:  # just being copied
        return 0


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kill-every", type=float, default=3.0, metavar="SECONDS")
    parser.add_argument("--seconds", type=float, default=0.3, help="that a training lasts")
    parser.add_argument("--drive", nargs=5, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.drive:
        folder, trials, workers, kill_every, seconds = given.drive
        drive(Path(folder), int(trials), int(workers), float(kill_every), float(seconds))
        return
    for name, value in run(given.trials, given.workers, given.kill_every, given.seconds).items():
        print(f"{name:32} {value}")


if __name__ == "__main__":
    main()
