"""The code of the README."""

import ast
import re
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
SEEDED = {"CNNClassifier", "CNNRegressor", "ImageAugmenter"}
CALLS = [
    node
    for block in re.findall(r"^```python\n(.*?)^```", README, flags=re.M | re.S)
    for node in ast.walk(ast.parse(block))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SEEDED
]


def test_readme_builds_networks_and_augmenters():
    assert {call.func.id for call in CALLS} == {"CNNClassifier", "ImageAugmenter"}


@pytest.mark.parametrize("call", CALLS, ids=ast.unparse)
def test_everything_random_in_the_readme_is_seeded(call):
    assert "random_state" in {keyword.arg for keyword in call.keywords}
