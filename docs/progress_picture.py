"""Draw the progress bars of a search that runs in two processes, for the user guide.

python docs/progress_picture.py
"""

import io
import threading
import time
from pathlib import Path

from rich.console import Console
from sklearn.callback import ProgressBar, _progressbar
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from skcnn import CNNClassifier, ImageResizer

PATH = Path(__file__).parent / "user_guide" / "images" / "progress.svg"


def draw(fit):
    """Draw the progress bars when about half of the work is done."""
    while fit.is_alive():
        time.sleep(0.05)
        for monitor in list(_progressbar._run_monitors.values()):
            bars = getattr(monitor, "progress_ctx", None)
            tasks = getattr(bars, "_ordered_tasks", [])
            half = [task for task in tasks if "CNNClassifier" in task.description]
            running = [task for task in half if 0 < task.percentage < 100]
            if len(half) >= 4 and len(running) >= 2:
                console = Console(record=True, width=92, file=io.StringIO())
                console.print(bars.get_renderable())
                console.save_svg(str(PATH), title="search.fit(images, y)")
                return


if __name__ == "__main__":
    images, y = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8)
    pipe = Pipeline([
        ("resize", ImageResizer((16, 16))),
        ("cnn", CNNClassifier(max_epochs=8, random_state=0)),
    ])  # fmt: skip
    search = GridSearchCV(pipe, {"cnn__learning_rate": [1e-3, 1e-2]}, cv=3, n_jobs=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=None))
    fit = threading.Thread(target=search.fit, args=(images, y))
    fit.start()
    draw(fit)
    fit.join()
