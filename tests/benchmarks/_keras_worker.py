"""Keras on TensorFlow in a separate process that answers each line of JSON with a line of JSON.

Between requests it waits for input, and does not use the CPU.
"""

import json
import os
import platform
import sys
import time
import traceback
from dataclasses import replace

import numpy as np
from _networks import get_network

LEARNING_RATE = 0.001


class Worker:
    """A model, and the methods that `_keras.Keras` calls."""

    def versions(self):
        """Return the versions, or raise an error if Keras does not run on TensorFlow."""
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
        """Build and compile a network, and return its number of parameters."""
        network = get_network(key, quick)
        images, self.y = network.data(n_images)
        self.X = images.astype(np.float32) / np.float32(255)
        self.model, self.batch_size = build_model(network), network.batch_size
        return self.model.count_params()

    def train(self, epochs):
        """Train, and return the seconds of all epochs but the first."""
        ends = []
        self.model.fit(
            self.X,
            self.y,
            batch_size=self.batch_size,
            epochs=1 + epochs,
            callbacks=[epoch_timer(ends)],
            verbose=0,
        )
        return ends[-1] - ends[0]

    def predict(self):
        """Predict all images, and return the seconds."""
        start = time.perf_counter()
        self.model.predict(self.X, verbose=0)
        return time.perf_counter() - start

    def tutorial(self, key, n_images, epochs, seed, optimizer, data):
        """Read the data, train and test, as a tutorial does.

        Parameters
        ----------
        key : str
            The network. Its dropout is applied before the first dense layer only.
        n_images : int or None
            Number of images to use of each array; None uses all.
        epochs, seed : int
            Number of epochs, and random seed.
        optimizer : str
            Name of an optimizer of Keras, which is used with Keras' defaults.
        data : list of str, or list of list of str
            Either a .npz file with `X_train`, `y_train`, `X_test` and `y_test`; the folders of the
            training and the test images; or paths and labels of the training and the test images.

        Returns
        -------
        result : dict
            Seconds of reading the training images and training, and the test accuracy.
        """
        import keras

        keras.utils.set_random_seed(seed)
        network = get_network(key)
        start = time.perf_counter()
        if len(data) == 1:
            train, test = load_arrays(data[0], network, n_images)
        elif len(data) == 2:
            train, test = load_folders(*data, network, seed)
        else:
            train, test = load_files(*data, network)
        model = build_model(network, optimizer, dropout_once=True)
        model.fit(**train, epochs=epochs, verbose=0)
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "accuracy": model.evaluate(**test(), verbose=0)[1]}

    def stream(self, key, epochs, folder):
        """Train while reading a folder, and return the seconds of all epochs but the first."""
        network = get_network(key)
        images = image_generator().flow_from_directory(
            folder, network.shape[:2], class_mode="sparse", batch_size=network.batch_size
        )
        model = build_model(replace(network, n_classes=images.num_classes))
        ends = []
        model.fit(images, epochs=1 + epochs, callbacks=[epoch_timer(ends)], verbose=0)
        return ends[-1] - ends[0]


def build_model(network, optimizer=None, *, dropout_once=False):
    """Build and compile a network, with dropout before each dense layer or the first only."""
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


def image_generator(**augmentation):
    """Return the Keras generator that the tutorials use to read folders."""
    from tensorflow.keras.preprocessing.image import ImageDataGenerator

    return ImageDataGenerator(rescale=1 / 255, **augmentation)


# Each function returns the arguments of `fit`, and a function that reads those of `evaluate`.


def load_arrays(path, network, n_images):
    """Load arrays from a .npz file."""
    with np.load(path) as file:
        X, y, X_test, y_test = (
            file[k][:n_images] for k in ("X_train", "y_train", "X_test", "y_test")
        )

    def scaled(images):
        return images.reshape(-1, *network.shape) / np.float32(255)

    classes, y = np.unique(y, return_inverse=True)
    train = {"x": scaled(X), "y": y, "batch_size": network.batch_size}
    return train, lambda: {"x": scaled(X_test), "y": np.searchsorted(classes, y_test)}


def load_files(paths, labels, test_paths, test_labels, network):
    """Read and resize all photos before training."""
    from tensorflow.keras.utils import img_to_array, load_img

    def read(paths):
        photos = (load_img(path, target_size=network.shape[:2]) for path in paths)
        return np.stack([img_to_array(photo) / np.float32(255) for photo in photos])

    classes, y = np.unique(labels, return_inverse=True)
    train = {"x": read(paths), "y": y, "batch_size": network.batch_size}
    return train, lambda: {"x": read(test_paths), "y": np.searchsorted(classes, test_labels)}


def load_folders(train, test, network, seed):
    """Read photos batch by batch, with the training images rotated and shifted at random."""
    options = {"class_mode": "sparse", "batch_size": network.batch_size}
    augmented = image_generator(rotation_range=5, width_shift_range=0.05, height_shift_range=0.05)
    return (
        {"x": augmented.flow_from_directory(train, network.shape[:2], seed=seed, **options)},
        lambda: {
            "x": image_generator().flow_from_directory(
                test, network.shape[:2], shuffle=False, **options
            )
        },
    )


def epoch_timer(ends):
    """Return a callback that appends the end time of each epoch to a list."""
    import keras

    return keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter())
    )


def main():
    """Answer requests until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output of TensorFlow goes to stderr
    worker = Worker()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"value": getattr(worker, request.pop("method"))(**request)}
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
