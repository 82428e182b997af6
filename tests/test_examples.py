"""The scripts of the gallery run from their download alone, as a script and as a notebook.

The folder "Scale and deploy" also has applications, which the gallery does not run.
"""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "examples").rglob("*.py"))
APPLICATIONS = [
    path
    for path in FILES
    if path.parent.name == "08_scale_and_deploy" and not path.name.startswith("plot_")
]
SCRIPTS = [path for path in FILES if path not in APPLICATIONS]

# Packages whose distribution has another name than the module.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "imblearn": "imbalanced-learn",
    "optuna_integration": "optuna-integration",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
}

# A notebook has no file, and the options of its kernel are in `sys.argv`.
NOT_IN_NOTEBOOKS = {"__doc__", "__file__", "argv", "argparse"}


def code_of(script):
    """Return the code of a script, and the code that its comments suggest instead."""
    source = script.read_text(encoding="utf-8")
    suggested = re.findall(r"::\n#\n((?:#     .*\n|#\n)+)", source)
    return [source, *(re.sub(r"^#(     )?", "", code, flags=re.M) for code in suggested)]


def imported_packages(source):
    """Return the packages that a script imports; "." stands for a relative import."""
    packages = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            packages |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            packages.add("." if node.level else node.module.split(".")[0])
    return packages


def names(source):
    """Return all names, attributes and modules that a script uses."""
    nodes = list(ast.walk(ast.parse(source)))
    return (
        {node.id for node in nodes if isinstance(node, ast.Name)}
        | {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        | imported_packages(source)
    )


def declared(*extras):
    """Return the distributions that the package and some of its extras require."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = project["dependencies"].copy()
    for extra in extras:
        requirements += project["optional-dependencies"][extra]
    return {re.match(r"[\w.-]+", requirement)[0].lower() for requirement in requirements}


def required(source):
    """Return the distributions of the packages that a script imports."""
    packages = imported_packages(source) - {*sys.stdlib_module_names, "skcnn"}
    return {DISTRIBUTIONS.get(name, name) for name in packages}


def test_every_file_is_an_example():
    assert SCRIPTS
    assert all(re.fullmatch(r"plot_\w+\.py", script.name) for script in SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
class TestScript:
    def test_imports_only_what_is_installed(self, script):
        for source in code_of(script):
            assert required(source) <= declared("plot", "imbalance", "conformal", "optuna", "dask")

    def test_uses_nothing_that_a_notebook_lacks(self, script):
        for source in code_of(script):
            assert not names(source) & NOT_IN_NOTEBOOKS

    def test_every_cell_is_code(self, script):
        cells = re.split(r"^# %%.*\n", script.read_text(encoding="utf-8"), flags=re.M)
        assert len(cells) > 1
        assert cells[0].rstrip().endswith('"""')  # other lines are a cell, even a lone comment
        for cell in cells:
            ast.parse(cell)

    def test_has_a_title(self, script):
        title, underline = ast.get_docstring(ast.parse(script.read_text("utf-8"))).splitlines()[:2]
        assert underline == len(title) * "="


@pytest.mark.parametrize("application", APPLICATIONS, ids=lambda path: path.stem)
class TestApplication:
    def test_imports_only_what_is_installed(self, application):
        assert required(application.read_text(encoding="utf-8")) <= declared(
            "service", "dask", "ray", "remote"
        )

    def test_has_a_description(self, application):
        assert ast.get_docstring(ast.parse(application.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import sys\nprint(sys.argv)", {"argv"}),
        ("from pathlib import Path\nPath(__file__)", {"__file__"}),
        ("import argparse", {"argparse"}),
        ("print(__doc__)", {"__doc__"}),
        ("import sys\nsys.executable", set()),
    ],
)
def test_names_that_notebooks_lack(source, found):
    assert names(source) & NOT_IN_NOTEBOOKS == found


def test_modules_that_are_not_in_the_download():
    assert imported_packages("from tutorial import save\nfrom . import patches") == {
        "tutorial",
        ".",
    }
