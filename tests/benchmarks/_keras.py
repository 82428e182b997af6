"""Keras on TensorFlow beside us: in an interpreter that has it, if there is one."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

from _networks import get
from _peers import check

INSTALL = (
    "python -m venv keras-venv && keras-venv/bin/pip install tensorflow-cpu, and then "
    "--keras-python keras-venv/bin/python"
)


def add_option(parser):
    """Let the command line name the interpreter."""
    parser.add_argument(
        "--keras-python",
        metavar="PYTHON",
        help="an interpreter with Keras and TensorFlow, which runs as a process of its own "
        f"(default: this one, where it has them). To make one: {INSTALL}",
    )


def start(python):
    """Start Keras.

    Parameters
    ----------
    python : str or None
        The interpreter; None takes this one where it has Keras and TensorFlow.

    Returns
    -------
    keras : Keras or None
        None, after a line that says why, where there is no Keras to be had.
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
    """A process that runs Keras, asked line by line.

    Parameters
    ----------
    python : str
        An interpreter that has Keras and TensorFlow.
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
        self.versions = self.ask("versions")

    def ask(self, question, **arguments):
        """Ask for something that `_keras_worker.Worker` does, and wait for it."""
        try:
            print(json.dumps({"do": question, **arguments}), file=self.process.stdin, flush=True)
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
        """Build a network, and make sure that it is ours."""
        n_parameters = self.ask("build", key=key, quick=quick, n_images=n_images)
        check(get(key, quick), "Keras", n_parameters)

    def close(self):
        """End the process."""
        self.process.stdin.close()
        self.process.wait()
