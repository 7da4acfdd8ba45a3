"""The blocks of Python and shell in the documentation, for the tests that run them.

A block is run, unless a comment in the line before it says otherwise:

    <!-- not run: WHY -->          it is only read
    <!-- run by tests/FILE.py -->  another test runs it
    <!-- slow -->                  it is run among the slow tests
"""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md")),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("examples/*/README.md"),
    ]
)
BLOCK = re.compile(
    r"(?P<before>[^\n]*)\n(?P<empty>\n?)^```(?P<language>[^\n]*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
MARK = re.compile(r"<!-- (?:not run: (?P<why>.+)|run by (?P<test>\S+)|(?P<slow>slow)) -->$")


class Block(NamedTuple):
    page: str
    line: int
    language: str
    code: str
    mark: str

    @property
    def name(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def why(self) -> str | None:
        """Why it is not run."""
        found = MARK.match(self.mark)
        return found["why"] if found else None

    @property
    def test(self) -> str | None:
        """The file of the test that runs it."""
        found = MARK.match(self.mark)
        return found["test"] if found else None

    @property
    def slow(self) -> bool:
        return self.mark == "<!-- slow -->"

    @property
    def quick(self) -> bool:
        """Whether it is of Python, and run among the quick tests."""
        return self.language == "python" and not (self.why or self.test or self.slow)

    @property
    def known(self) -> bool:
        """Whether its mark is one of the three."""
        return MARK.match(self.mark) is not None

    @property
    def trains(self) -> bool:
        """Whether its commands train networks, which takes long."""
        return bool(re.search(r"cellwright (?:search|train|nni-init)|runs/mine", self.code))


def blocks() -> list[Block]:
    found = []
    for page in PAGES:
        text = "\n\n" + page.read_text("utf-8")
        for one in BLOCK.finditer(text):
            mark = one["before"].strip()
            found.append(
                Block(
                    page.relative_to(ROOT).as_posix(),
                    text[: one.start("code")].count("\n") - 1,
                    one["language"].strip(),
                    one["code"],
                    mark if mark.startswith("<!--") else "",
                )
            )
    return found


BLOCKS = blocks()
PYTHON = [block for block in BLOCKS if block.language == "python"]
SHELL = [block for block in BLOCKS if block.language == "sh"]


def named(chosen: list[Block]) -> list:
    return [pytest.param(block, id=block.name) for block in chosen]


def to_run() -> list:
    """The blocks of shell that are run, those that train or install among the slow tests."""
    return [
        pytest.param(block, id=block.name, marks=[pytest.mark.slow] * block.trains)
        for block in SHELL
        if not (block.why or block.test)
    ]


# A test with one of these arguments is run for each of its values.
ARGUMENTS = {
    "python_block": named(PYTHON),
    "quick_page": sorted({block.page for block in BLOCKS if block.quick}),
    "slow_block": named([block for block in PYTHON if block.slow]),
    "shell_block": named(SHELL),
    "run_block": to_run(),
}


def pytest_generate_tests(metafunc):
    for argument, values in ARGUMENTS.items():
        if argument in metafunc.fixturenames:
            metafunc.parametrize(argument, values)


@pytest.fixture(scope="session")
def blocks_of_the_documentation():
    return BLOCKS
