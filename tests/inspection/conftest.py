"""Fixtures of the tests of figures."""

import pytest

from skcnn._plotting import import_pyplot


@pytest.fixture
def plt():
    """matplotlib.pyplot without a screen; all figures are closed at the end."""
    pytest.importorskip("matplotlib").use("agg", force=True)
    plt = import_pyplot()
    yield plt
    plt.close("all")
