"""Fitted attributes after a fit that fails, and while another thread fits."""

import threading
import time

import pytest

from skcnn.learned import all_or_nothing, fitted_view


class Estimator:
    def __init__(self):
        self.parameter = 1


def in_thread(function):
    """Return the result of a function that another thread calls."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join(30)
    return results[0]


def test_failed_fit_restores_the_attributes():
    estimator = Estimator()
    estimator.mean_ = 1

    def fit():
        with all_or_nothing(estimator):
            estimator.mean_, estimator.scale_ = 2, 3
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fit()
    assert vars(estimator) == {"parameter": 1, "mean_": 1}


def test_other_threads_see_the_attributes_of_the_fit_before():
    estimator = Estimator()
    estimator.mean_ = 1
    with all_or_nothing(estimator):
        estimator.mean_, estimator.scale_ = 2, 3
        estimator.parameter = 5
        with all_or_nothing(estimator):  # nested in the same thread
            estimator.mean_ = 4
        expected = {"parameter": 5, "mean_": 1}
        assert vars(in_thread(lambda: fitted_view(estimator))) == expected
        assert vars(fitted_view(estimator)) == vars(estimator)
    expected = {"parameter": 5, "mean_": 4, "scale_": 3}
    assert vars(in_thread(lambda: fitted_view(estimator))) == expected


def test_view_does_not_change_with_the_estimator():
    estimator = Estimator()
    estimator.mean_ = 1
    view = fitted_view(estimator)
    estimator.mean_ = 2
    assert (type(view), view.mean_) == (Estimator, 1)


def test_fits_of_one_estimator_take_turns():
    estimator, running = Estimator(), []

    def fit():
        with all_or_nothing(estimator):
            running.append(1)
            time.sleep(0.02)
            largest.append(len(running))
            running.pop()

    largest: list[int] = []
    threads = [threading.Thread(target=fit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert largest == [1] * 4


def test_fits_of_two_estimators_do_not_wait_for_each_other():
    with all_or_nothing(Estimator()):

        def fit():
            with all_or_nothing(Estimator()):
                return True

        assert in_thread(fit)
