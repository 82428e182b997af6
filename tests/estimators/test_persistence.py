"""Pickled estimators: their size, and predictions after loading."""

import copy
import io
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from skorch.callbacks import EpochScoring
from torch import nn

from skcnn import CNNClassifier, CNNRegressor, ConvAutoencoder, ImageAugmenter, ImageResizer


def size_of(estimator):
    buffer = io.BytesIO()
    joblib.dump(estimator, buffer)
    return len(buffer.getvalue())


def weights_of(estimator):
    return sum(tensor.numel() * tensor.element_size() for tensor in estimator.module_.parameters())


@pytest.mark.parametrize("estimator", [CNNClassifier, CNNRegressor])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"channels": (), "hidden_units": (512, 512)},
        {"optimizer": "sgd", "early_stopping": True},
        {"callbacks": [EpochScoring("r2", on_train=True)]},
    ],
    ids=["defaults", "dense", "early stopping", "skorch's callbacks"],
)
def test_pickle_size_is_close_to_the_weights(digits, estimator, parameters):
    X, y = digits
    fitted = estimator(max_epochs=2, random_state=0, **parameters).fit(X, y)
    for kept in (fitted, make_pipeline(ImageResizer((8, 8)), fitted).fit(X, y)):
        network = kept if kept is fitted else kept[-1]
        assert size_of(kept) <= 1.1 * weights_of(network) + 50_000
    loaded = pickle.loads(pickle.dumps(fitted))
    assert loaded.net_.optimizer_ is None
    assert_array_equal(loaded.predict(X), fitted.predict(X))


@pytest.mark.parametrize(
    "parameters",
    [
        {"channels": (16,) * 40, "pooling": None, "hidden_units": (), "max_epochs": 1},
        {"channels": (4,) * 30, "hidden_units": (4,) * 10, "max_epochs": 1},
        {"channels": (), "hidden_units": (), "max_epochs": 300},
    ],
    ids=["deep", "deep and narrow", "long"],
)
def test_pickle_size_with_many_layers_or_epochs(digits, parameters):
    X, y = digits
    cnn = CNNClassifier(random_state=0, batch_size=200, **parameters)
    cnn.fit(X, y, X_val=X[:9], y_val=y[:9])
    assert size_of(cnn) <= 1.1 * weights_of(cnn) + 50_000


def test_network_defined_in_a_script_returns_from_worker_processes(digits):
    class Local(nn.Module):
        def __init__(self, in_channels, height, width, n_outputs):
            super().__init__()
            self.linear = nn.Linear(in_channels * height * width, n_outputs)

        def forward(self, images):
            return self.linear(images.flatten(1))

    X, y = digits
    cnn = CNNClassifier(network=Local, max_epochs=1, random_state=0)
    results = cross_validate(cnn, X, y, cv=2, n_jobs=2, return_estimator=True)
    for estimator, score in zip(results["estimator"], results["test_score"], strict=True):
        assert estimator.predict(X).shape == y.shape
        assert 0 <= score <= 1
    fitted = cnn.fit(X, y)
    assert_array_equal(copy.deepcopy(fitted).predict_proba(X), fitted.predict_proba(X))


def test_pickle_contains_no_training_data(digits):
    X, y = np.tile(digits[0], (10, 4, 4)), np.tile(digits[1], 10)
    small = CNNClassifier(channels=(4,), stride=4, hidden_units=(), max_epochs=1, random_state=0)
    pipe = make_pipeline(ImageAugmenter(shift=0.1, random_state=0), small)
    pipe.fit(X, y, cnnclassifier__X_val=X[:500], cnnclassifier__y_val=y[:500])
    assert size_of(pipe) < 60_000 < X.nbytes


