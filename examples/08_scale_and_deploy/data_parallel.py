"""Train one network in several processes.

Start it with::

    torchrun --nproc-per-node 2 data_parallel.py

Each process runs this script and trains on its part of every batch. Without ``torchrun``, one
process trains alone, and the result is the same up to rounding.
"""

import datetime
import os

import torch.distributed
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skcnn import CNNClassifier, ImageAugmenter

if "RANK" in os.environ:  # set by torchrun and by accelerate launch
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    torch.distributed.init_process_group(backend, timeout=datetime.timedelta(minutes=5))

is_distributed = torch.distributed.is_initialized()
is_first = not is_distributed or torch.distributed.get_rank() == 0

# The same data in each process, because random_state is an integer.
X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X.reshape(-1, 8, 8), y, stratify=y, random_state=0
)

pipeline = make_pipeline(
    ImageAugmenter(shift=0.1, random_state=0),
    CNNClassifier(max_epochs=5, batch_size=128, random_state=0, verbose=1),
)
pipeline.fit(X_train, y_train)

if is_first:
    print(f"accuracy {pipeline.score(X_test, y_test):.3f}")

if is_distributed:
    torch.distributed.destroy_process_group()
