"""Runs notebooks, and keeps what they print and draw with them, for the site to show.

    python docs/site/run_notebooks.py docs/notebooks/*.ipynb

Each runs in a folder of its own beside what a checkout has, so that none leaves files there.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
BESIDE = ("benchmarks", "examples", "docs/images")
PATHS = re.compile(r"/(?:home|root|tmp|work|Users|usr|opt|private|var)/\S*")
HEAD = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def run(path: Path) -> Any:
    """The notebook with the outputs of a run from its first cell to its last.

    What goes to the standard error, such as bars of progress, is left out. Nothing else is.

    Raises:
        CellExecutionError: If a cell raises.
        ValueError: If an output names a folder of this machine.
    """
    notebook = nbformat.read(path, as_version=4)
    os.environ.update({"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"})
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root, "docs/notebooks")
        folder.mkdir(parents=True)
        for name in BESIDE:
            Path(root, name).symlink_to(ROOT / name)
        os.environ["CELLWRIGHT_CACHE"] = str(Path(root, "cache"))
        resources = {"metadata": {"path": str(folder)}}
        client = NotebookClient(
            notebook,
            timeout=900,
            kernel_name="python3",
            resources=resources,
            extra_arguments=["--InlineBackend.print_figure_kwargs={'dpi': 90}"],
        )
        client.execute()
    notebook.metadata = HEAD
    for number, cell in enumerate(notebook.cells):
        cell.metadata, cell["id"] = {}, f"cell-{number}"
        if cell.cell_type == "code":
            cell.outputs = kept(cell.outputs)
            if found := PATHS.search(str([without_pictures(one) for one in cell.outputs])):
                raise ValueError(f"{path.name}: an output names {found.group()[:200]}")
    return notebook


def kept(outputs: list[Any]) -> list[Any]:
    """The outputs without the standard error, and what was printed in one piece."""
    found: list[Any] = []
    for output in outputs:
        if output.output_type != "stream":
            found.append(output)
        elif output.name == "stdout":
            if found and found[-1].output_type == "stream":
                found[-1].text += output.text
            else:
                found.append(output)
    return found


def without_pictures(output: Any) -> Any:
    data = output.get("data", {})
    return output.get("text", {kind: data[kind] for kind in data if "image/" not in kind})


if __name__ == "__main__":
    for given in map(Path, sys.argv[1:]):
        began = time.monotonic()
        nbformat.write(run(given), given)
        print(f"{given.name}: {time.monotonic() - began:.0f} s")
