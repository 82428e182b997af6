"""
A search and predictions with Dask
==================================

Dask distributes the fits of a search and the predictions of many images over the workers of a
cluster. This example needs the extra ``skcnn[dask]``. :doc:`/user_guide/clusters` explains the
options, and common problems on a cluster of several machines.
"""

# %%
# Image files
# -----------
#
# The images are the digits of scikit-learn, written to files. On a cluster, pass paths of files in
# a shared folder: the workers read the pixels, and only the paths are sent.

from pathlib import Path
from tempfile import TemporaryDirectory

import dask
import dask.array as da
import joblib
import matplotlib.pyplot as plt
import numpy as np
from dask.distributed import Client
from PIL import Image
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from skcnn import CNNClassifier, ImageReader, ImageResizer

digits = load_digits()
folder = TemporaryDirectory()
paths = np.array([str(Path(folder.name, f"{number}.png")) for number in range(len(digits.images))])
for path, image in zip(paths, digits.images, strict=True):
    Image.fromarray((image * 15).astype(np.uint8)).save(path)

X_train, y_train = paths[:600], digits.target[:600]
X_new, y_new = paths[600:], digits.target[600:]

# %%
# A client
# --------
#
# In this example, the client starts two workers that are threads of this process. To use a cluster,
# pass the address of its scheduler, such as ``Client("tcp://10.0.0.1:8786")``.

client = Client(processes=False, n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0")

# %%
# A search
# --------
#
# In the context of ``parallel_config``, each fit of the search is a task of Dask. `GridSearchCV`
# itself is used as on one machine.

pipe = Pipeline(
    [
        ("read", ImageReader("L")),
        ("resize", ImageResizer((8, 8))),
        ("cnn", CNNClassifier(max_epochs=5, random_state=0)),
    ]
)
grid = {"cnn__learning_rate": [1e-4, 1e-3, 1e-2], "cnn__channels": [(8,), (16, 32)]}
with joblib.parallel_config(backend="dask"):
    search = GridSearchCV(pipe, grid, cv=3, refit=False).fit(X_train, y_train)

scores = search.cv_results_["mean_test_score"].reshape(2, 3)  # the learning rate varies fastest
figure, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
for channels, row in zip(grid["cnn__channels"], scores, strict=True):
    ax.plot(grid["cnn__learning_rate"], row, marker="o", label=f"channels={channels}")
_ = ax.set(xscale="log", xlabel="learning rate", ylabel="mean accuracy of three folds")
_ = ax.legend()

# %%
# A worker trains the best pipeline on all training images.

best = clone(pipe).set_params(**search.cv_results_["params"][search.best_index_])
best = client.submit(best.fit, X_train, y_train).result()

# %%
# Predictions
# -----------
#
# The array of paths is divided into parts of 300 paths, and each part is a task. ``persist`` sends
# the pipeline to a worker only once, instead of with each task. ``meta`` is an empty array with the
# dtype of the labels.

model = dask.delayed(best).persist()
labels = da.from_array(X_new, chunks=300).map_blocks(
    lambda paths, model: model.predict(paths), model=model, meta=best.classes_[:0]
)
labels

# %%
# ``compute`` predicts the images in the workers.

print(f"accuracy for {len(y_new)} new images: {np.mean(labels.compute() == y_new):.3f}")

# %%
client.close()
folder.cleanup()
