"""Images a second in `predict_proba`, beside skorch's, and `predict` of Keras on TensorFlow.

    python tests/benchmarks/bench_inference.py [--keras-python PYTHON] [--networks NAME ...]

Five networks, trained for one epoch on a few random images, predict many on the CPU, each with its
own package's batches. GFLOP/s are the operations that the network needs, per second; their share of
the ceiling is taken from the fastest large convolution or matrix product of the same rounds.
"""

import _keras
import _peers
from _machine import ceiling
from _networks import NETWORKS, get
from _tables import interleaved, parse, parser, seconds_of, show, throughput_rows

GOALS = (("skorch", 3.0), ("Keras", 1.2))
DENSE_GOALS = (("skorch", 1.2),)
TIMES = 2  # the number of images over that of an epoch in the benchmark of training


def measure(key, keras, arguments):
    """Predict with one network in all packages, and return its rows."""
    network = get(key, arguments.quick)
    n_images = TIMES * network.n_images
    images, y = network.data(n_images)
    X = _peers.channels_first(images)
    few = slice(2 * network.batch_size)
    net = _peers.skorch_net(network, 1).fit(X[few], y[few])
    cnn = _peers.classifier(network, 1).fit(images[few], y[few])
    contenders = {
        "ceiling": lambda: ceiling(arguments.quick),
        "skorch": lambda: seconds_of(net.predict_proba, X),
        "skcnn": lambda: seconds_of(cnn.predict_proba, images),
    }
    if keras:
        keras.build(key, arguments.quick, n_images)
        contenders["Keras"] = lambda: keras.ask("predict")
    interleaved(contenders, 1, f"{network.name} (warming up)")
    results = interleaved(contenders, arguments.rounds, network.name)
    goals = GOALS if network.channels else DENSE_GOALS
    return throughput_rows(network, network.prediction_flop(), results, n_images, goals)


def main():
    """Measure, and print the table."""
    options = parser(__doc__)
    _keras.add_option(options)
    options.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    arguments = parse(options)
    keras = _keras.start(arguments.keras_python)
    rows = [row for key in arguments.networks for row in measure(key, keras, arguments)]
    show(rows, arguments, keras and keras.versions)
    if keras:
        keras.close()


if __name__ == "__main__":
    main()
