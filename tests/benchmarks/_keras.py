"""Run Keras on TensorFlow in a separate process, for comparison."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

from _networks import get_network
from _peers import check_n_parameters

INSTALL = (
    "python -m venv keras-venv && keras-venv/bin/pip install tensorflow-cpu, and then "
    "--keras-python keras-venv/bin/python"
)


def add_option(parser):
    """Add the option for the interpreter that runs Keras."""
    parser.add_argument(
        "--keras-python",
        metavar="PYTHON",
        help="interpreter with Keras and TensorFlow, which runs in a separate process (default: "
        f"the current one, if it has them). To create one: {INSTALL}",
    )


def start(python):
    """Start a process that runs Keras.

    Parameters
    ----------
    python : str or None
        The interpreter. None uses the current one if it has Keras and TensorFlow.

    Returns
    -------
    keras : Keras or None
        None if Keras is not available. The reason is printed.
    """
    if python is None and not all(map(importlib.util.find_spec, ("keras", "tensorflow"))):
        print(f"Keras is left out: this interpreter has no TensorFlow. To compare: {INSTALL}")
        return None
    try:
        return Keras(python or sys.executable)
    except (OSError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[-1]
        print(f"Keras is left out: {reason}. To compare: {INSTALL}")
        return None


class Keras:
    """A process that runs Keras, and exchanges one line of JSON per request.

    Parameters
    ----------
    python : str
        An interpreter with Keras and TensorFlow.
    """

    def __init__(self, python):
        self.process = subprocess.Popen(
            [python, str(Path(__file__).with_name("_keras_worker.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={
                **os.environ,
                "CUDA_VISIBLE_DEVICES": "-1",
                "KERAS_BACKEND": "tensorflow",
                "TF_CPP_MIN_LOG_LEVEL": "3",
            },
        )
        self.versions = self.call("versions")

    def call(self, method, **arguments):
        """Call a method of `_keras_worker.Worker`, and return its value."""
        try:
            print(json.dumps({"method": method, **arguments}), file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RuntimeError(f"Keras' process ended with status {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["value"]

    def build(self, key, quick, n_images):
        """Build a network, and check its number of parameters."""
        n_parameters = self.call("build", key=key, quick=quick, n_images=n_images)
        check_n_parameters(get_network(key, quick), "Keras", n_parameters)

    def close(self):
        """End the process."""
        self.process.stdin.close()
        self.process.wait()
