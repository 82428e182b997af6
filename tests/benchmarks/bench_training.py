"""Images a second in training, beside skorch, a plain PyTorch loop, and Keras on TensorFlow.

    python tests/benchmarks/bench_training.py [--keras-python PYTHON] [--networks NAME ...]

Everyone trains the same five networks with Adam on the same random images, on the processor: skorch
as its documentation shows, the loop as a PyTorch tutorial has it, Keras with `fit`, and
`CNNClassifier` in its default precision and in float32. Each round trains each network anew, and
counts the epochs after the first, or with `--whole-fit` all of them and what comes before (where
Keras, which compiles only once, has an advantage). The goals are those of the default precision.

GFLOP/s are the operations that the network needs in a second, and their share of the ceiling is
taken from the fastest large convolution or matrix product of the same rounds.
"""

from functools import partial

import _keras
import _peers
from _machine import ceiling
from _networks import NETWORKS, get
from _tables import interleaved, parse, parser, seconds_of, show, throughput_rows


def measure(key, keras, arguments):
    """Train one network in all ways, and give its rows."""
    network, epochs = get(key, arguments.quick), arguments.epochs
    n_images = network.n_images * (epochs + arguments.whole_fit)
    images, y = network.data(network.n_images)
    X = _peers.channels_first(images)

    def timed(train, *data, **options):
        run = partial(train, *data, **options)
        return partial(seconds_of, run) if arguments.whole_fit else run

    contenders = {
        "ceiling": lambda: ceiling(arguments.quick),
        "skorch": timed(_peers.train_skorch, network, X, y, epochs),
        "plain loop": timed(_peers.train_plain, network, X, y, epochs),
    }
    if keras:
        keras.build(key, arguments.quick, network.n_images)
        contenders["Keras"] = timed(keras.ask, "train", epochs=epochs)
    for precision in ("auto", "float32"):
        contenders[f"skcnn ({precision})"] = timed(
            _peers.train_ours, network, images, y, epochs, precision
        )
    if arguments.whole_fit:
        interleaved(contenders, 1, f"{network.name} (warming up)")
    results = interleaved(contenders, arguments.rounds, network.name)
    flop, goals = network.training_flop(), network.training_goals
    return throughput_rows(network, flop, results, n_images, goals)


def main():
    """Measure, and print the table."""
    options = parser(__doc__)
    _keras.add_option(options)
    options.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    options.add_argument(
        "--epochs", type=int, default=2, help="epochs that count in a round (default: %(default)s)"
    )
    options.add_argument(
        "--whole-fit", action="store_true", help="count all of a fit, not its later epochs only"
    )
    arguments = parse(options)
    keras = _keras.start(arguments.keras_python)
    rows = [row for key in arguments.networks for row in measure(key, keras, arguments)]
    show(rows, arguments, keras and keras.versions)
    if keras:
        keras.close()


if __name__ == "__main__":
    main()
