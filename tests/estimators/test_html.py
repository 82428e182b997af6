"""The network and the history in the HTML representation of estimators."""

import pickle
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from torch import nn

from skcnn import CNNClassifier, CNNRegressor, ImageEmbedder, ImageResizer, TransferClassifier
from skcnn.estimators import _html

RNG = np.random.default_rng(0)
X, y = RNG.integers(0, 256, (24, 8, 8), dtype=np.uint8), np.arange(24) % 2
SMALL = {"channels": (4,), "hidden_units": (), "max_epochs": 2, "random_state": 0}


def svg(html):
    return [ElementTree.fromstring(text) for text in re.findall("<svg.*?</svg>", html)]


@pytest.fixture(scope="module")
def cnn():
    return CNNClassifier(**SMALL).fit(X, y, X_val=X, y_val=y)


def test_a_fitted_estimator_shows_its_network_and_history(cnn):
    before, pickled = dict(vars(cnn)), pickle.dumps(cnn)
    html = cnn._repr_html_()
    assert vars(cnn) == before
    assert pickle.dumps(cnn) == pickled
    assert "<summary>Network: 174 parameters</summary>" in html
    assert "network.blocks.0.0" in html
    assert "<summary>History: 2 epochs</summary>" in html
    assert "Fitted attributes" in html
    own = _html.network_html(cnn)
    assert own in html
    assert " id=" not in own  # several estimators are shown in one page
    assert cnn._repr_mimebundle_()["text/html"].count("<svg") == 2


def test_charts_have_the_values_of_the_history(cnn):
    loss, score = svg(_html.network_html(cnn))
    history = cnn.history_
    for chart, name in ((loss, "loss"), (score, "score")):
        values = np.array([[r[f"{key}_{name}"] for r in history] for key in ("train", "valid")])
        lines = [line.get("points") for line in chart.iter("polyline")]
        points = np.array([[p.split(",") for p in line.split()] for line in lines], float)
        share = (values - values.min()) / np.ptp(values)
        np.testing.assert_allclose(points[:, :, 1], 100 - 80 * share, atol=0.051)
        np.testing.assert_allclose(points[:, :, 0], [[38, 222]] * 2, atol=0.051)
    first, last = history[0]["valid_loss"], history[-1]["valid_loss"]
    assert loss.get("aria-label").startswith("Loss in epochs 1 to 2: training from ")
    assert loss.get("aria-label").endswith(f"validation from {first:.3g} to {last:.3g}")
    assert [chart.find("title").text for chart in (loss, score)] == [
        chart.get("aria-label") for chart in (loss, score)
    ]


def test_charts_of_one_of_many_and_of_undefined_values():
    one = [{"epoch": 1, "train_loss": 0.5, "train_score": 1.0}]
    (chart,) = svg(_html.chart(one, "loss", "loss"))
    assert len(list(chart.iter("circle"))) == 1
    many = [{"epoch": n, "train_loss": 1 / n} for n in range(1, 1002)]
    (chart,) = svg(_html.chart(many, "loss", "loss"))
    points = next(chart.iter("polyline")).get("points").split()
    assert len(points) <= 200
    assert points[-1] == "222.0,100.0"
    gaps = [{"epoch": n, "train_loss": v} for n, v in enumerate([2.0, np.nan, np.inf, None, 1.0])]
    (chart,) = svg(_html.chart(gaps, "loss", "loss"))
    assert next(chart.iter("polyline")).get("points") == "38.0,20.0 222.0,100.0"
    assert _html.chart(gaps[1:4], "loss", "loss") == ""
    assert _html.chart(many, "score", "accuracy") == ""


def test_pipelines_and_searches_show_it_once():
    pipe = make_pipeline(ImageResizer((6, 6)), CNNClassifier(**SMALL))
    search = GridSearchCV(pipe, {"cnnclassifier__channels": [(4,)]}, cv=2)
    assert "Network:" not in search._repr_html_()
    assert "Network:" not in pipe._repr_html_()
    for model in (search.fit(X, y), search.best_estimator_):
        html = model._repr_html_()
        assert html.count("Network: 118 parameters") == 1
        assert html.count("<svg") == 2


@pytest.mark.parametrize(
    "model",
    [
        CNNRegressor(**SMALL),
        TransferClassifier("resnet18", weights=None, max_epochs=1, random_state=0),
    ],
)
def test_other_estimators(model):
    assert _html.network_html(model) == ""
    images = RNG.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
    html = model.fit(images, y[:12])._repr_html_()
    assert "Network: " in html
    assert ">R²</text>" in html if isinstance(model, CNNRegressor) else ">accuracy</text>" in html


def test_an_embedder_has_no_history(cnn):
    html = _html.network_html(ImageEmbedder(cnn).fit(X))
    assert "Network: 174 parameters" in html
    assert "History" not in html


class OnlyOnce(nn.Module):
    """A network whose copies fail, with the name of a layer that has to be escaped."""

    def __init__(self, n_outputs):
        super().__init__()
        self.add_module("<script>", nn.Sequential(nn.Flatten(), nn.Linear(64, n_outputs)))
        self.fails = False

    def forward(self, images):
        if self.fails:
            raise RuntimeError("no more")
        return self.get_submodule("<script>")(images)


def test_names_are_escaped_and_a_network_that_fails_is_left_out():
    model = CNNClassifier(lambda c, h, w, n: OnlyOnce(n), max_epochs=1, random_state=0).fit(X, y)
    own = _html.network_html(model)
    assert "network.&lt;script&gt;" in own
    assert "<script>" not in own
    model.module_.network.fails = True
    html = model._repr_html_()
    assert "Network:" not in html
    assert "History: 1 epoch<" in html


def test_another_version_of_scikit_learn(cnn, monkeypatch):
    monkeypatch.setattr(BaseEstimator, "_get_fitted_attr_html", lambda self: {"changed": 1})
    assert cnn._get_fitted_attr_html() == {"changed": 1}
