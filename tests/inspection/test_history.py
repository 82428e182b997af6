"""HistoryDisplay: the values of its lines, its marks, its legend and its errors."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from skcnn import CNNClassifier, CNNRegressor, ImageAugmenter, ImageResizer, TransferClassifier
from skcnn.inspection import HistoryDisplay
from tests.inspection._figures import assert_legible

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (24, 6, 6)).astype(np.uint8)
Y = np.arange(24) % 2


def network(max_epochs=3, **options):
    return CNNClassifier(channels=(2,), max_epochs=max_epochs, random_state=0, **options)


@pytest.fixture(scope="module")
def stopped():
    return network(early_stopping=True).fit(X, Y)


def records(n_epochs, start=1.0, best=None, valid=True, head=0):
    """Return a made-up history."""
    found = []
    for epoch in range(1, n_epochs + 1):
        record = {"epoch": epoch, "train_loss": start / epoch, "train_score": 1 - start / epoch}
        if valid:
            record |= {"valid_loss": 2 * start / epoch, "valid_score": 0.5, "best": epoch == best}
        found.append(record | ({"phase": "head"} if epoch <= head else {}))
    return found


def texts(display):
    return [text.get_text() for text in display.legend_.get_texts()]


def test_lines_are_the_history(plt, stopped):
    display = HistoryDisplay.from_estimator(stopped)
    assert [ax.get_ylabel() for ax in display.ax_] == ["loss", "accuracy"]
    for key in ("train_loss", "valid_loss", "train_score", "valid_score"):
        (line,) = display.lines_["CNNClassifier", key]
        assert_array_equal(line.get_xdata(), [1, 2, 3])
        assert_array_equal(line.get_ydata(), [record[key] for record in stopped.history_])
        assert line.get_linestyle() == ("--" if key.startswith("train") else "-")
        assert line.axes is display.ax_[int(key.endswith("score"))]
    best = stopped.history_[stopped.best_epoch_ - 1]
    found = [mark.get_xydata()[0].tolist() for mark in display.best_]
    assert found == [[best["epoch"], best["valid_loss"]], [best["epoch"], best["valid_score"]]]
    assert texts(display) == ["training", "validation", f"best epoch: {best['epoch']}"]
    assert_legible(display.figure_)


def test_the_history_is_not_changed(plt):
    history = records(3, head=1)
    before = [dict(record) for record in history]
    HistoryDisplay(history).plot()
    assert history == before


def test_pipelines_and_searches(plt, stopped):
    pipe = make_pipeline(ImageResizer((6, 6)), ImageAugmenter(), network(early_stopping=True))
    search = GridSearchCV(pipe, {"imageresizer__size": [(6, 6)]}, cv=2).fit(X, Y)
    for fitted in (search, search.best_estimator_):
        display = HistoryDisplay.from_estimator(fitted)
        (line,) = display.lines_["CNNClassifier", "train_loss"]
        expected = search.best_estimator_[-1].history_
        assert_array_equal(line.get_ydata(), [record["train_loss"] for record in expected])


def test_score_of_regressors(plt):
    display = HistoryDisplay.from_estimator(
        CNNRegressor(channels=(2,), max_epochs=2, random_state=0).fit(X, Y)
    )
    assert display.ax_[1].get_ylabel() == "R²"


def test_without_validation(plt):
    display = HistoryDisplay.from_estimator(network().fit(X, Y))
    assert texts(display) == ["training"]
    assert display.lines_["CNNClassifier", "valid_loss"] == display.best_ == []


def test_epochs_are_integers(plt):
    for n_epochs in (1, 2, 300):
        display = HistoryDisplay(records(n_epochs, best=1)).plot()
        assert_legible(display.figure_)
        for ax in display.ax_:
            low, high = ax.get_xlim()
            ticks = [tick for tick in ax.get_xticks() if low <= tick <= high]
            assert ticks
            assert_array_equal(ticks, np.round(ticks))


def test_one_epoch_is_two_points(plt):
    display = HistoryDisplay(records(1, best=1)).plot()
    train, valid = (display.lines_["", f"{part}_loss"][0] for part in ("train", "valid"))
    assert (train.get_marker(), train.get_fillstyle()) == ("s", "none")
    assert (valid.get_marker(), valid.get_fillstyle()) == ("s", "full")


def test_further_epochs(plt):
    warm = network(2, warm_start=True).fit(X, Y, X_val=X, y_val=Y).fit(X, Y).partial_fit(X, Y)
    display = HistoryDisplay.from_estimator(warm)
    train, valid = (display.lines_["CNNClassifier", f"{p}_loss"][0] for p in ("train", "valid"))
    assert_array_equal(train.get_xdata(), [1, 2, 3, 4, 5])
    assert_array_equal(np.isfinite(valid.get_ydata()), [True, True, False, False, False])


def test_several_fits_have_a_mean(plt):
    folds = cross_validate(network(2), X, Y, cv=3, return_estimator=True)["estimator"]
    display = HistoryDisplay.from_estimator(folds)
    *lines, mean = display.lines_["CNNClassifier", "train_loss"]
    losses = [[record["train_loss"] for record in fold.history_] for fold in folds]
    assert_array_equal([line.get_ydata() for line in lines], losses)
    assert_allclose(mean.get_ydata(), np.mean(losses, axis=0))
    assert mean.get_linewidth() > lines[0].get_linewidth()
    assert texts(display) == ["CNNClassifier: 3 fits and their mean", "training"]


def test_the_mean_ends_with_the_shortest_fit(plt):
    display = HistoryDisplay([records(3), records(5, start=2.0)]).plot()
    *_, mean = display.lines_["", "valid_loss"]
    assert_array_equal(mean.get_xdata(), [1, 2, 3])
    assert_allclose(mean.get_ydata(), [3, 1.5, 1])
    assert texts(display)[0] == "2 fits and their mean"


def test_no_mean_of_validation_if_a_fit_has_none(plt):
    display = HistoryDisplay([records(3), records(3, valid=False)]).plot()
    assert len(display.lines_["", "valid_loss"]) == 1
    assert len(display.lines_["", "train_loss"]) == 3


def test_several_estimators(plt, stopped):
    display = HistoryDisplay.from_estimator({"stopped": stopped, "other": network(1).fit(X, Y)})
    one, other = (display.lines_[name, "train_loss"][0] for name in ("stopped", "other"))
    assert one.get_color() != other.get_color()
    assert texts(display)[:2] == ["stopped", "other"]
    assert_legible(display.figure_)


def test_phases(plt):
    display = HistoryDisplay({"a": records(6, head=2, best=4), "b": records(6)}).plot()
    dotted = [line for line in display.ax_[0].lines if line.get_linestyle() == ":"]
    assert [line.get_xdata()[0] for line in dotted] == [2.5]
    assert texts(display)[-1] == "fine-tuning begins"
    only_head = HistoryDisplay(records(3, head=3)).plot()
    assert "fine-tuning begins" not in texts(only_head)


@pytest.mark.parametrize("fine_tune", [False, True])
def test_phases_of_a_pretrained_network(plt, fine_tune):
    class Fitted(TransferClassifier):
        """Only the attributes of a training."""

        history_ = property(lambda self: records(5))
        n_head_epochs_ = 2

        def __sklearn_is_fitted__(self):
            return True

    (fit,) = HistoryDisplay.from_estimator(Fitted(fine_tune=fine_tune)).histories["Fitted"]
    phases = [record.get("phase") for record in fit]
    assert phases == (["head", "head", None, None, None] if fine_tune else [None] * 5)


def test_names_are_no_formulas(plt):
    display = HistoryDisplay({"$x$": records(2), 3: records(2)}).plot()
    assert texts(display)[:2] == [r"\$x\$", "3"]
    assert set(display.histories) == {"$x$", 3}


@pytest.mark.parametrize("n_names", [2, 9])
def test_many_long_names_are_legible(plt, n_names):
    named = {f"a network with a quite long name, {n}": records(4, n + 1) for n in range(n_names)}
    display = HistoryDisplay(named).plot()
    assert_legible(display.figure_)
    box = display.legend_.get_window_extent()
    assert not any(box.overlaps(ax.get_window_extent()) for ax in display.ax_)


@pytest.mark.parametrize("layout", [None, "constrained"])
def test_axes_of_the_user(plt, layout):
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4), layout=layout)
    display = HistoryDisplay(records(4, best=2, head=1)).plot(right)
    assert display.figure_ is figure
    assert len(display.ax_) == 2
    assert_legible(figure)
    assert min(ax.get_position().x0 for ax in display.ax_) > left.get_position().x1
    figure, axes = plt.subplots(2, 1, layout=layout)
    display = HistoryDisplay(records(4, best=2)).plot(axes)
    assert display.ax_.tolist() == axes.tolist()
    assert_legible(figure)


def test_style(plt):
    named = {"a": records(3), "b": records(3)}
    options = {"linewidth": 5, "alpha": 0.5}
    display = HistoryDisplay(named).plot(colors=["red", "black"], legend=False, line_kwargs=options)
    assert display.legend_ is None
    (line,) = display.lines_["b", "valid_score"]
    assert (line.get_color(), line.get_linewidth(), line.get_alpha()) == ("black", 5, 0.5)
    with pytest.raises(ValueError, match="1 colors for 2 estimators"):
        HistoryDisplay(named).plot(colors=["red"])


def test_losses_alone(plt):
    display = HistoryDisplay([{"train_loss": 2.0}, {"train_loss": 1.0}]).plot()
    assert [ax.get_ylabel() for ax in display.ax_] == ["loss"]
    assert_array_equal(display.lines_["", "train_loss"][0].get_xdata(), [1, 2])
    with pytest.raises(ValueError, match=r"there are 2 axes for 1 panel\(s\), loss"):
        display.plot(plt.subplots(1, 2)[1])


def test_errors(stopped):
    from_estimator = HistoryDisplay.from_estimator
    tree = DecisionTreeClassifier().fit(X.reshape(24, -1), Y)
    with pytest.raises(TypeError, match="DecisionTreeClassifier has no history_: learning curves"):
        from_estimator(tree)
    with pytest.raises(NotFittedError):
        from_estimator(network())
    regressor = CNNRegressor(channels=(2,), max_epochs=1).fit(X, Y)
    with pytest.raises(ValueError, match="but these are CNNClassifier and CNNRegressor: pass a"):
        from_estimator([stopped, regressor])
    with pytest.raises(ValueError, match="R² and accuracy: draw classifiers and regressors"):
        from_estimator({"a": stopped, "b": regressor})
    for empty in ([], {}):
        with pytest.raises(ValueError, match="there is no estimator"):
            from_estimator(empty)
    for empty in ([], {}, {"a": []}, [[]]):
        with pytest.raises(ValueError, match="has no records"):
            HistoryDisplay(empty)
    with pytest.raises(ValueError, match='must have a "train_loss"'):
        HistoryDisplay([{"loss": 1.0}])
