"""Give the public API random input and damaged files, and report everything that goes wrong.

    python tests/fuzz/fuzz.py [--seed 0] [--cases 10000] [--files 5000] [--jobs 2]
    python tests/fuzz/fuzz.py --only 1234 [--seed 0]         # the calls of case 1234
    python tests/fuzz/fuzz.py --only-file 1234 [--seed 0]    # those of file 1234

A case is a function of the seed and its number, so that every finding can be repeated. The exit
status is 1 if there are findings. Linux only, as it limits the memory of its processes.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import sys
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import chdir
from itertools import chain

from _pool import run_case, run_cases, warm_up


def main(arguments=None):
    """Run the cases of the command line, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--files", type=int, default=5_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", type=int)
    parser.add_argument("--only-file", type=int)
    options = parser.parse_args(arguments)
    warm_up()
    if options.only is not None or options.only_file is not None:
        group = "case" if options.only_file is None else "file"
        number = options.only if group == "case" else options.only_file
        return show(options.seed, group, number)
    started = time.monotonic()
    tasks = chain(
        (("case", number) for number in range(options.cases)),
        (("file", number) for number in range(options.files)),
    )
    groups, kinds = defaultdict(list), Counter()
    try:
        for done, (task, kind, findings) in enumerate(run_cases(tasks, options.seed, options.jobs)):
            if done % 1000 == 0:
                print(f"{done} cases, {time.monotonic() - started:.0f} seconds", file=sys.stderr)
            kinds[kind or "lost"] += 1
            for finding in findings:
                groups[finding.group].append((task, finding))
    except KeyboardInterrupt:  # report what was found until now
        print("interrupted")
    print_report(groups, kinds, options.seed)
    print(f"{time.monotonic() - started:.0f} seconds")
    return 1 if groups else 0


def show(seed, group, number):
    """Run one case in this process, and print its calls and findings."""
    with tempfile.TemporaryDirectory(prefix="skcnn-fuzz-") as folder, chdir(folder):
        check, kind = run_case(seed, group, number)
    print(f"{group} {number}: {kind}")
    print(*check.calls, sep="\n")
    print(*check.findings, sep="\n")
    return 1 if check.findings else 0


def print_report(groups, kinds, seed):
    """Print the findings by group, the most frequent first."""
    print(", ".join(f"{count} {kind}" for kind, count in kinds.most_common()))
    print(f"{len(groups)} kinds of findings\n")
    for members in sorted(groups.values(), key=len, reverse=True):
        (group, number), finding = min(members, key=lambda member: len(member[1].call))
        option = "--only" if group == "case" else "--only-file"
        print(f"[{len(members)} x] {finding.kind}: {finding.error} {finding.place}")
        print(f"    {finding.message[:300]}")
        print(f"    {finding.call[:400]}")
        print(f"    python tests/fuzz/fuzz.py --seed {seed} {option} {number}\n")


if __name__ == "__main__":
    sys.exit(main())
