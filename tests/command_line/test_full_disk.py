"""A search whose folder cannot be written ends with one message, and no child has failed."""

import csv
import errno
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cellwright.plugins.files import atomic_write, clear_unfinished, exclusive_lock
from cellwright.plugins.interrupts import CannotWrite, kept_in, never_a_failure
from cellwright.plugins.training.best_child import keep_best

SEARCH = ["search", "--space", "mlp", "--data", "wine", "--trials", "2", "--epochs", "1",
          "--strategy", "random", "--seed", "0", "--out", "out"]  # fmt: skip
CODE = "from cellwright.command_line.app import main; main()"


def cellwright(folder, *arguments, most=None):
    def limit():
        if most is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    return subprocess.run(
        [sys.executable, "-c", CODE, *arguments], cwd=folder, capture_output=True, text=True,
        timeout=300, preexec_fn=limit, check=False,
        env={**os.environ, "MPLCONFIGDIR": str(folder / "matplotlib")},
    )  # fmt: skip


@pytest.mark.parametrize("host", ["optuna", pytest.param("keras-tuner", marks=pytest.mark.slow)])
def test_a_child_that_cannot_be_saved_is_trained_again(tmp_path, host):
    stopped = cellwright(tmp_path, *SEARCH, "--host", host, most=12_000)
    words = " ".join(stopped.stderr.split())
    assert stopped.returncode == 1, stopped.stdout + stopped.stderr
    assert "best.keras cannot be written (File too large)" in words
    assert words.count("error:") == 1
    assert "Traceback" not in words
    done = cellwright(tmp_path, *SEARCH, "--host", host)
    assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / "out" / "trials.csv").open() as file:
        states = [row["state"] for row in csv.DictReader(file)]
    assert states.count("complete") == 2
    assert "failed" not in states
    assert not list((tmp_path / "out").rglob("*.new*"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [["--version"], ["--help"], ["show", "nasnet-a"], SEARCH])
def test_a_standard_output_that_is_full_is_named(tmp_path, words, unbuffered):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", CODE, *words], cwd=tmp_path, stdout=full, text=True,
            stderr=subprocess.PIPE, timeout=300, check=False,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered, "MPLCONFIGDIR": str(tmp_path)},
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "error: standard output cannot be written (No space left on device)\n"


def test_an_error_goes_before_an_output_that_is_full(tmp_path):
    code = """
from cellwright.command_line.standard_output import named_output
with named_output():
    print("half a line", end="")
    raise RuntimeError("what really happened")
"""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, stdout=full, text=True,
            stderr=subprocess.PIPE, timeout=300, check=False,
            env={**os.environ, "PYTHONUNBUFFERED": ""},
        )  # fmt: skip
    assert done.stderr.splitlines()[-1] == "RuntimeError: what really happened"
    assert done.returncode == 1


def study_on(disk):
    optuna = pytest.importorskip("optuna")
    from cellwright.adapters.optuna_storage import open_storage

    file = disk.place / "study.db"
    return file, optuna.create_study(storage=open_storage(f"sqlite:///{file}"))


@pytest.mark.parametrize("disk", [1024], indirect=True)
def test_a_database_on_a_full_disk_is_named_and_goes_on(disk):
    file, study = study_on(disk)
    disk.fill()
    with pytest.raises(OSError, match="database or disk is full") as raised:
        [study.ask() for _ in range(1000)]  # its last page has room for a few
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, str(file))
    before = len(study.trials)
    disk.empty()
    assert study.ask().number == before


def test_a_database_on_a_read_only_disk_is_named(disk):
    file, study = study_on(disk)
    study.ask()
    disk.lock()
    with pytest.raises(OSError, match="database") as raised:
        study.ask()
    assert raised.value.filename == str(file)
    with pytest.raises(CannotWrite, match=r"study\.db cannot be written"):
        fail(disk.place.parent / "out", raised.value)
    disk.unlock()
    assert study.ask().number == 1


class Model:
    def save(self, path):
        Path(path).write_bytes(b"network")


def test_a_folder_that_is_gone_is_named(tmp_path):
    keep = keep_best(tmp_path / "out")
    assert keep({}, {"reward": 0.1}, Model()) == tmp_path / "out" / "best.keras"
    shutil.rmtree(tmp_path / "out")
    with pytest.raises(CannotWrite, match=r"best\.keras cannot be written.*give the same command"):
        keep({}, {"reward": 0.5}, Model())
    assert not (tmp_path / "out").exists()


def fail(folder, error):
    with kept_in(folder):
        raise error


def test_an_error_anywhere_that_comes_from_the_folder_is_told_as_one(tmp_path):
    out = tmp_path / "out"
    gone = RuntimeError("the host has ended")
    gone.__context__ = OSError(errno.ENOENT, os.strerror(errno.ENOENT), str(out / "a.json"))
    with pytest.raises(CannotWrite, match=r"out/a\.json cannot be written \(No such file"):
        fail(out, gone)
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/somewhere")
    with pytest.raises(CannotWrite, match=r"/somewhere cannot be written \(No space left"):
        fail(out, full)
    with pytest.raises(FileNotFoundError):
        fail(out, OSError(errno.ENOENT, "not there", str(tmp_path / "data.csv")))
    with pytest.raises(ConnectionRefusedError):
        fail(out, OSError(errno.ECONNREFUSED, "refused"))


def test_no_child_fails_because_a_disk_is_full():
    full = pytest.raises(CannotWrite, match=r"a file cannot be written \(No space left")
    with full, never_a_failure():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("command", ["search", "train", "export", "report", "nni-init"])
def test_a_read_only_disk_is_refused_before_any_work(disk, command):
    (disk.place / "out").mkdir()
    disk.lock()
    out = str(disk.place / "out" / "new")
    words = {
        "search": ["--data", "wine", "--space", "mlp", "--out", out],
        "train": ["nasnet-a", "--data", "digits", "--out", out],
        "export": [out, "--out", out],
        "report": [out, "--out", out],
        "nni-init": [out],
    }
    done = cellwright(disk.place.parent, command, *words[command])
    told = " ".join(done.stderr.split())
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"cannot be written (Read-only file system: {disk.place / 'out'})" in told
    assert done.stdout == ""


def test_what_a_kill_left_is_cleared_and_nothing_else(tmp_path):
    mine = [".table.0123456789ab.new", ".best.0123456789ab.new.keras", "below/.a.0123456789ab.new"]
    others = [".news", "a.new", ".a.new.txt", ".table.0123.new"]
    (tmp_path / "below").mkdir()
    (tmp_path / ".export.0123456789ab.new").mkdir()
    (tmp_path / ".export.0123456789ab.new" / "best.onnx").touch()
    for name in (*mine, *others):
        (tmp_path / name).touch()
    clear_unfinished(tmp_path, seconds=3600)
    assert all((tmp_path / name).exists() for name in mine)
    clear_unfinished(tmp_path)
    assert not (tmp_path / ".export.0123456789ab.new").exists()
    assert [name for name in (*mine, *others) if (tmp_path / name).exists()] == others


def test_no_planted_link_is_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name in ("best.json", ".lock"):
        (tmp_path / name).symlink_to(victim)
    with atomic_write(tmp_path / "best.json") as file:
        file.write("mine")
    with pytest.raises(OSError, match="is a symbolic link"), exclusive_lock(tmp_path / ".lock"):
        pass
    assert victim.read_text() == "precious"
    assert not (tmp_path / "best.json").is_symlink()
