"""Workers that are killed: what is lost, left running or tried twice, storage by storage.

    python -m benchmarks.faults --trials 1000 --workers 8 --kill-every 5 \
        --storage postgresql://user@host/database --storage journal --storage redis://host \
        --storage grpc+postgresql://user@host/database

A child's training is a sleep, and its score is read off its architecture: the benchmark is of the
record, and not of training. ``journal`` is a journal file in a temporary folder, and ``grpc+URL``
is Optuna's gRPC proxy before the database at URL. Every ``--kill-every`` seconds a random worker is
killed by SIGKILL, and another one takes its place. In the end each worker that is alive says what
it would propose next, and so does one process that reads the record from its beginning.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
from optuna.trial import TrialState

from cellwright.adapters.optuna_sampler import StrategySampler, suggest
from cellwright.adapters.optuna_storage import open_storage
from cellwright.adapters.optuna_worker import LOST, count, work
from cellwright.plugins import make_strategy
from cellwright.plugins.passwords import shown
from cellwright.search_spaces import NASNetSpace, Params

SPACE = NASNetSpace()
_WAIT = 300  # seconds for the workers to end, once the trials are there


@dataclass(frozen=True)
class Outcome:
    """What became of a search.

    Attributes:
        storage: Without its password.
        trials: That ended and count.
        kills: Workers that were killed while they searched.
        retried: Trials that try a killed worker's child again.
        lost: Trials that are missing: as many as were to be, less those that count.
        running: Trials that are left running.
        twice: Networks that more than one complete trial has evaluated.
        workers: How many were alive in the end and said what they would propose next.
        apart: How many of these would not propose what a replay of the record does.
        seconds: From the first worker's start to the last one's end.
    """

    storage: str
    trials: int
    kills: int
    retried: int
    lost: int
    running: int
    twice: int
    workers: int
    apart: int
    seconds: float

    @property
    def is_sound(self) -> bool:
        """Whether nothing was lost, left, tried twice or proposed otherwise."""
        wrong = (self.lost, self.running, self.twice, self.apart)
        return not any(wrong) and self.workers > 0


def score(params: Params) -> float:
    """A child's reward, in [0, 1]: how like a hidden architecture it is."""
    hidden = SPACE.sample(np.random.default_rng(0))
    return sum(params[name] == hidden[name] for name in SPACE.names) / len(SPACE.names)


