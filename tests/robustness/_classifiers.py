"""Small classifiers of the tests of robustness."""

from skcnn import CNNClassifier


def small_classifier(**parameters):
    """Return a classifier that is fitted in less than a second."""
    defaults = {"channels": (8,), "hidden_units": (), "max_epochs": 3, "random_state": 0}
    return CNNClassifier(**(defaults | parameters))
