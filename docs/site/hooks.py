"""Pages of the site that lie elsewhere in the repository, and those that are made from its code.

Pages of the documentation name examples, scripts and tables of results that lie outside ``docs``.
Each file that a page names becomes a page of the site or a file beside it, and so do the pages that
are listed here, so that the site needs no network and no other copy of the repository. The links
in the sources stay those of the repository.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import notebooks
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
LOOSE = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
NOTEBOOKS = (
    "chapter",
    "mlpnas",
    "optuna_script",
    "keras_tuner_script",
    "nni_trials",
    "latency",
    "published",
    "own_strategy",
    "many_workers",
)
LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\[\]]*\])*\]\()([^)\s#]+)(#[^)\s]*)?\)")
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LANGUAGES = {".py": "python", ".yml": "yaml", ".toml": "toml", ".json": "json"}


def path_of(uri: str) -> str:
    """The path in the repository of a page of the site."""
    return uri if uri.startswith(("benchmarks/", "examples/")) or uri in LOOSE else f"docs/{uri}"


def uri_of(path: str) -> str:
    """The page or file of the site that shows a path of the repository."""
    if path.endswith(".ipynb"):
        return path.removeprefix("docs/").removesuffix("ipynb") + "md"
    shown = path.endswith((".md", ".png", ".svg"))
    return path.removeprefix("docs/") if shown else f"files/{path}.md"


def named(target: str, page: str) -> str | None:
    """The path of the repository that a link in ``page``, a path too, leads to; None if no file."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), target))
    if (ROOT / path).is_dir():
        path = f"{path}/README.md"
    return path if "://" not in target and (ROOT / path).is_file() else None


def outside(text: str, page: str) -> set[str]:
    """The files that ``page`` names and that ``docs`` does not bring to the site."""
    paths = {named(target, page) for _, target, _ in LINK.findall(CODE.sub("", text))}
    return {
        path
        for path in paths
        if path
        and not path.endswith(".ipynb")
        and (not path.startswith("docs/") or uri_of(path) != path.removeprefix("docs/"))
    }


def on_files(files: Files, config: Any) -> Files:
    """Add the pages and files outside ``docs``, the notebooks, and where all of them are found."""
    examples = sorted(
        path.relative_to(ROOT).as_posix() for path in ROOT.glob("examples/*/README.md")
    )
    waiting = {*LOOSE, "benchmarks/README.md", *examples}
    shown = list(add_notebooks(files, config))
    for file in files.documentation_pages():
        if file.src_uri.endswith(".md"):
            waiting |= outside(file.content_string, f"docs/{file.src_uri}")
    done: set[str] = set()
    while waiting:
        path = waiting.pop()
        done.add(path)
        if uri_of(path) != path:
            language = LANGUAGES.get(Path(path).suffix, "text")
            text = f"# {path}\n\n`````` {language}\n{(ROOT / path).read_text('utf-8')}\n``````\n"
            files.append(File.generated(config, uri_of(path), content=text))
            continue
        files.append(File(path, str(ROOT), config.site_dir, config.use_directory_urls))
        if path.endswith(".md"):
            waiting |= outside((ROOT / path).read_text("utf-8"), path) - done
    files.append(File.generated(config, "command_line.md", content=command_line()))
    found = sorted(uri_of(path) for path in done if uri_of(path).endswith(".md"))
    example = ("examples/", "files/examples/")
    apart = {*LOOSE, "benchmarks/README.md"}
    pages = {
        "examples/*": [uri for uri in found if uri.startswith(example)],
        "files/*": [uri for uri in found if not uri.startswith(example) and uri not in apart],
        "notebooks/*": shown,
    }
    config.nav = filled(config.nav, pages)
    return files


def add_notebooks(files: Files, config: Any) -> Iterator[str]:
    """Add a page for each notebook, in the order of `NOTEBOOKS`, and its pictures."""
    if {path.stem for path in ROOT.glob("docs/notebooks/*.ipynb")} != set(NOTEBOOKS):
        raise ValueError("docs/site/hooks.py lists other notebooks than docs/notebooks holds")
    for name in NOTEBOOKS:
        text = (ROOT / f"docs/notebooks/{name}.ipynb").read_text("utf-8")
        page, pictures = notebooks.page(json.loads(text), name)
        files.append(File.generated(config, f"notebooks/{name}.md", content=page))
        for picture, content in pictures.items():
            files.append(File.generated(config, f"notebooks/{picture}", content=content))
        yield f"notebooks/{name}.md"


def command_line() -> str:
    """The page of all commands and options, as Typer writes it from the commands themselves."""
    app = [sys.executable, "-m", "typer", "cellwright.command_line.app"]
    written = subprocess.run(
        [*app, "utils", "docs", "--name", "cellwright", "--title", "The command line"],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    ).stdout
    return written.replace("```console\n$ ", "```text\n")


def filled(nav: list[Any], pages: dict[str, list[str]]) -> list[Any]:
    """``nav`` with the ``pages`` of each entry that ends with a star; no section without pages."""
    entries: list[Any] = []
    for entry in nav:
        if isinstance(entry, dict):
            ((title, below),) = entry.items()
            if isinstance(below, list):
                below = filled(below, pages)
            elif below.endswith("*"):
                below = pages[below]
            if below:
                entries.append({title: below})
        else:
            entries.append(entry)
    return entries


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links as the site has them, where the repository has them otherwise."""
    uri = page.file.src_uri
    kept: list[str] = []

    def keep(code: re.Match[str]) -> str:
        kept.append(code.group())
        return f"\0{len(kept) - 1}\0"

    def placed(link: re.Match[str]) -> str:
        before, target, anchor = link.groups()
        path = named(target, path_of(uri))
        if path is None:
            return link.group()
        there = posixpath.relpath(uri_of(path), posixpath.dirname(uri) or ".")
        return f"{before}{there}{anchor or ''})"

    changed = LINK.sub(placed, CODE.sub(keep, markdown))
    return re.sub("\0(\\d+)\0", lambda found: kept[int(found[1])], changed)