def search(url: str, name: str, strategy: str, trials: int, seconds: float, beat: float) -> None:
    """One worker, until the study has its trials; then it says what it would propose next, again
    and again, until it is told to end."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.load_study(
        study_name=name, storage=open_storage(url), sampler=_sampler(strategy)
    )

    def objective(trial: optuna.Trial) -> float:
        params = suggest(trial, SPACE)
        time.sleep(random.uniform(0.5, 1.5) * seconds)
        return score(params)

    work(study, objective, trials, heartbeat=beat)
    print("done", flush=True)
    sys.stdin.readline()  # when all are done, and the record stands still
    print(json.dumps(next_proposal(study)), flush=True)


def next_proposal(study: optuna.Study) -> Params:
    """What a sampler would propose for the trial after the last."""
    sampler = study.sampler
    assert isinstance(sampler, StrategySampler)
    return sampler.proposal(study)


def _sampler(strategy: str) -> StrategySampler:
    return StrategySampler(make_strategy(strategy, SPACE, seed=1))


def run(
    storage: str,
    *,
    trials: int = 1000,
    workers: int = 8,
    kill_every: float = 5.0,
    strategy: str = "evolution",
    seconds: float = 0.5,
    beat: float = 1.0,
    seed: int = 0,
) -> Outcome:
    """Search with workers of which a random one is killed again and again.

    Args:
        storage: See the module.
        trials: At least 1.
        workers: At least 2.
        kill_every: Seconds between two kills.
        strategy: Name of the strategy.
        seconds: How long a child's training lasts, on average.
        beat: Seconds between two signs of life; after four without one a worker is dead.
        seed: Draws the workers that are killed.
    """
    with opened(storage) as url:
        name = f"faults-{uuid.uuid4().hex}"
        study = optuna.create_study(
            study_name=name, storage=open_storage(url), direction="maximize"
        )
        arguments = [name, strategy, trials, seconds, beat]
        began, rng, kills = time.monotonic(), random.Random(seed), 0
        alive = [_start(url, arguments) for _ in range(workers)]
        killed_at = began
        while count(study.get_trials(deepcopy=False)) < trials:
            time.sleep(0.25)
            if time.monotonic() - killed_at >= kill_every:
                place, killed_at = rng.randrange(workers), time.monotonic()
                alive[place].send_signal(signal.SIGKILL)
                alive[place].wait()
                alive[place], kills = _start(url, arguments), kills + 1
        try:
            proposed = _ask(alive)
        finally:
            for process in alive:
                process.kill()
        fresh = optuna.load_study(
            study_name=name, storage=open_storage(url), sampler=_sampler(strategy)
        )
        expected = next_proposal(fresh)
        return _judge(
            shown(storage), fresh, trials, kills, [one != expected for one in proposed],
            time.monotonic() - began,
        )  # fmt: skip


def _start(url: str, arguments: list[object]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.faults", "worker", *map(str, arguments)]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "CELLWRIGHT_STORAGE": url},
        cwd=Path(__file__).parents[1],
    )


def _ask(alive: list[subprocess.Popen[str]]) -> list[Params]:
    """What each worker would propose, once all of them have seen the last trial end."""
    for process in alive:
        assert process.stdout is not None
        process.stdout.readline()
    proposed = []
    for process in alive:
        out, _ = process.communicate("\n", timeout=_WAIT)
        if out.strip():
            proposed.append(json.loads(out))
    return proposed


def _judge(
    storage: str,
    study: optuna.Study,
    wanted: int,
    kills: int,
    apart: list[bool],
    seconds: float,
) -> Outcome:
    found = study.get_trials(deepcopy=False)
    complete = [trial for trial in found if trial.state == TrialState.COMPLETE]
    networks = Counter(SPACE.key({n: t.params[n] for n in SPACE.names}) for t in complete)
    return Outcome(
        storage,
        count(found),
        kills,
        sum(LOST in trial.user_attrs for trial in found),
        max(wanted - count(found), 0),
        sum(trial.state == TrialState.RUNNING for trial in found),
        sum(times > 1 for times in networks.values()),
        len(apart),
        sum(apart),
        seconds,
    )


@contextmanager
def opened(storage: str) -> Iterator[str]:
    """The URL of a storage, behind a gRPC proxy if it asks for one."""
    if storage == "journal":
        with tempfile.TemporaryDirectory() as folder:
            yield f"journal://{folder}/study.journal"
    elif storage.startswith("grpc+"):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        code = (
            "import os, sys\n"
            "from optuna.storages import run_grpc_proxy_server\n"
            "from cellwright.adapters.optuna_storage import open_storage\n"
            "storage = open_storage(os.environ['CELLWRIGHT_STORAGE'])\n"
            "run_grpc_proxy_server(storage, host='127.0.0.1', port=int(sys.argv[1]))"
        )
        env = {**os.environ, "CELLWRIGHT_STORAGE": storage.removeprefix("grpc+")}
        with subprocess.Popen(
            [sys.executable, "-c", code, str(port)], env=env, stderr=subprocess.DEVNULL
        ) as server:
            try:
                optuna.storages.GrpcStorageProxy(host="127.0.0.1", port=port).wait_server_ready(60)
                yield f"grpc://127.0.0.1:{port}"
            finally:
                server.kill()
    else:
        yield storage


def table(outcomes: list[Outcome]) -> str:
    """The outcomes in Markdown."""
    head = "| storage | trials | kills | tried again | lost | left running | networks twice | "
    rows = [head + "workers | would propose otherwise | seconds |", "|---" * 10 + "|"]
    for one in outcomes:
        cells = (one.storage, one.trials, one.kills, one.retried, one.lost, one.running, one.twice,
                 one.workers, one.apart, round(one.seconds))  # fmt: skip
        rows.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(rows)


def main() -> None:
    """Print the table; exit with 1 if a search was not sound."""
    if sys.argv[1:2] == ["worker"]:
        name, strategy, trials, seconds, beat = sys.argv[2:]
        url = os.environ["CELLWRIGHT_STORAGE"]
        search(url, name, strategy, int(trials), float(seconds), float(beat))
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--storage", action="append", required=True)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--kill-every", type=float, default=5.0)
    parser.add_argument("--strategy", default="evolution")
    parser.add_argument("--seconds", type=float, default=0.5)
    given = vars(parser.parse_args())
    outcomes = []
    for storage in given.pop("storage"):
        outcomes.append(run(storage, **given))
        print(table(outcomes[-1:]), flush=True)
    print(table(outcomes))
    sys.exit(0 if all(one.is_sound for one in outcomes) else 1)


if __name__ == "__main__":
    main()
