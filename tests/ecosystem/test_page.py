"""Two pages of the user guide: their code occurs in the tests, and the versions are pinned."""

import ast
import re
import textwrap
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/user_guide/ecosystem.rst").read_text(encoding="utf-8")
CLUSTERS = (ROOT / "docs/user_guide/clusters.rst").read_text(encoding="utf-8")
ROWS = re.findall(r"^   \* - (\S+)\n     - (\d\S*)\n     - .*\n     - ``(.*)``$", PAGE, re.M)
BLOCKS = [
    textwrap.dedent(block)
    for page in (PAGE, CLUSTERS)
    for block in re.findall(r"^\.\. code-block:: python\n\n((?: {3}.*\n|\n)+)", page, re.M)
]


def parts(code):
    """Return all statements and expressions of some code, with one import of each name."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            found |= {f"from {node.module} import {alias.name}" for alias in node.names}
        elif isinstance(node, ast.stmt | ast.expr):
            found.add(ast.unparse(node))
    return found


TESTED = set().union(
    *(parts(test.read_text(encoding="utf-8")) for test in Path(__file__).parent.glob("test_*.py"))
)


def test_packages_are_those_of_the_extra():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extra = project["optional-dependencies"]["ecosystem"]
    names = {re.match(r"[\w.-]+", requirement)[0] for requirement in extra}
    assert names == {name.lower() for name, _, _ in ROWS} - {"joblib"} | {"distributed"}


@pytest.mark.parametrize(("name", "version", "code"), ROWS, ids=[name for name, _, _ in ROWS])
def test_rows(name, version, code):
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().splitlines()
    assert f"{name}=={version}".lower() in pins
    assert parts(code) <= TESTED


@pytest.mark.parametrize("block", BLOCKS[1:])  # the first one defines `pipe`
def test_code(block):
    assert parts(block) - TESTED == set()
