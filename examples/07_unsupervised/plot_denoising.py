"""
Remove noise from images
========================

With the parameter `denoise`, :class:`~skcnn.ConvAutoencoder` adds noise to the training images, and
learns to reconstruct the images without the noise. Here, it is trained on scanned digits, and
removes noise from other digits.
"""

# %%
# The images
# ----------
#
# The pixel values are scaled to the range from 0 to 1. Gaussian noise with a standard deviation of
# 0.2 is added to the test images.

# sphinx_gallery_thumbnail_number = 1

import matplotlib.pyplot as plt
import numpy as np
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skcnn import ConvAutoencoder

X = load_digits().images / 16
X_train, X_test = train_test_split(X, test_size=200, random_state=0)
noise_level = 0.2
X_noisy = X_test + noise_level * np.random.default_rng(0).standard_normal(X_test.shape)

# %%
# Train and reconstruct
# ---------------------
#
# With ``n_components=None``, the code consists of the feature maps of the encoder. With a code of a
# few numbers, details of the images would be lost. `denoise` is the standard deviation of the noise
# in training, as a fraction of the range of the pixel values. New noise is drawn in each epoch.

autoencoder = ConvAutoencoder(n_components=None, denoise=noise_level, random_state=0).fit(X_train)
X_restored = autoencoder.reconstruct(X_noisy)

# %%
# Other methods need no training images. Total variation denoising makes the differences between
# neighboring pixels small, and non-local means averages similar parts of the image. Their
# parameters are those with the best results for these images among five values.

results = {
    "noisy": X_noisy,
    "total variation": [denoise_tv_chambolle(image, weight=0.05) for image in X_noisy],
    "non-local means": [
        denoise_nl_means(
            image, patch_size=3, patch_distance=5, h=0.4 * noise_level, sigma=noise_level
        )
        for image in X_noisy
    ],
    "autoencoder": X_restored,
    "clean": X_test,
}
figure, axes = plt.subplots(5, 10, figsize=(8, 4), layout="constrained")
for (name, images), row in zip(results.items(), axes, strict=True):
    for image, ax in zip(images, row, strict=False):
        ax.imshow(image, cmap="gray", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
    row[0].set_ylabel(name, rotation=0, ha="right", va="center")
plt.show()

# %%
# The peak signal-to-noise ratio (PSNR) is measured in dB. It is larger for images that are closer
# to the clean images. If it increases by 6 dB, the root mean squared error is half as large.

for name, images in list(results.items())[:-1]:
    errors = ((np.clip(images, 0, 1) - X_test) ** 2).mean(axis=(1, 2))
    print(f"{name}: {np.mean(-10 * np.log10(errors)):.1f} dB")

# %%
# The network works only for images that are similar to the training images, and best for noise of
# about the same strength. If the noise is weaker, the improvement is smaller, and images without
# noise change a little. If the noise is stronger, a part of it remains:

for level in (0.0, 0.1, 0.2, 0.4):
    images = X_test + level * np.random.default_rng(1).standard_normal(X_test.shape)
    before, after = (
        ((clipped.clip(0, 1) - X_test) ** 2).mean()
        for clipped in (images, autoencoder.reconstruct(images))
    )
    print(f"noise {level}: root mean squared error {before**0.5:.3f}, after {after**0.5:.3f}")
