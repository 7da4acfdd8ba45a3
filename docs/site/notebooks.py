"""Notebooks as pages of the site: text, code and stored outputs as Markdown, pictures as files.

The site is built without Jupyter, and its pages fetch nothing from elsewhere.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

PICTURES = {"image/png": "png", "image/svg+xml": "svg"}
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")  # colours and ends of lines of a terminal


def page(notebook: dict[str, Any], name: str) -> tuple[str, dict[str, bytes]]:
    """The Markdown of a notebook, and the files of its pictures by their names.

    Raises:
        ValueError: If an output is of a kind that the site cannot show, or a cell that draws has no
            comment to say what.
    """
    pictures: dict[str, bytes] = {}
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        language = "sh" if source.startswith(("!", "%%bash")) else "python"
        parts.append(_block(language, source))
        for output in cell["outputs"]:
            parts.extend(_shown(output, name, _words(source), pictures))
    title, rest = parts[0].split("\n", 1) if "\n" in parts[0] else (parts[0], "")
    note = (
        "A notebook, with the outputs of one run. To run it yourself: "
        f'<a href="../{name}.ipynb" download>{name}.ipynb</a>.'
    )
    return "\n\n".join([title, note, rest, *parts[1:]]) + "\n", pictures


def _words(source: str) -> str:
    """What a cell's first comment says that it draws."""
    found = re.search(r"^# (.+)$", source, re.MULTILINE)
    return found[1] if found else ""


def _shown(
    output: dict[str, Any], name: str, words: str, pictures: dict[str, bytes]
) -> Iterator[str]:
    if output["output_type"] == "stream":
        yield _block("text", ESCAPES.sub("", "".join(output["text"])), "output")
        return
    data = output["data"]
    for kind, suffix in PICTURES.items():
        if kind in data:
            if not words:
                raise ValueError(f"{name}: a cell that draws needs a comment, as the alt text")
            text = "".join(data[kind])
            file = f"{name}_{len(pictures) + 1}.{suffix}"
            pictures[file] = text.encode() if suffix == "svg" else base64.b64decode(text)
            yield f"![{words}]({file})"
            return
    if "text/markdown" in data:
        yield "".join(data["text/markdown"])
    elif "text/plain" in data:
        yield _block("text", "".join(data["text/plain"]), "output")
    else:
        raise ValueError(f"{name}: no page can show an output of {sorted(data)}")


def _block(language: str, text: str, kind: str = "") -> str:
    how = f"{{ .{language} .{kind} }}" if kind else language
    return f"``````{how}\n{text.strip(chr(10))}\n``````"
