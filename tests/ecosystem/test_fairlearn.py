"""fairlearn: metrics of groups, and mitigation after and during training."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.metrics import accuracy_score

from tests.ecosystem._digits import X, forms, pipeline
from tests.ecosystem._digits import y as digits

pytest.importorskip("fairlearn")

from fairlearn.metrics import MetricFrame, demographic_parity_difference, selection_rate
from fairlearn.postprocessing import ThresholdOptimizer
from fairlearn.reductions import DemographicParity, ExponentiatedGradient

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:fairlearn")  # of pandas

y = digits % 2
RNG = np.random.default_rng(0)
group = np.where(RNG.random(len(y)) < 0.3 + 0.4 * y, "a", "b")  # depends on the label
TWO_DIMENSIONAL = ["gray images", "rows", "column of paths", "frame of paths"]


def gap(predictions):
    return demographic_parity_difference(y, predictions, sensitive_features=group)


@pytest.fixture(scope="module")
def pipe():
    return pipeline(max_epochs=4).fit(X, y)


def test_metrics(pipe):
    metrics = MetricFrame(
        metrics={"accuracy": accuracy_score, "selection rate": selection_rate},
        y_true=y,
        y_pred=pipe.predict(X),
        sensitive_features=group,
    )
    predictions = pipe.predict(X)
    for name in ("a", "b"):
        of_group = group == name
        expected = [(predictions == y)[of_group].mean(), predictions[of_group].mean()]
        np.testing.assert_allclose(metrics.by_group.loc[name], expected)


def test_threshold_optimizer(pipe):
    fair = ThresholdOptimizer(
        estimator=pipe,
        constraints="demographic_parity",
        predict_method="predict_proba",
        prefit=True,
    )
    fair.fit(X, y, sensitive_features=group)
    predictions = fair.predict(X, sensitive_features=group, random_state=0)
    assert gap(pipe.predict(X)) > 0.3
    assert gap(predictions) < 0.05
    assert accuracy_score(y, predictions) > 0.7


def test_exponentiated_gradient(pipe):
    fair = ExponentiatedGradient(
        pipe, DemographicParity(), sample_weight_name="cnn__sample_weight", max_iter=3
    )
    fair.fit(X, y, sensitive_features=group)
    assert gap(fair.predict(X, random_state=0)) < gap(pipe.predict(X)) / 2
    assert len({network.predict_proba(X[:1])[0, 0] for network in fair.predictors_}) > 1


def test_forms(tmp_path):
    found = {}
    for form, (estimator, images) in forms(tmp_path).items():
        fair = ThresholdOptimizer(
            estimator=estimator, constraints="equalized_odds", predict_method="predict_proba"
        )
        if form in ("images", *TWO_DIMENSIONAL):
            fair.fit(images, y, sensitive_features=group)
            found[form] = fair.predict(images, sensitive_features=group, random_state=0)
        elif form in ("array of photos", "array of paths", "list of paths"):
            with pytest.raises(ValueError, match="Expected 2D array"):
                fair.fit(images, y, sensitive_features=group)
    for form in TWO_DIMENSIONAL:
        assert_array_equal(found[form], found["images"])
