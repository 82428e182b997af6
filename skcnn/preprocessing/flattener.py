"""ImageFlattener: images to rows of features, for the estimators of scikit-learn."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from skcnn._validation import IMAGE_SHAPE
from skcnn.images import check_images, inspect_images, reshape_images
from skcnn.learned import fitted_view
from skcnn.operations import Reshape
from skcnn.preprocessing._base import ImageTransformer


class ImageFlattener(ImageTransformer):
    """Flatten every image to a row of features, for the estimators of scikit-learn.

    Parameters
    ----------
    image_shape : tuple of int, default=None
        Layout of flat rows: (height, width) or (height, width, n_channels), in pixels. If None,
        rows with a square number of features are square gray images, and other rows of up to 64
        features are images of height 1. Not needed for other forms of images.

    Attributes
    ----------
    form_ : tuple of int
        Shape of one image in fit, to which `inverse_transform` returns: (height, width), (height,
        width, n_channels), or (n_features,) for flat rows.
    n_features_in_ : int
        Height x width x number of channels of the images seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features seen in fit. Defined only for frames whose columns have names.
    image_shape_ : tuple of (int, int, int)
        Height, width and number of channels of the images seen in fit.

    Raises
    ------
    ValueError
        If images have another size than in fit, or hold NaN or infinity.

    See Also
    --------
    ImageResizer : Resize images, whatever their sizes, to one size.

    Notes
    -----
    A row holds the pixels of an image line by line, and of each pixel the channels. The dtype is
    kept, and an array is not copied. `LazyImages` are read into one array; of a view with random
    operations it holds one realization, the same in every call.

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn import ImageFlattener
    >>> images = np.arange(8, dtype=np.uint8).reshape(2, 2, 2)
    >>> flattener = ImageFlattener()
    >>> flattener.fit_transform(images)
    array([[0, 1, 2, 3],
           [4, 5, 6, 7]], dtype=uint8)
    >>> flattener.get_feature_names_out()
    array(['pixel_0_0', 'pixel_0_1', 'pixel_1_0', 'pixel_1_1'], dtype=object)
    >>> flattener.inverse_transform([[0, 1, 2, 3]])
    array([[[0, 1],
            [2, 3]]])
    """

    _parameter_constraints: ClassVar[dict] = {"image_shape": [IMAGE_SHAPE, None]}

    def __init__(self, *, image_shape: tuple[int, ...] | None = None):
        self.image_shape = image_shape

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Reshape rows to images.

        Parameters
        ----------
        X : array-like of shape (n_images, n_features)
            Rows, as `transform` returns them.

        Returns
        -------
        images : array of shape ``(n_images, *form_)``
            Images in the form seen in fit.
        """
        fitted = fitted_view(self)
        check_is_fitted(fitted)
        return reshape_images(np.asarray(check_images(fitted, X, reset=False)), fitted.form_)

    def _fit(self, X):
        self._rows(X, reset=True)

    def _transform(self, X):
        return self._rows(X, reset=False)

    def _fit_transform(self, X):
        return self._rows(X, reset=True)

    def _operation(self):
        return Reshape((self.n_features_in_,))

    def _rows(self, X, *, reset):
        X = inspect_images(X)[1]
        images = check_images(self, X, reset=reset)
        if reset:
            self.form_ = tuple(X.shape[1:])
        return np.asarray(reshape_images(images, (self.n_features_in_,)))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32", "uint8"]
        return tags
