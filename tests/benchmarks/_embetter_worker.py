"""Embed photos with the `TimmEncoder` of embetter, in an interpreter that has it.

    PYTHON _embetter_worker.py PHOTOS.npy

Reads one request per line of JSON, {"threads": int}, and answers with the seconds of `transform`.
The encoder has random weights, because pretrained ones would be downloaded.
"""

import importlib.metadata
import json
import os
import sys
import time
from functools import partial

import numpy as np
import timm
import torch
from PIL import Image

NAME = "tf_efficientnet_lite0"


def main():
    """Answer requests until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # other output goes to stderr
    timm.create_model = without_pretrained_weights(timm.create_model)
    from embetter.vision import TimmEncoder

    encoder = TimmEncoder(NAME)
    photos = [Image.fromarray(photo) for photo in np.load(sys.argv[1])]
    versions = {name: importlib.metadata.version(name) for name in ("embetter", "timm", "torch")}
    versions["torch of embetter"] = versions.pop("torch")
    print(json.dumps(versions), file=answers)
    answers.flush()
    for line in sys.stdin:
        request = json.loads(line)
        torch.set_num_threads(request["threads"])
        start = time.perf_counter()
        encoder.transform(photos)
        print(json.dumps(time.perf_counter() - start), file=answers, flush=True)


def without_pretrained_weights(create_model):
    """Return the function of timm with random weights."""

    def create(name, pretrained, **options):
        return partial(create_model, name, **options)()

    return create


if __name__ == "__main__":
    main()
