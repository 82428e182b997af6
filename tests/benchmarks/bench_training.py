"""Images per second in training, compared with skorch, a plain PyTorch loop, and Keras.

    python tests/benchmarks/bench_training.py [--keras-python PYTHON] [--networks NAME ...]

All packages train the same five networks with Adam on the same random images, on the CPU: skorch as
in its documentation, a loop as in PyTorch's tutorials, Keras on TensorFlow with `fit`, and
`CNNClassifier` in its default precision and in float32. Each round trains each network again.
The first epoch is not measured. With `--whole-fit` the complete fit is measured, except for the
compilation of Keras' model. The goals are those of the default precision. `--before` adds the
package of an earlier checkout.

GFLOP/s count the operations of the network. The ceiling is the rate of a large convolution or
matrix product in the same rounds.
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


def measure(key, keras, arguments):
    """Train one network with each package, and return its rows."""
    network, epochs = get_network(key, arguments.quick), arguments.epochs
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
        contenders["Keras"] = timed(keras.call, "train", epochs=epochs)
    for precision in ("auto", "float32"):
        contenders[f"skcnn ({precision})"] = timed(
            _peers.train_skcnn, network, images, y, epochs, precision
        )
    if arguments.before:
        contenders["before (auto)"] = partial(
            _checkout.measure, arguments.before, "train", key, arguments.quick, epochs, "auto"
        )
    if arguments.whole_fit:
        run_interleaved(contenders, 1, f"{network.name} (warming up)")
    results = run_interleaved(contenders, arguments.rounds, network.name)
    flop, goals = network.training_flop(), network.training_goals
    return throughput_rows(network, flop, results, n_images, goals)


def main():
    """Run the benchmark, and print the table."""
    options = make_parser(__doc__)
    _keras.add_option(options)
    _checkout.add_option(options)
    options.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    options.add_argument(
        "--epochs", type=int, default=2, help="measured epochs per round (default: %(default)s)"
    )
    options.add_argument(
        "--whole-fit",
        action="store_true",
        help="measure the complete fit, not only its later epochs",
    )
    arguments = parse_arguments(options)
    keras = _keras.start(arguments.keras_python)
    rows = [row for key in arguments.networks for row in measure(key, keras, arguments)]
    print_table(rows, arguments, keras and keras.versions)
    if keras:
        keras.close()


if __name__ == "__main__":
    main()
