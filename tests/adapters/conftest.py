"""What the tests of examples share."""

import runpy
import sys

import pytest


@pytest.fixture
def run_script(monkeypatch, capsys):
    """A function that runs a script with arguments, as ``python SCRIPT ...`` does in this folder,
    but in this process, which has TensorFlow loaded. It returns what the script prints."""

    def run(script, *arguments):
        monkeypatch.setattr(sys, "argv", [str(script), *map(str, arguments)])
        monkeypatch.setattr(sys, "path", [str(script.parent), *sys.path])
        runpy.run_path(str(script), run_name="__main__")
        return capsys.readouterr().out

    return run
