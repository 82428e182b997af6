"""The package of another checkout, measured in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

from _networks import get_network


def add_option(parser):
    """Add `--before`, the folder of a checkout to compare with."""
    parser.add_argument(
        "--before",
        type=Path,
        metavar="CHECKOUT",
        help="also measure the package in this folder, an earlier checkout",
    )


def measure(checkout, task, key, quick, *arguments):
    """Run a task with the package of another checkout.

    Parameters
    ----------
    checkout : Path
        Folder that contains `skcnn`.
    task : {"train", "predict"}
        Name of the task.
    key : str
        Key of the network.
    quick : bool
        Whether the network is a quarter of its size.
    *arguments : object
        Further arguments of the task, which must be JSON.

    Returns
    -------
    seconds : float
        Duration.
    """
    command = [sys.executable, __file__, json.dumps([task, key, quick, *arguments])]
    environment = {**os.environ, "PYTHONPATH": str(checkout.resolve())}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def _train(network, epochs, precision):
    import _peers

    return _peers.train_skcnn(network, *network.data(network.n_images), epochs, precision)


def _predict(network, n_images):
    import _peers
    from _tables import seconds_of

    images, y = network.data(n_images)
    few = slice(2 * network.batch_size)
    cnn = _peers.classifier(network, 1).fit(images[few], y[few])
    cnn.predict_proba(images)
    return seconds_of(cnn.predict_proba, images)


if __name__ == "__main__":
    task, key, quick, *arguments = json.loads(sys.argv[1])
    run = {"train": _train, "predict": _predict}[task]
    print(json.dumps(run(get_network(key, quick), *arguments)))
