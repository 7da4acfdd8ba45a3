"""What tests of the command line share."""

import io
import os
import sys

import numpy as np
import pytest


@pytest.fixture(scope="module", autouse=True)
def _untraced(untraced):
    """Children of this folder are trained step by step."""


@pytest.fixture(scope="session")
def cellwright():
    """A function that runs ``cellwright`` in a folder, in this process: what it prints, in one
    line, and its exit status."""
    from cellwright.command_line.app import main

    def run(home, *arguments):
        before = os.getcwd(), sys.argv, sys.path[:], sys.stdout, sys.stderr
        os.chdir(home)
        sys.argv = ["cellwright", *map(str, arguments)]
        sys.path.insert(0, str(home))
        sys.stdout = sys.stderr = out = io.StringIO()
        code = 0
        try:
            main()
        except SystemExit as exit:
            code = exit.code or 0
        finally:
            os.chdir(before[0])
            sys.argv, sys.path[:], sys.stdout, sys.stderr = before[1:]
        assert "Traceback" not in out.getvalue(), out.getvalue()
        return " ".join(out.getvalue().replace("│", " ").split()), code

    return run


@pytest.fixture(scope="session")
def run(cellwright):
    """What `cellwright` prints in this process, in one line, after the status that is expected."""

    def run(place, *arguments, code=0):
        printed, ended = cellwright(place, *arguments)
        assert ended == code, printed
        return printed

    return run


@pytest.fixture
def importable(monkeypatch):
    """A function that lets the modules of a folder be found here, and by the trials of other
    hosts."""

    def find(home):
        monkeypatch.syspath_prepend(str(home))
        path = os.pathsep.join([str(home), os.environ.get("PYTHONPATH", "")])
        monkeypatch.setenv("PYTHONPATH", path)

    return find


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """A function that runs a command of ``cellwright`` in an empty folder: its exit status, what it
    printed, its error."""
    from cellwright.command_line.app import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["cellwright", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return ended.value.code or 0, out, err

    return run


@pytest.fixture(scope="session")
def write_digits():
    """A function that writes 60 digits of 3 classes into a file."""
    from sklearn.datasets import load_digits

    def write(file):
        digits = load_digits()
        chosen = np.flatnonzero(digits.target < 3)[:60]
        np.savez(file, x=digits.images[chosen] / 16, y=digits.target[chosen])

    return write
