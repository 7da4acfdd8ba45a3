"""Notebooks run from the first cell to the last, and the site shows what they print and draw."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted(ROOT.glob("docs/notebooks/*.ipynb"))


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/site/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def named(paths):
    return [pytest.param(path, id=path.stem) for path in paths]


def test_there_are_the_nine():
    assert len(NOTEBOOKS) == 9


@pytest.mark.parametrize("path", named(NOTEBOOKS))
def test_what_is_kept_is_of_one_run_and_can_be_shown(path):
    notebook = json.loads(path.read_text("utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    text, pictures = script("notebooks").page(notebook, path.stem)
    assert text.startswith("# ")
    assert len(pictures) == sum("![" in line for line in text.splitlines())
    assert not re.search(r"Traceback|/home/|/root/|/tmp/|/work/", text)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("path", named(NOTEBOOKS))
def test_it_runs(path):
    pytest.importorskip("nbclient")
    ran = script("run_notebooks").run(path)
    kept = json.loads(path.read_text("utf-8"))
    for now, then in zip(ran.cells, kept["cells"], strict=True):
        kinds = [output.output_type for output in now.get("outputs", [])]
        assert kinds == [output["output_type"] for output in then.get("outputs", [])]
