"""Keras on TensorFlow as a process of its own: it answers a line of JSON with a line of JSON.

It waits for the next line, and so leaves the processor to the others, while they are measured.
"""

import json
import os
import platform
import sys
import time
import traceback
from dataclasses import replace

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
        network = get(key, quick)
        images, self.y = network.data(n_images)
        self.X = images.astype(np.float32) / np.float32(255)
        self.model, self.batch_size = compiled(network), network.batch_size
        return self.model.count_params()

    def train(self, epochs):
        """Train, and give the seconds of the epochs after the first."""
        ends = []
        self.model.fit(
            self.X,
            self.y,
            batch_size=self.batch_size,
            epochs=1 + epochs,
            callbacks=[clock(ends)],
            verbose=0,
        )
        return ends[-1] - ends[0]

    def predict(self):
        """Predict all images, and give the seconds."""
        start = time.perf_counter()
        self.model.predict(self.X, verbose=0)
        return time.perf_counter() - start

    def tutorial(self, key, n_images, epochs, seed, optimizer, data):
        """Do what a tutorial does: read, train, test.

        Parameters
        ----------
        key : str
            The network; its dropout stands before the first dense layer alone.
        n_images : int or None
            How many images of arrays to use.
        epochs, seed : int
            How long, and with which random numbers.
        optimizer : str
            Keras' name of it, with Keras' defaults.
        data : list of str, or list of list of str
            A .npz file with `X_train`, `y_train`, `X_test` and `y_test`; or the folders of the
            training and the test images; or paths and labels of the training and of the test
            images.

        Returns
        -------
        result : dict
            Seconds until it was trained, reading the training images included, and the test
            accuracy.
        """
        import keras

        keras.utils.set_random_seed(seed)
        network = get(key)
        start = time.perf_counter()
        if len(data) == 1:
            train, test = arrays(data[0], network, n_images)
        elif len(data) == 2:
            train, test = folders(*data, network, seed)
        else:
            train, test = files(*data, network)
        model = compiled(network, optimizer, dropout_once=True)
        model.fit(**train, epochs=epochs, verbose=0)
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "accuracy": model.evaluate(**test(), verbose=0)[1]}

    def stream(self, key, epochs, folder):
        """Train from a folder as it is read, and give the seconds of the epochs after the first."""
        network = get(key)
        images = generator().flow_from_directory(
            folder, network.shape[:2], class_mode="sparse", batch_size=network.batch_size
        )
        model = compiled(replace(network, n_classes=images.num_classes))
        ends = []
        model.fit(images, epochs=1 + epochs, callbacks=[clock(ends)], verbose=0)
        return ends[-1] - ends[0]


def compiled(network, optimizer=None, *, dropout_once=False):
    """Build and compile a network, with dropout before each dense layer or the first alone."""
    import keras
    from keras import layers

    keras.backend.clear_session()
    model = keras.Sequential([layers.Input(network.shape)])
    for n_out in network.channels:
        model.add(layers.Conv2D(n_out, 3, padding=network.padding, activation="relu"))
        model.add(layers.MaxPooling2D(2))
    model.add(layers.Flatten())
    activations = ["relu"] * len(network.hidden_units) + ["softmax"]
    sizes = network.layer_sizes()[1:]
    for number, (n_out, activation) in enumerate(zip(sizes, activations, strict=True)):
        if network.dropout and not (number and dropout_once):
            model.add(layers.Dropout(network.dropout))
        model.add(layers.Dense(n_out, activation=activation))
    model.compile(
        optimizer or keras.optimizers.Adam(LEARNING_RATE),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def generator(**variation):
    """Make what a tutorial reads folders with."""
    from tensorflow.keras.preprocessing.image import ImageDataGenerator

    return ImageDataGenerator(rescale=1 / 255, **variation)


# Each gives what `fit` takes, and a function for what `evaluate` takes, which reads then.


def arrays(path, network, n_images):
    """Take an array each."""
    with np.load(path) as file:
        X, y, X_test, y_test = (
            file[k][:n_images] for k in ("X_train", "y_train", "X_test", "y_test")
        )

    def scaled(images):
        return images.reshape(-1, *network.shape) / np.float32(255)

    classes, y = np.unique(y, return_inverse=True)
    train = {"x": scaled(X), "y": y, "batch_size": network.batch_size}
    return train, lambda: {"x": scaled(X_test), "y": np.searchsorted(classes, y_test)}


def files(paths, labels, test_paths, test_labels, network):
    """Read and resize all photos first."""
    from tensorflow.keras.utils import img_to_array, load_img

    def read(paths):
        photos = (load_img(path, target_size=network.shape[:2]) for path in paths)
        return np.stack([img_to_array(photo) / np.float32(255) for photo in photos])

    classes, y = np.unique(labels, return_inverse=True)
    train = {"x": read(paths), "y": y, "batch_size": network.batch_size}
    return train, lambda: {"x": read(test_paths), "y": np.searchsorted(classes, test_labels)}


def folders(train, test, network, seed):
    """Read batch by batch, the training images rotated and shifted."""
    how = {"class_mode": "sparse", "batch_size": network.batch_size}
    varied = generator(rotation_range=5, width_shift_range=0.05, height_shift_range=0.05)
    return (
        {"x": varied.flow_from_directory(train, network.shape[:2], seed=seed, **how)},
        lambda: {
            "x": generator().flow_from_directory(test, network.shape[:2], shuffle=False, **how)
        },
    )


def clock(ends):
    """Make a callback that notes when each epoch ends."""
    import keras

    return keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter())
    )


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
