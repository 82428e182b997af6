"""The allowed imports of each subpackage, and importing `skcnn` without side effects."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

import skcnn

ROOT = Path(skcnn.__file__).parent

# ------------------------------------------------------------------------------------------------
# The table. A module may import the levels of MAY_IMPORT_LEVELS; within its own level only the
# pairs of PEERS. The longest matching prefix decides, so that `robustness` can have two levels.

LEVELS = {
    "skcnn._html": 1,
    "skcnn._lazy_arguments": 0,
    "skcnn._tensors": 0,
    "skcnn._plotting": 0,
    "skcnn._validation": 0,
    "skcnn.download": 0,
    "skcnn.exceptions": 0,
    "skcnn.images": 0,
    "skcnn.lazy": 0,
    "skcnn.checksums": 0,
    "skcnn.learned": 0,
    "skcnn.locks": 0,
    "skcnn.operations": 0,
    "skcnn.pillow_images": 0,
    "skcnn.pixel_scale": 0,
    "skcnn.pixels": 0,
    "skcnn.remote_files": 0,
    "skcnn.remote_folders": 0,
    "skcnn.replaced_file": 0,
    "skcnn.settings": 0,
    "skcnn.tensor_files": 0,
    "skcnn.urls": 0,
    "skcnn.threads": 0,
    "skcnn.values": 0,
    "skcnn.versions": 0,
    "skcnn.networks": 0,
    "skcnn.preprocessing": 1,
    "skcnn.training": 1,
    "skcnn.datasets": 1,
    "skcnn.robustness": 3,
    "skcnn.robustness.attacks": 1,
    "skcnn.robustness.corruptions": 1,
    "skcnn.quality": 1,
    "skcnn.estimators": 2,
    "skcnn.pipeline_graph": 3,
    "skcnn.original_images": 3,
    "skcnn.inspection": 3,
    "skcnn.imbalance": 3,
    "skcnn.export": 3,
    "skcnn.cli": 4,
    "skcnn.__main__": 4,
}
MAY_IMPORT_LEVELS = {0: (), 1: (0,), 2: (0, 1), 3: (0, 1), 4: (0, 1, 2, 3)}
# (importing module, imported module)
PEERS = {
    ("skcnn.remote_files", "skcnn.urls"),
    ("skcnn.remote_folders", "skcnn.remote_files"),
    ("skcnn.remote_folders", "skcnn.urls"),
    ("skcnn.__main__", "skcnn.cli"),
    ("skcnn.checksums", "skcnn.learned"),
    ("skcnn.checksums", "skcnn.versions"),
    ("skcnn.learned", "skcnn.locks"),
    ("skcnn.images", "skcnn._tensors"),
    ("skcnn.networks", "skcnn.download"),
    ("skcnn.networks", "skcnn.tensor_files"),
    ("skcnn.tensor_files", "skcnn.checksums"),
    ("skcnn.tensor_files", "skcnn.replaced_file"),
    ("skcnn.images", "skcnn.lazy"),
    ("skcnn.images", "skcnn.operations"),
    ("skcnn._lazy_arguments", "skcnn.values"),
    ("skcnn.lazy", "skcnn._lazy_arguments"),
    ("skcnn.images", "skcnn.values"),
    ("skcnn.lazy", "skcnn.settings"),
    ("skcnn.images", "skcnn.pillow_images"),
    ("skcnn.lazy", "skcnn.operations"),
    ("skcnn.lazy", "skcnn.threads"),
    ("skcnn.lazy", "skcnn.values"),
    ("skcnn.networks", "skcnn.settings"),
    ("skcnn.networks", "skcnn._validation"),
    ("skcnn.pixels", "skcnn.lazy"),
    ("skcnn.pixels", "skcnn.values"),
    ("skcnn.original_images", "skcnn.pipeline_graph"),
    ("skcnn.preprocessing", "skcnn.robustness.corruptions"),
    ("skcnn.inspection", "skcnn.pipeline_graph"),
    ("skcnn.inspection", "skcnn.original_images"),
    ("skcnn.export", "skcnn.pipeline_graph"),
    ("skcnn.export", "skcnn.original_images"),
    ("skcnn.imbalance", "skcnn.pipeline_graph"),
    ("skcnn.quality", "skcnn._html"),
    ("skcnn.quality", "skcnn.datasets"),
    ("skcnn.quality", "skcnn.preprocessing"),
    ("skcnn.robustness", "skcnn.original_images"),
    ("skcnn.robustness", "skcnn.pipeline_graph"),
}

# scipy.sparse is part of scikit-learn's API, and joblib defines the meaning of n_jobs. Downloads
# use filelock, which torch requires, and tqdm, which skorch requires.
BASE = {"filelock", "joblib", "numpy", "safetensors", "sklearn", "torch", "tqdm", "scipy.sparse"}
TRAINING = {"skorch", "skimage", "PIL", "tifffile"}
SCIPY = {"scipy.ndimage", "scipy.signal", "scipy.special"}  # scikit-learn requires scipy
ALL = BASE | TRAINING | SCIPY
MAY_IMPORT_PACKAGES = {0: BASE, 1: ALL, 2: ALL, 3: ALL, 4: ALL}

# Optional packages: any level may import them, but only inside a function.
OPTIONAL = {
    "captum",
    "fsspec",
    "imblearn",
    "jinja2",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "pandas",
    "polars",
    "rich",
    "skl2onnx",
    "skops",
    "timm",
    "torchvision",
}

# Packages whose distribution has another name than the module.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "imblearn": "imbalanced-learn",
    "lazy_loader": "lazy-loader",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
}

MAX_FILE_LINES = 300  # without docstrings
MAX_FUNCTION_LINES = 45


# ------------------------------------------------------------------------------------------------
# Reading the imports


@dataclass(frozen=True)
class Import:
    """The full name of an import, and its line."""

    target: str
    line: int
    deferred: bool  # inside a function, or for type checkers only


def module_name(path):
    """Return the dotted name of a module by its path."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(source, module, *, is_package):
    """Return all imports of a module: relative ones resolved, ``from a import b`` as ``a.b``."""

    found = []

    def visit(node, deferred):
        if isinstance(node, ast.Import):
            found.extend(Import(alias.name, node.lineno, deferred) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute_name(node, module, is_package=is_package)
            found.extend(
                Import(f"{base}.{alias.name}", node.lineno, deferred) for alias in node.names
            )
        deferred = deferred or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        deferred = deferred or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
        for child in ast.iter_child_nodes(node):
            visit(child, deferred)

    visit(ast.parse(source), False)
    return found


def absolute_name(node, module, *, is_package):
    """Return the absolute name of the module after ``from``."""
    if not node.level:
        return node.module
    parents = module.split(".")
    parents = parents[: len(parents) - node.level + is_package]
    return ".".join([*parents, node.module] if node.module else parents)


def entry_of(name):
    """Return the entry of LEVELS that contains a module or a name, None for the package itself."""
    parts = name.split(".")
    for stop in range(len(parts), 1, -1):
        if ".".join(parts[:stop]) in LEVELS:
            return ".".join(parts[:stop])
    return None


def allows_own_module(module, target):
    """Return whether a module may import a name of the package."""
    here, there = entry_of(module), entry_of(target)
    if here is None:  # skcnn/__init__.py imports all
        return True
    if there is None:  # a public name of skcnn/__init__.py
        return LEVELS[here] == 4
    if here == there or (here, there) in PEERS:
        return True
    return LEVELS[there] in MAY_IMPORT_LEVELS[LEVELS[here]]


def allows_other_package(module, imported):
    """Return whether a module may import a name of another package."""
    package = imported.target.split(".")[0]
    if package in sys.stdlib_module_names:
        return True
    if package in OPTIONAL:
        return imported.deferred
    if module == "skcnn":
        return package == "lazy_loader"
    entry = entry_of(module)
    allowed = MAY_IMPORT_PACKAGES[LEVELS[entry]] if entry else set()
    return package in allowed or any(
        f"{imported.target}.".startswith(f"{name}.") for name in allowed
    )


def violations(source, module, *, is_package):
    """Return the imports of a module that are not allowed."""
    found = []
    for imported in imports_of(source, module, is_package=is_package):
        if imported.target.split(".")[0] == "skcnn":
            allowed = allows_own_module(module, imported.target)
        else:
            allowed = allows_other_package(module, imported)
        if not allowed:
            found.append(f"{module}:{imported.line} imports {imported.target}")
    return found


MODULES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_are_allowed(path):
    found = violations(
        path.read_text(encoding="utf-8"), module_name(path), is_package=path.stem == "__init__"
    )
    assert not found, "\n".join(found)


def distribution_names(requirements):
    """Return the names of required distributions, without versions, in lower case."""
    return {re.match(r"[\w.-]+", requirement)[0].lower() for requirement in requirements}


def test_imported_packages_are_the_declared_dependencies():
    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    imported = {
        imported.target.split(".")[0]
        for path in MODULES
        for imported in imports_of(
            path.read_text(encoding="utf-8"), module_name(path), is_package=path.stem == "__init__"
        )
    } - {*sys.stdlib_module_names, "skcnn"}
    required = {DISTRIBUTIONS.get(name, name) for name in imported - OPTIONAL}
    assert required == distribution_names(project["dependencies"])
    extras = set().union(*map(distribution_names, project["optional-dependencies"].values()))
    assert imported & OPTIONAL <= extras


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_every_module_is_in_the_table(path):
    assert path == ROOT / "__init__.py" or entry_of(module_name(path)) is not None


@pytest.mark.parametrize(
    ("module", "source", "allowed"),
    [
        ("skcnn.images", "from skcnn.lazy import LazyImages", True),
        ("skcnn.lazy", "from skcnn.images import check_images", False),
        ("skcnn.lazy", "from .images import check_images", False),
        ("skcnn.lazy", "from . import images", False),
        ("skcnn.lazy", "from skcnn.threads import read_ahead", True),
        ("skcnn.threads", "from skcnn.lazy import LazyImages", False),
        ("skcnn.operations", "from skcnn.lazy import LazyImages", False),
        ("skcnn.inspection.maps", "from skcnn.pipeline_graph import torch_pipeline", True),
        ("skcnn.pipeline_graph", "from skcnn.preprocessing import ImageResizer", True),
        ("skcnn.pipeline_graph", "from skcnn.estimators import CNNClassifier", False),
        ("skcnn.networks.vgg", "from .plain import Plain", True),
        ("skcnn.networks.vgg", "from ..training import losses", False),
        ("skcnn.networks.vgg", "import skcnn.training.losses", False),
        ("skcnn.networks.vgg", "def f():\n    from skcnn.training import losses", False),
        ("skcnn.networks.vgg", "import skorch", False),
        ("skcnn.images", "from scipy.sparse import issparse", True),
        ("skcnn.images", "from scipy import sparse", True),
        ("skcnn.images", "from scipy import ndimage", False),
        ("skcnn.preprocessing.resizer", "from skimage.transform import resize", True),
        ("skcnn.preprocessing.resizer", "from skcnn.training import batches", False),
        ("skcnn.preprocessing.resizer", "import pandas as pd", False),
        ("skcnn.preprocessing.resizer", "def f():\n    import pandas as pd", True),
        ("skcnn.preprocessing.resizer", "def f():\n    import cv2", False),
        (
            "skcnn.preprocessing.resizer",
            "if TYPE_CHECKING:\n    from pandas import DataFrame",
            True,
        ),
        ("skcnn.preprocessing.resizer", "from skcnn import CNNClassifier", False),
        ("skcnn.estimators.classifier", "from skcnn.preprocessing import ImageResizer", True),
        ("skcnn.estimators.classifier", "from ._base import TrainedEstimator", True),
        ("skcnn.estimators.classifier", "from skcnn.inspection import saliency", False),
        ("skcnn.inspection.saliency", "from skcnn.estimators import CNNClassifier", False),
        ("skcnn.inspection.saliency", "from skcnn.export import onnx", False),
        ("skcnn.cli.train", "from skcnn import CNNClassifier", True),
        ("skcnn.cli.train", "from skcnn.inspection import ModelReport", True),
        ("skcnn.inspection.saliency", "from skcnn.cli import main", False),
        ("skcnn.robustness.evaluation", "from skcnn.robustness.attacks import fgsm", True),
        ("skcnn.robustness.attacks.fgsm", "from skcnn.robustness import evaluation", False),
    ],
)
def test_violations(module, source, allowed):
    assert (not violations(source, module, is_package=False)) is allowed


def test_relative_imports_of_a_package_start_at_the_package():
    found = imports_of("from .plain import Plain", "skcnn.networks", is_package=True)
    assert [imported.target for imported in found] == ["skcnn.networks.plain.Plain"]


# ------------------------------------------------------------------------------------------------
# `skcnn/__init__.py`, and the size of files and functions


def test_public_names_are_those_of_the_stub():
    tree = ast.parse((ROOT / "__init__.pyi").read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    names = [alias.name for node in imports for alias in node.names]
    public = next(node.value for node in tree.body if isinstance(node, ast.Assign))
    assert sorted(names) == ast.literal_eval(public) == sorted(skcnn.__all__)
    assert {*names, "__version__"} <= {*dir(skcnn), *vars(skcnn)}
    assert all(not name.startswith("_") and getattr(skcnn, name) is not None for name in names)


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_files_and_functions_are_short(path):
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "the module has no docstring"
    lines = text.count("\n")
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(
            node
        ):
            lines -= node.body[0].end_lineno - node.body[0].lineno + 1
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = node.end_lineno - body[0].lineno + 1 if body else 0
            assert length <= MAX_FUNCTION_LINES, f"{node.name} has {length} lines"
    assert lines <= MAX_FILE_LINES


# ------------------------------------------------------------------------------------------------
# Importing

IMPORT_SCRIPT = """
import contextlib, io, json, sys
for name in {optional}:
    sys.modules[name] = None  # as if it were not installed
import importlib, multiprocessing, os, pkgutil, random, signal, threading, warnings
import joblib, numpy, skimage, sklearn, skorch, torch
import sklearn.callback, sklearn.experimental, skimage.io, skimage.transform


def state():
    return {{
        "python's random state": random.getstate(),
        "numpy's random state": str(numpy.random.get_state()),
        "torch's random state": torch.get_rng_state().tolist(),
        "torch's threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "torch's default dtype": str(torch.get_default_dtype()),
        "torch's determinism": torch.are_deterministic_algorithms_enabled(),
        "torch's gradient mode": torch.is_grad_enabled(),
        "torch's cudnn flags": (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
        "torch's precision": torch.get_float32_matmul_precision(),
        "CUDA": torch.cuda.is_initialized(),
        "numpy's errors": numpy.geterr(),
        "warning filters": [str(entry) for entry in warnings.filters],
        "scikit-learn's configuration": sklearn.get_config(),
        "scikit-learn's classes": sorted(vars(sklearn.base.BaseEstimator)),
        "signal handlers": str([signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]),
        "start method": multiprocessing.get_start_method(allow_none=True),
        "threads": threading.active_count(),
        "environment": dict(os.environ),
        "folder": sorted(os.listdir(".")),
    }}


before = state()
printed = io.StringIO()
with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
    import skcnn
    for module in pkgutil.walk_packages(skcnn.__path__, "skcnn."):
        importlib.import_module(module.name)
after = state()
print(json.dumps({{
    "changed": [name for name in before if before[name] != after[name]],
    "imported": [name for name in {optional} if sys.modules.get(name) is not None],
    "printed": printed.getvalue(),
}}))
"""


def test_import_has_no_side_effects(tmp_path):
    script = IMPORT_SCRIPT.format(optional=sorted(OPTIONAL))
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"changed": [], "imported": [], "printed": ""}
    assert list(tmp_path.iterdir()) == []
