"""Keras on TensorFlow as a process of its own: it answers a line of JSON with a line of JSON.

It waits for the next line, and so leaves the processor to the others, while they are measured.
"""

import json
import os
import platform
import sys
import time
import traceback

import numpy as np
from _networks import get

LEARNING_RATE = 0.001


class Worker:
    """A model, and what can be asked of it."""

    def versions(self):
        """Give the versions, or fail where there is no Keras on TensorFlow."""
        import keras
        import tensorflow

        if keras.backend.backend() != "tensorflow":
            raise RuntimeError(f"Keras runs on {keras.backend.backend()}")
        return {
            "keras": keras.__version__,
            "tensorflow": tensorflow.__version__,
            "python of Keras": platform.python_version(),
        }

    def build(self, key, quick, n_images):
        """Build and compile a network, and say how many weights it has."""
        import keras
        from keras import layers

        network = get(key, quick)
        keras.backend.clear_session()
        model = keras.Sequential([layers.Input(network.shape)])
        for n_out in network.channels:
            model.add(layers.Conv2D(n_out, 3, padding=network.padding, activation="relu"))
            model.add(layers.MaxPooling2D(2))
        model.add(layers.Flatten())
        activations = ["relu"] * len(network.hidden_units) + ["softmax"]
        for n_out, activation in zip(network.layer_sizes()[1:], activations, strict=True):
            if network.dropout:
                model.add(layers.Dropout(network.dropout))
            model.add(layers.Dense(n_out, activation=activation))
        model.compile(
            keras.optimizers.Adam(LEARNING_RATE),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        images, self.y = network.data(n_images)
        self.X = images.astype(np.float32) / np.float32(255)
        self.model, self.batch_size = model, network.batch_size
        return model.count_params()

    def train(self, epochs):
        """Train, and give the seconds of the epochs after the first."""
        import keras

        ends = []
        clock = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter())
        )
        self.model.fit(
            self.X,
            self.y,
            batch_size=self.batch_size,
            epochs=1 + epochs,
            callbacks=[clock],
            verbose=0,
        )
        return ends[-1] - ends[0]

    def predict(self):
        """Predict all images, and give the seconds."""
        start = time.perf_counter()
        self.model.predict(self.X, verbose=0)
        return time.perf_counter() - start


def main():
    """Answer line by line, until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what TensorFlow prints is no answer
    worker = Worker()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"value": getattr(worker, request.pop("do"))(**request)}
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
