"""The training and validation images of the command ``train``, each decoded once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skcnn.cli._images import images_of_folder, labeled_images
from skcnn.cli._output import count, progress_bar, say
from skcnn.cli._scores import class_numbers

_PART = 4  # images that a thread reads at a time
_CHECKED = 256  # images that are checked for damage after one of them could not be read


@dataclass(frozen=True)
class LabeledImages:
    """Images and their labels.

    Parameters
    ----------
    images : LazyImages of shape (n_images, height, width[, n_channels])
        Resized images, which stay in memory up to the limit of the resizer.
    labels : str array of shape (n_images,)
        Labels.
    """

    images: Any
    labels: Any


def training_images(args: Any, steps: Any) -> tuple[LabeledImages, LabeledImages | None]:
    """Return the training and the validation images of a command.

    Parameters
    ----------
    args : argparse.Namespace
        Arguments of the command. With `skip_damaged`, images that cannot be read are left out.
    steps : Pipeline
        Reader and lazy resizer. They are fitted by this function.

    Returns
    -------
    train : LabeledImages
        Training images.
    test : LabeledImages or None
        Validation images. None if there are none.

    Raises
    ------
    ValueError
        If there are too few images or classes, or if images cannot be read and are not left out.
    """
    import numpy as np

    paths, labels = labeled_images(args)
    is_other = np.zeros(len(paths), dtype=bool)
    if isinstance(args.validation, Path):
        other_paths, other_labels = images_of_folder(args.validation)
        paths, labels = np.append(paths, other_paths), np.append(labels, other_labels)
        is_other = np.append(is_other, np.ones(len(other_paths), dtype=bool))
    train, test = _split(labels, is_other, args)  # raises errors before images are read
    # The resizer keeps the first images that it reads in memory, so read the training images first.
    images, readable = _read(paths, steps, np.append(train, test), args)
    labels, is_other = labels[readable], is_other[readable]
    classes, counts = _count_classes(labels[~is_other])
    numbers = ", ".join(f"{name} {number:,}" for name, number in zip(classes, counts, strict=True))
    say(args, f"Found {count(counts.sum(), 'image')} of {count(len(classes), 'class')}: {numbers}")
    train, test = _split(labels, is_other, args)
    text = f", validating on {count(len(test), 'other image')}" if len(test) else ""
    say(args, f"Training on {count(len(train), 'image')}{text}")
    found = [LabeledImages(images[rows], labels[rows]) for rows in (train, test)]
    return found[0], found[1] if len(test) else None


def _split(labels, is_other, args):
    """Return the rows of training and of validation images."""
    import numpy as np

    rows = np.flatnonzero(~is_other)
    classes, counts = _count_classes(labels[rows])
    if len(classes) == 1:
        raise ValueError(
            f"all images are of the class {classes[0]!r}: add images of at least one other class"
        )
    if isinstance(args.validation, Path):
        class_numbers(labels[is_other], classes)  # raises an error about an unknown class
        return rows, np.flatnonzero(is_other)
    if args.validation == 0:
        return rows, rows[:0]
    return _split_classes(rows, labels, classes, counts, args)


def _split_classes(rows, labels, classes, counts, args):
    """Return rows of training and of validation images, with the same part of each class."""
    from sklearn.model_selection import train_test_split

    advice = "add images, name a folder of other images with --validation, or use --validation 0"
    if counts.min() < 2:
        raise ValueError(
            f"the class {classes[counts.argmin()]!r} has only one image, which cannot be used for "
            f"both training and validation: {advice}"
        )
    n_test = math.ceil(args.validation * len(rows))
    if min(n_test, len(rows) - n_test) < len(classes):
        raise ValueError(
            f"--validation {args.validation:g} of {count(len(rows), 'image')} leaves some of the "
            f"{len(classes)} classes without an image for training or validation: {advice}"
        )
    return train_test_split(rows, test_size=n_test, stratify=labels, random_state=args.seed)


def _count_classes(labels):
    import numpy as np

    classes, counts = np.unique(labels, return_counts=True)
    return classes.astype(object), counts


def _read(paths, steps, order, args):
    """Read images in a given order. Return those that can be read, and a mask of them.

    The resizer keeps the images in memory, so that the training does not decode them again.
    """
    try:
        images = steps.fit_transform(paths)
    except (OSError, ValueError):  # some files do not exist
        errors = _find_errors(paths, steps[0], args)
        _report(paths, errors, args)
        return steps.fit_transform(paths[errors == ""]), errors == ""
    errors = _read_all(images, paths, steps[0], order, args)
    _report(paths, errors, args)
    return images[errors == ""], errors == ""


def _read_all(images, paths, reader, order, args):
    """Read images in a given order. Return the error of each image, "" if it can be read."""
    import numpy as np

    errors = np.full(len(paths), "", dtype=object)
    n_read = 0
    with progress_bar(args, "reading", len(paths)) as bar:
        while n_read < len(paths):
            try:
                for part in images[order[n_read:]].read_parts(_PART):
                    n_read += len(part)
                    bar.update(len(part))
            except (OSError, ValueError):
                rows = order[n_read : n_read + _CHECKED]
                errors[rows] = reader.find_errors(paths[rows], decode=True)
                if not errors[rows].any():  # the error is not about a file
                    raise
                n_read += len(rows)
                bar.update(len(rows))
    return errors


def _find_errors(paths, reader, args):
    """Return the error of each image, "" if it can be read."""
    import numpy as np

    errors = []
    with progress_bar(args, "checking", len(paths)) as bar:
        for start in range(0, len(paths), _CHECKED):
            part = paths[start : start + _CHECKED]
            errors.append(reader.find_errors(part, decode=True))
            bar.update(len(part))
    return np.concatenate(errors)


def _report(paths, errors, args):
    """Print the images that cannot be read. Raise an error unless they are left out."""
    import numpy as np

    damaged = np.flatnonzero(errors != "")
    if not len(damaged):
        return
    number = f"{len(damaged):,} of {count(len(paths), 'image')}"
    if len(damaged) == len(paths):
        raise ValueError(f"{number} cannot be read, such as: {errors[damaged[0]]}")
    for row in damaged[:10]:
        say(args, f"  {errors[row]}")
    if len(damaged) > 10:
        say(args, f"  and {len(damaged) - 10:,} others: the command check lists all of them")
    if not args.skip_damaged:
        raise ValueError(
            f"{number} cannot be read, such as {str(paths[damaged[0]])!r}: repair or remove them, "
            "or leave them out with --skip-damaged"
        )
    say(args, f"Left out {number} that cannot be read.")
