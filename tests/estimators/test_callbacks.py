"""Callbacks of skorch and of scikit-learn, and printed output."""

import numpy as np
import pytest
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    LoadInitState,
    TrainEndCheckpoint,
)

from skcnn import CNNClassifier, CNNRegressor, ImageResizer


def quick_classifier(**parameters):
    return CNNClassifier(**{"max_epochs": 3, "random_state": 0, **parameters})


class Recorder:
    """A scikit-learn callback that records every task, and stops after `stop_after` epochs."""

    max_propagation_depth = None

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.tasks = []

    def setup(self, estimator, context):
        self.tasks.append("setup")

    def teardown(self, estimator, context):
        self.tasks.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.tasks.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        score = None if fitted_estimator is None else fitted_estimator.score(X, y)
        self.tasks.append(("end", context.task_name, context.task_id, score))
        return context.task_name == "epoch" and context.task_id + 1 == self.stop_after


class TestScikitLearnCallbacks:
    def test_tasks_and_scores(self, digits):
        X, y = digits
        recorder = Recorder()
        cnn = quick_classifier().set_callbacks(recorder).fit(X, y)
        names = [task if isinstance(task, str) else task[:3] for task in recorder.tasks]
        epochs = [(kind, "epoch", n) for n in range(3) for kind in ("begin", "end")]
        assert names == ["setup", ("begin", "fit", 0), *epochs, ("end", "fit", 0), "teardown"]
        scores = [task[3] for task in recorder.tasks if task[0] == "end"]
        assert scores[-1] == scores[-2] == cnn.score(X, y)
        assert scores[0] < scores[-1]
        plain = quick_classifier().fit(X, y)
        assert np.array_equal(plain.predict_proba(X), cnn.predict_proba(X))

    def test_callbacks_see_every_epoch_with_early_stopping(self, digits):
        recorder = Recorder()
        cnn = quick_classifier(early_stopping=True, patience=1, max_epochs=30, schedule=None)
        cnn.set_callbacks(recorder).fit(*digits)
        ends = [task for task in recorder.tasks if task[:2] == ("end", "epoch")]
        assert len(ends) == cnn.n_epochs_ < 30

    def test_callback_stops_training(self, digits):
        assert quick_classifier().set_callbacks(Recorder(stop_after=2)).fit(*digits).n_epochs_ == 2

    def test_scoring_monitor_records_one_score_per_epoch(self, digits):
        X, y = digits
        monitor = ScoringMonitor(scoring="neg_log_loss")
        cnn = quick_classifier().set_callbacks(monitor).fit(X, y)
        log = monitor.get_logs().data_as_pandas
        epochs = log[log["task_name"] == "epoch"]["neg_log_loss"]
        assert len(epochs) == 3
        assert np.isclose(epochs.iloc[-1], -log_loss(y, cnn.predict_proba(X)))
        monitor = ScoringMonitor(scoring="r2")
        CNNRegressor(max_epochs=2).set_callbacks(monitor).fit(X, y.astype(float))
        assert (monitor.get_logs().data_as_pandas["task_name"] == "epoch").sum() == 2

    @pytest.mark.parametrize("n_jobs", [None, 2])
    def test_progress_bar_shows_search_folds_and_epochs(self, digits, n_jobs, capsys):
        pipe = Pipeline([("resize", ImageResizer((6, 6))), ("cnn", quick_classifier(max_epochs=2))])
        search = GridSearchCV(pipe, {"cnn__learning_rate": [0.01, 0.001]}, cv=2, n_jobs=n_jobs)
        search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(*digits)
        printed = capsys.readouterr().out
        for name in ("GridSearchCV - fit", "search #0", "CNNClassifier - fit"):
            assert name in printed
        assert not hasattr(search.best_estimator_, "_skl_callbacks")

    def test_partial_fit_calls_callbacks(self, digits):
        recorder = Recorder()
        quick_classifier().set_callbacks(recorder).partial_fit(*digits)
        assert ("begin", "epoch", 0) in recorder.tasks


class TestSkorchCallbacks:
    def test_callbacks_are_copied(self, digits):
        X, y = digits
        stopping = EarlyStopping(monitor="train_loss", patience=1, threshold=10.0)
        cnn = quick_classifier(max_epochs=8, callbacks=[stopping]).fit(X, y)
        assert cnn.n_epochs_ == 2
        assert stopping.misses_ == 0 < dict(cnn.net_.callbacks_)["EarlyStopping"].misses_
        assert cnn.get_params()["callbacks"] == [stopping]
        assert cnn.fit(X, y).n_epochs_ == 2

    @pytest.mark.parametrize("name", [None, "losses"])
    def test_objects_of_callbacks_are_shared(self, digits, name):
        class Losses(Callback):
            def __init__(self, losses):
                self.losses = losses

            def on_epoch_end(self, net, **kwargs):
                self.losses.append(net.history[-1, "train_loss"])

        losses = []
        callback = Losses(losses) if name is None else (name, Losses(losses))
        cnn = quick_classifier(callbacks=[callback]).fit(*digits)
        assert losses == [record["train_loss"] for record in cnn.history_]

    @pytest.mark.parametrize("name", [None, "checkpoint"])
    @pytest.mark.parametrize("kind", [Checkpoint, TrainEndCheckpoint])
    def test_callbacks_that_refer_to_one_another(self, digits, tmp_path, kind, name):
        checkpoint = kind(
            dirname=str(tmp_path), **({"monitor": None} if kind is Checkpoint else {})
        )
        loading = LoadInitState(checkpoint)
        callbacks = [checkpoint if name is None else (name, checkpoint), loading]
        cnn = quick_classifier(max_epochs=1, learning_rate=1e-12, callbacks=callbacks)
        first = cnn.fit(*digits).predict_proba(digits[0])
        again = cnn.set_params(random_state=1).fit(*digits).predict_proba(digits[0])
        other = cnn.set_params(callbacks=None).fit(*digits).predict_proba(digits[0])
        assert 10 * abs(again - first).max() < abs(other - first).max()  # started from the file
        assert loading.checkpoint is checkpoint

    def test_epoch_scoring_equals_history(self, digits):
        X, y = digits
        scoring = [
            ("accuracy", EpochScoring("accuracy", name="valid_accuracy")),
            EpochScoring("accuracy", name="train_accuracy", on_train=True),
        ]
        cnn = quick_classifier(callbacks=scoring, precision="float32")
        cnn.fit(X[:150], y[:150], X_val=X[150:], y_val=y[150:])
        for record, ours in zip(cnn.net_.history, cnn.history_, strict=True):
            assert record["valid_accuracy"] == ours["valid_score"]
            assert record["train_accuracy"] == ours["train_score"]

    def test_callbacks_get_gradients_batches_and_the_net(self, digits):
        seen = []

        class Gradients(Callback):
            def on_grad_computed(self, net, named_parameters, **kwargs):
                seen.append(dict(named_parameters).keys() == dict(net.module_.named_parameters()))

            def on_batch_end(self, net, batch, training, loss, y_pred, **kwargs):
                seen.append((len(batch[0]), training, y_pred.shape[1]))

        quick_classifier(callbacks=[Gradients()], max_epochs=1, batch_size=100).fit(*digits)
        assert seen.count((100, True, 10)) == 2
        assert len(seen) == 4


def test_quiet_by_default(digits, capfd):
    quick_classifier().fit(*digits).predict(digits[0])
    assert capfd.readouterr() == ("", "")
    quick_classifier(verbose=1).fit(*digits)
    assert len(capfd.readouterr().out.splitlines()) == 3
