"""Errors about image files, which a program can catch without catching other errors."""


class ImageFileError(ValueError):
    """A file is empty, damaged, not an image, or an image of a kind that is not supported.

    It is raised when the pixels of a file are read, for example by ``predict`` of a pipeline that
    starts with an `ImageReader`. If a file does not exist or cannot be opened, an `OSError` is
    raised instead.

    See Also
    --------
    skcnn.ImageReader.find_errors : Find all files that cannot be read.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from skcnn import ImageReader
    >>> from skcnn.exceptions import ImageFileError
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "upload")
    ...     _ = path.write_text("no image")
    ...     try:
    ...         image = ImageReader().fit_transform([path])[0]
    ...     except ImageFileError:
    ...         print("refused")
    refused
    """


class ImageTooLargeError(ImageFileError):
    """The image in a file has more pixels than `max_pixels` of `ImageReader`.

    It is raised before the image is decoded, because a small file can contain an image that does
    not fit into memory.

    Examples
    --------
    >>> from sklearn.datasets import load_sample_images
    >>> from skcnn import ImageReader
    >>> from skcnn.exceptions import ImageTooLargeError
    >>> reader = ImageReader(max_pixels=10_000)
    >>> try:
    ...     image = reader.fit_transform(load_sample_images().filenames)[0]
    ... except ImageTooLargeError:
    ...     print("too large")
    too large
    """
