"""Images per second of `predict_proba`, compared with skorch, and with `predict` of Keras.

    python tests/benchmarks/bench_inference.py [--keras-python PYTHON] [--networks NAME ...]

Five networks are trained for one epoch on a few random images, and predict many images on the CPU:
`predict_proba` of skcnn and skorch, and `predict` of Keras, with the default batches of each
package. GFLOP/s count the operations of the network. The ceiling is the rate of a large convolution
or matrix product in the same rounds.
"""

from functools import partial

import _checkout
import _keras
import _peers
from _machine import ceiling
from _networks import NETWORKS, get_network
from _tables import (
    make_parser,
    parse_arguments,
    print_table,
    run_interleaved,
    seconds_of,
    throughput_rows,
)

DENSE_GOALS = (("skorch", 1.2),)
CONVOLUTIONAL_GOALS = (("skorch", 3.0), ("Keras", 1.1))
GOALS = {"conv-150": (("skorch", 3.0), ("Keras", 1.2))}  # where another goal is set
FACTOR = 2  # number of images relative to `bench_training.py`


def measure(key, keras, arguments):
    """Predict with one network in each package, and return its rows."""
    network = get_network(key, arguments.quick)
    n_images = FACTOR * network.n_images
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
        contenders["Keras"] = lambda: keras.call("predict")
    if arguments.before:
        contenders["before"] = partial(
            _checkout.measure, arguments.before, "predict", key, arguments.quick, n_images
        )
    run_interleaved(contenders, 1, f"{network.name} (warming up)")
    results = run_interleaved(contenders, arguments.rounds, network.name)
    goals = GOALS.get(key, CONVOLUTIONAL_GOALS if network.channels else DENSE_GOALS)
    return throughput_rows(network, network.prediction_flop(), results, n_images, goals)


def main():
    """Run the benchmark, and print the table."""
    options = make_parser(__doc__)
    _keras.add_option(options)
    _checkout.add_option(options)
    options.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    arguments = parse_arguments(options)
    keras = _keras.start(arguments.keras_python)
    rows = [row for key in arguments.networks for row in measure(key, keras, arguments)]
    print_table(rows, arguments, keras and keras.versions)
    if keras:
        keras.close()


if __name__ == "__main__":
    main()
