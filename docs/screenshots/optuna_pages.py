"""Take the screenshots of docs/optuna.md: optuna-dashboard on a study of 50 decisions.

    pip install optuna-dashboard plotly; apt install chromium
    python docs/screenshots/optuna_pages.py docs/images

The study's objective trains nothing: its accuracies are a table, in which few decisions matter.
"""

from __future__ import annotations

import math
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.artifacts import FileSystemArtifactStore
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.visualization import plot_parallel_coordinate, plot_param_importances
from optuna_dashboard import save_note, save_plotly_graph_object

from cellwright import NASNetSpace, StrategySampler, suggest
from cellwright.adapters.optuna_study import main_params

BROWSER = "chromium"
PAGES = {  # name of the picture: path in the dashboard, and the window's width and height
    "optuna_dashboard": ("studies/{study}", (1280, 1640)),
    "optuna_dashboard_best_trial": ("studies/{study}/trials?numbers={best}", (1280, 1360)),
}
# The decisions on which the accuracy depends, and how much.
WEIGHTS = {"normal/1/operation_1": 4, "normal/1/operation_2": 2, "normal/2/operation_1": 3,
           "normal/3/combination": 1, "reduction/1/operation_1": 2}  # fmt: skip


def make_study(folder: Path, trials: int) -> optuna.Study:
    """A study in ``folder``, with the artifacts beside it."""
    (folder / "artifacts").mkdir()
    space = NASNetSpace()

    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
        params = suggest(trial, space)
        worth = [
            weight * (zlib.crc32(f"{name} {params[name]}".encode()) % 100) / 100
            for name, weight in WEIGHTS.items()
        ]
        share = sum(worth) / sum(WEIGHTS.values())
        text = space.in_short(params)  # each block on a line of its own
        save_note(trial, text.replace("\n", "\n\n").replace(": ", ":\n- ").replace("; ", "\n- "))
        return 0.6 + 0.3 * share - 0.02 * abs(math.log10(rate) + 2.5)

    study = optuna.create_study(
        study_name="cells",
        storage=JournalStorage(JournalFileBackend(f"{folder}/study.journal")),
        direction="maximize",
        sampler=StrategySampler(
            "auto", seed=0, artifact_store=FileSystemArtifactStore(f"{folder}/artifacts")
        ),
    )
    study.set_metric_names(["val_accuracy"])
    study.optimize(objective, n_trials=trials)
    few = main_params(study)
    for plot in (plot_param_importances, plot_parallel_coordinate):
        save_plotly_graph_object(study, plot(study, params=few))
    return study


@contextmanager
def dashboard(folder: Path) -> Iterator[str]:
    """Serve the study on this machine alone, while the block runs; its address."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    program = str(Path(sys.executable).with_name("optuna-dashboard"))
    command = [program, f"{folder}/study.journal", "--host", "127.0.0.1",
               "--port", str(port), "--artifact-dir", f"{folder}/artifacts"]  # fmt: skip
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}/dashboard"
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(address, timeout=5).close()
                break
            except OSError:
                time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait()


def shoot(address: str, size: tuple[int, int], file: Path) -> None:
    """Draw a page as the browser shows it, once its scripts have run."""
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
                "--no-first-run", "--disable-background-networking", "--disable-component-update",
                "--disable-sync", "--hide-scrollbars", f"--user-data-dir={profile}",
                f"--window-size={size[0]},{size[1]}", "--virtual-time-budget=20000",
                f"--screenshot={file}", address,
            ],
            check=True, capture_output=True, timeout=180,
        )  # fmt: skip


def main(images: Path, trials: int = 100) -> list[Path]:
    """Take all screenshots into the folder ``images``."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    files = []
    with tempfile.TemporaryDirectory() as folder:
        study = make_study(Path(folder), trials)
        with dashboard(Path(folder)) as address:
            for name, (page, size) in PAGES.items():
                files.append(images.resolve() / f"{name}.png")
                path = page.format(study=study._study_id, best=study.best_trial.number)
                shoot(f"{address}/{path}", size, files[-1])
    return files


if __name__ == "__main__":
    for file in main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images")):
        print(file, file.stat().st_size // 1000, "kB")
