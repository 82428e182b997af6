"""
Check a folder of images
========================

Folders of images from the web or from several people hold files that cannot be read, placeholders,
copies of test images and more. This example makes such a folder, finds all of it with one call of
:func:`~skcnn.quality.check_images`, and removes the rows that cannot be used from the images and
the labels together.
"""

# %%
# A messy folder
# --------------
#
# The images of three classes are parts of photos of scikit-image. Then things go wrong that often
# do: a download that stopped, an error page instead of an image, a placeholder instead of removed
# images, a photo with a wrong suffix, a test image that is a training image as well, a photo in two
# classes, photos in a wrong class, and files of the operating system.

# sphinx_gallery_thumbnail_number = 1

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from skimage import data
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skcnn import ColorHistogramExtractor, ImageReader, ImageResizer
from skcnn.quality import check_images

folder = tempfile.TemporaryDirectory()
root = Path(folder.name)
rng = np.random.default_rng(0)
photos = {"cat": data.chelsea(), "coffee": data.coffee(), "astronaut": data.astronaut()}
for name, photo in photos.items():
    for number in range(40):
        side = rng.integers(150, 220)
        row, column = (rng.integers(0, length - side) for length in photo.shape[:2])
        part = Image.fromarray(photo[row : row + side, column : column + side])
        path = root / ("train" if number < 30 else "test") / name / f"{number:02}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        part.rotate(rng.integers(4) * 90).save(path, quality=92)

train, test = root / "train", root / "test"
cat, coffee, astronaut = (train / name for name in photos)
cut = (cat / "05.jpg").read_bytes()
(cat / "05.jpg").write_bytes(cut[: len(cut) // 2])
(cat / "06.jpg").write_text("<html>404 Not Found</html>")
placeholder = Image.new("RGB", (160, 160), "lightgray")
ImageDraw.Draw(placeholder).text((40, 70), "not available", fill="gray")
for name in photos:
    for number in (7, 8):
        placeholder.save(train / name / f"{number:02}.jpg")
Image.open(coffee / "09.jpg").save(coffee / "40.jpg", format="PNG")
(coffee / "10.jpg").write_bytes((test / "coffee" / "31.jpg").read_bytes())
(astronaut / "11.jpg").write_bytes((cat / "11.jpg").read_bytes())
Image.new("RGB", (160, 160)).save(astronaut / "12.jpg")
Image.open(cat / "13.jpg").point(lambda value: value / 5).save(cat / "13.jpg")
Image.open(coffee / "14.jpg").filter(ImageFilter.GaussianBlur(5)).save(coffee / "14.jpg")
for number in (20, 21, 22, 23):  # cats among the astronauts
    (cat / f"{number}.jpg").rename(astronaut / f"cat_{number}.jpg")
(train / "Thumbs.db").write_text("")
(cat / "notes.txt").write_text("")

# %%
# One call
# --------
#
# The labels are the names of the sub-folders. For images in memory, pass them and the labels:
# ``check_images(X, y, X_test, y_test)``. A classifier is needed only to find wrong labels. Here it
# is a fast one.

classifier = make_pipeline(
    ImageReader(), ImageResizer((64, 64)), ColorHistogramExtractor(), LogisticRegression(C=100)
)
report = check_images(train, X_test=test, estimator=classifier)
print(report)

# %%
# In a notebook, ``report`` alone shows a page with pictures, and ``report.to_html("report.html")``
# writes it. Here are some of the images with issues.

shown = ["blank", "dark", "blurred", "placeholder", "leak", "wrong_label"]
figure, axes = plt.subplots(1, len(shown), figsize=(9, 2), layout="constrained")
for ax, kind in zip(axes, shown, strict=True):
    ax.imshow(plt.imread(report.by_kind_[kind]["path"][0]))
    ax.set_title(kind, fontsize=9)
    ax.set_axis_off()

# %%
# Rows and reasons
# ----------------
#
# ``issues_`` has one row for each issue, with what was measured and the threshold.

report.issues_.drop(columns=["path", "set"]).query("kind not in ['near_duplicate', 'near_leak']")

# %%
# Near duplicates are listed separately. Those between training and test images (near leaks) make
# the score on the test set too good. Here the parts of the photos overlap, so that there are a few.

print(report.by_kind_["near_leak"][["index", "label", "value", "detail"]].head(3).to_string())

# %%
# Filter X and y together
# -----------------------
#
# Nothing is removed by itself. ``keep_`` is False for images that cannot be used, or that repeat
# others: unreadable and truncated files, blank images, placeholders, copies, leaks, and equal
# images with different labels. Whether dark images, near leaks and wrong labels are removed is a
# decision about the task. Here near leaks and wrong labels are removed as well.

X, y = report.paths_, report.labels_
keep = report.keep_.copy()
for kind in ("near_leak", "wrong_label"):
    keep[report.by_kind_[kind]["index"].astype(int)] = False
X, y = X[keep], y[keep]
print(f"{len(X)} of {len(keep)} training images are left")

cleaned = check_images(X, y, report.paths_test_, report.labels_test_)
print(cleaned.summary_[["train", "test"]])

folder.cleanup()
