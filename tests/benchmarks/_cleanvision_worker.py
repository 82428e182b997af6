"""Check folders of images with CleanVision, in an interpreter that has it.

    PYTHON _cleanvision_worker.py FOLDER...

Prints one line of JSON: the version, and the names of the images with each kind of issue, by
folder.
"""

import importlib.metadata
import json
import os
import sys

from cleanvision import Imagelab

KINDS = ("dark", "light", "blurry", "low_information", "odd_size", "odd_aspect_ratio", "grayscale")


def main():
    """Check the folders, and print what was found."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # other output goes to stderr
    found = {}
    for folder in sys.argv[1:]:
        lab = Imagelab(data_path=folder, verbose=False)
        lab.find_issues({kind: {} for kind in KINDS}, n_jobs=1, verbose=False)
        found[folder] = {
            kind: [
                os.path.basename(path) for path in lab.issues.index[lab.issues[f"is_{kind}_issue"]]
            ]
            for kind in KINDS
        }
    print(json.dumps([importlib.metadata.version("cleanvision"), found]), file=answers, flush=True)


if __name__ == "__main__":
    main()