def test_optimizer_state_is_pickled_with_warm_start(digits):
    X, y = digits
    parameters = {"max_epochs": 1, "schedule": None, "random_state": 0, "warm_start": True}
    cnn = CNNClassifier(**parameters).fit(X, y)
    loaded = pickle.loads(pickle.dumps(cnn))
    assert loaded.net_.optimizer_.state_dict()["state"]
    assert_array_equal(loaded.fit(X, y).predict_proba(X), cnn.fit(X, y).predict_proba(X))
    forgetful = CNNClassifier(max_epochs=1, random_state=0).fit(X, y)
    loaded = pickle.loads(pickle.dumps(forgetful))
    assert loaded.partial_fit(X, y).n_epochs_ == 2


def test_loads_without_the_training_device(digits):
    X, y = digits
    cnn = CNNClassifier(max_epochs=1, random_state=0).fit(X, y)
    expected = cnn.predict_proba(X)
    cnn.set_params(device="cuda:3").net_.device = "cuda:3"
    assert_array_equal(pickle.loads(pickle.dumps(cnn)).predict_proba(X), expected)


def test_loads_in_a_new_process(digits, tmp_path):
    X, y = digits
    pipe = make_pipeline(ImageResizer((6, 6)), CNNClassifier(max_epochs=2, random_state=0))
    joblib.dump(pipe.fit(X, y), tmp_path / "pipeline.joblib")
    np.save(tmp_path / "X.npy", X)
    code = (
        "import joblib, numpy as np\n"
        "pipe = joblib.load('pipeline.joblib')\n"
        "np.save('y.npy', pipe.predict_proba(np.load('X.npy')))\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert_array_equal(np.load(tmp_path / "y.npy"), pipe.predict_proba(X))


SCRIPT = """
import copy, functools, pickle, sys, warnings
import joblib, numpy as np
from sklearn.base import clone
from skorch.callbacks import Callback
from torch import nn
from skcnn import CNNClassifier, ImageEmbedder, TransferClassifier

try:
    import cloudpickle
except ImportError:  # a part of older versions of joblib
    from joblib.externals import cloudpickle

def network(in_channels, height, width, n_outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * height * width, n_outputs))

class Mine(Callback):
    pass

X, y = np.arange(720).reshape(20, 6, 6) % 7, np.arange(20) % 2
warnings.simplefilter("error")  # nothing but saving warns
fits = [
    CNNClassifier(**parameters, max_epochs=1, random_state=0).fit(X, y)
    for parameters in (
        {"network": network}, {"network": functools.partial(network)}, {"callbacks": [Mine()]}
    )
]
fits += [TransferClassifier(network).fit(X, y), ImageEmbedder(network).fit(X)]
for cnn in fits:
    clone(cnn), copy.copy(cnn), copy.deepcopy(cnn), joblib.hash(cnn), cloudpickle.dumps(cnn)
pickle.dumps(CNNClassifier(max_epochs=1).fit(X, y))
for cnn in fits:
    for save in (pickle.dumps, lambda cnn: joblib.dump([cnn], sys.argv[1])):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            save(cnn)
        print(*[warning.message for warning in caught], sep="|")
"""


def test_saving_warns_about_names_of_the_main_script(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "script.py", str(tmp_path / "saved.joblib")]
    lines = subprocess.run(
        command, cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    sentence = "{} is defined in __main__, a script or notebook, so the saved estimator can be "
    sentence += "loaded only where __main__ defines it too: define it in a module that can be "
    sentence += "imported"
    names = ["network of the parameter network"] * 4 + ["Mine of the parameter callbacks"] * 2
    names += ["network of the parameter backbone"] * 4
    assert lines == [sentence.format(name) for name in names]
    with pytest.raises(AttributeError, match="network"):
        joblib.load(tmp_path / "saved.joblib")


@pytest.mark.parametrize("estimator", [CNNClassifier(), ConvAutoencoder()])
def test_a_copy_has_the_same_hash(estimator):
    """`Pipeline(memory=...)` finds its results by the hashes of the steps."""
    assert joblib.hash(copy.deepcopy(estimator)) == joblib.hash(estimator)
