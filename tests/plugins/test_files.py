"""A file is there as a whole or as it was, and one process at a time holds a lock."""

import os
import subprocess
import sys
import threading

import pytest

from cellwright.plugins.files import (
    atomic_path,
    atomic_write,
    atomic_write_bytes,
    exclusive_lock,
)


def test_a_file_takes_the_place_of_another(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with atomic_write(path) as file:
        file.write("né")
        assert path.read_text() == "old"
    assert path.read_text(encoding="utf-8") == "né"
    with atomic_write_bytes(path) as file:
        file.write(b"\0\r\n")
    assert path.read_bytes() == b"\0\r\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_goes_by_the_ending_gets_it(tmp_path):
    path = tmp_path / "model.keras"
    with atomic_path(path) as beside:
        assert (beside.suffix, beside.parent) == (".keras", tmp_path)
        beside.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("write", [atomic_path, atomic_write, atomic_write_bytes])
def test_an_error_half_way_leaves_the_old_file_and_nothing_else(tmp_path, write):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def stop_half_way():
        with write(path):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_half_way()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_threads_that_write_one_file_leave_one_of_their_texts(tmp_path):
    path = tmp_path / "file.txt"

    def write(text):
        for _ in range(20):
            with atomic_write(path) as file:
                file.write(text * 5000)

    writers = [threading.Thread(target=write, args=(text,)) for text in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert path.read_text() in [text * 5000 for text in "abcd"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_lock_is_held_by_one_process_and_freed_by_its_death(tmp_path):
    path = tmp_path / "a.lock"
    hold = (
        "import sys, time\nfrom pathlib import Path\n"
        "from cellwright.plugins.files import exclusive_lock\n"
        "with exclusive_lock(Path(sys.argv[1])):\n    print(flush=True)\n    time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", hold, path], stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        with pytest.raises(BlockingIOError, match="locked by another process"):
            exclusive_lock(path, wait=False).__enter__()
        holder.kill()
    with exclusive_lock(path, wait=False):
        pass
