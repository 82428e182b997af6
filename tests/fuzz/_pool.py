"""Worker processes that run cases, and are replaced when they crash or hang."""

import linecache
import multiprocessing
import os
import resource
import tempfile
import time
import traceback
import warnings
from multiprocessing.connection import wait
from pathlib import Path

import _autoencoder
import _cases
import _equal
import _files
import _functions
import _objects
import _paths
import _quality
import numpy as np
import torch
from _checks import Checker, Finding

import skcnn

# What one case may take.
SECONDS = 30
MEMORY = 6 * 2**30  # bytes of address space of a worker
GROWTH = 500  # MB, more than any case needs

TABLES = {
    "case": {
        kind: share
        for module in (_cases, _equal, _objects, _paths, _functions, _autoencoder, _quality)
        for kind, share in module.KINDS.items()
    },
    "file": _files.KINDS,
}


def run_case(seed, group, number):
    """Run one case, which is a function of the seed, the group and the number."""
    check = Checker()
    rng = np.random.default_rng((seed, list(TABLES).index(group), number))
    kinds = TABLES[group]
    shares = np.array(list(kinds.values()))
    kind = list(kinds)[rng.choice(len(kinds), p=shares / shares.sum())]
    before = _peak_memory()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kind(check, rng)
    except Exception as error:  # a mistake of the script, or a result that it cannot use
        check.calls.append(traceback.format_exc())
        frame = traceback.extract_tb(error.__traceback__)[-1]
        check.report("case failed", f"{kind.__name__}, {frame.name}:{frame.lineno}", repr(error))
    if _peak_memory() - before > GROWTH:
        check.report("memory", kind.__name__, f"{_peak_memory() - before} MB")
    return check, kind.__name__


def _peak_memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # kB on Linux


def _work(connection, folder, seed):
    """Run the cases that arrive, and send their findings."""
    os.chdir(folder)
    prepare()
    while (task := connection.recv()) is not None:
        check, name = run_case(seed, *task)
        connection.send((name, check.findings))
        if any(finding.kind in ("memory", "changed global state") for finding in check.findings):
            return  # a new process has the usual settings


def warm_up():
    """Import what libraries import when they are first used, before processes are forked."""
    torch.set_num_threads(1)
    for path in Path(skcnn.__file__).parent.rglob("*.py"):  # files may change during a run
        linecache.getlines(str(path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _files.pickles()
        _files.originals()


def prepare():
    """Prepare a process for cases."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)  # what callbacks print
    os.dup2(null, 2)
    torch.set_num_threads(1)


class _Worker:
    def __init__(self, folder, seed):
        context = multiprocessing.get_context("fork")
        self.connection, theirs = context.Pipe()
        self.folder = tempfile.mkdtemp(dir=folder)
        arguments = (theirs, self.folder, seed)
        self.process = context.Process(target=_work, args=arguments, daemon=True)
        self.process.start()
        theirs.close()
        self.task = None

    def start(self, task):
        self.task, self.since = task, time.monotonic()
        self.connection.send(task)

    def close(self):
        self.process.kill()
        self.process.join()
        self.connection.close()


def run_cases(tasks, seed, n_workers):
    """Run cases in processes, and yield (task, name of its kind, findings) in any order."""
    tasks = iter(tasks)
    with tempfile.TemporaryDirectory(prefix="skcnn-fuzz-") as folder:
        workers = []
        try:
            for task in [task for _, task in zip(range(n_workers), tasks)]:  # noqa: B905
                workers.append(_Worker(folder, seed))
                workers[-1].start(task)
            while workers:
                ready = wait([worker.connection for worker in workers], timeout=1)
                for worker in list(workers):
                    result = None
                    if worker.connection in ready:
                        result = _receive(worker)
                    elif time.monotonic() - worker.since > SECONDS:
                        result = "", [Finding("hang", "", "", f"{SECONDS} seconds", "")]
                    if result is None:
                        continue
                    yield worker.task, *result
                    workers.remove(worker)
                    if (task := next(tasks, None)) is None:
                        worker.close()
                        continue
                    if result[0] and worker.process.is_alive() and not _needs_renewal(result[1]):
                        workers.append(worker)
                    else:
                        worker.close()
                        workers.append(_Worker(folder, seed))
                    workers[-1].start(task)
        finally:
            for worker in workers:
                worker.close()


def _needs_renewal(findings):
    return any(finding.kind in ("memory", "changed global state") for finding in findings)


def _receive(worker):
    try:
        return worker.connection.recv()
    except (EOFError, ConnectionResetError):
        worker.process.join(5)
        code = worker.process.exitcode
        return "", [Finding("crash", f"exit code {code}", "", "", "")]
