"""
A report about a classifier
===========================

:class:`~skcnn.inspection.ModelReport` writes one HTML page about a classifier: how good its
predictions for test images are, which mistakes it makes, how it was trained, its parameters, and
what data it was tested on. The page is one file that loads nothing from elsewhere, so that it can
be archived or sent by e-mail.
"""

# %%
# The classifier
# --------------
#
# The pipeline enlarges and augments images of scanned digits, and ends in a small network.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from skcnn import CNNClassifier, ImageAugmenter, ImageFlattener, ImageResizer
from skcnn.inspection import ModelReport

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X.reshape(-1, 8, 8), y, train_size=800, stratify=y, random_state=0
)
pipe = make_pipeline(
    ImageResizer((16, 16)),
    ImageAugmenter(shift=0.05, random_state=0),
    CNNClassifier(channels=(16, 32), max_epochs=8, early_stopping=True, random_state=0),
)
pipe.fit(X_train, y_train)

# %%
# The report
# ----------
#
# A notebook shows the page in a frame, as here.

report = ModelReport(pipe, X_test, y_test, title="Digits of scanned forms")
report

# %%
# :meth:`~skcnn.inspection.ModelReport.to_html` writes it to a file.

folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "report.html"
report.to_html(path)
print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")

# %%
# The findings and the numbers
# ----------------------------
#
# The warnings and notes at the beginning of the page, and the numbers, are attributes. A script can
# use them, for example to decide whether a new version is released.

for kind, text in report.findings:
    print(f"{kind}: {text}")

accuracy = report.summary.loc["accuracy"]
print("release" if accuracy["low"] > 0.9 else "do not release")

# %%
# The recall of each class, with its interval:

table = report.class_table.sort_values("recall")
errors = [table["recall"] - table["recall_low"], table["recall_high"] - table["recall"]]
_, ax = plt.subplots(figsize=(5, 3.6), layout="constrained")
ax.errorbar(table["recall"], table.index.astype(str), xerr=errors, fmt="o", capsize=3)
ax.set(xlabel="recall", ylabel="digit", title="Recall of each digit")
plt.show()

# %%
# The fingerprint is a hash of the test data: it is the same for the same pixels and labels, whether
# the images are in an array, a list or files.

print(report.fingerprint.sha256)

# %%
# Other classifiers
# -----------------
#
# The report of a decision tree has no learning curves, no layers and no activation maps. The end of
# the page lists the sections that are left out.

tree = make_pipeline(ImageFlattener(), DecisionTreeClassifier(random_state=0))
tree_report = ModelReport(tree.fit(X_train, y_train), X_test, y_test)
print(tree_report.findings[0][1])
folder.cleanup()
