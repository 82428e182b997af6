"""Functions that all benchmarks use: command line, interleaved rounds and tables."""

import argparse
import csv
import sys
import time
from datetime import date
from pathlib import Path
from statistics import median

from _machine import describe_machine

_PLACEHOLDERS = {
    "--before": "CHECKOUT",
    "--cache": "DIR",
    "--csv": "FILE",
    "--data": "DIR",
    "--embetter-python": "PYTHON",
    "--fits": "FILE",
    "--keras-python": "PYTHON",
    "--pairs": "FILE",
}
_PAUSE = 0.3  # seconds, until the threads of the previous contender are idle


def make_parser(description, rounds=5):
    """Return a parser with the options of all benchmarks.

    Parameters
    ----------
    description : str
        The docstring of the benchmark.
    rounds : int, default=5
        Number of repetitions. None adds no option for it.

    Returns
    -------
    parser : argparse.ArgumentParser
    """
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if rounds:
        parser.add_argument(
            "--rounds",
            type=int,
            default=rounds,
            help="number of repetitions; medians are reported (default: %(default)s)",
        )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="run one round with little work, to test the benchmark; the figures mean nothing",
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="also write the table to FILE")
    return parser


def parse_arguments(options):
    """Parse the command line; with `--quick`, set the number of rounds to one."""
    arguments = options.parse_args()
    if arguments.quick:
        arguments.rounds = 1
    return arguments


def run_interleaved(contenders, rounds, label=""):
    """Run contenders in turn, so that other work on the machine affects all of them.

    Parameters
    ----------
    contenders : dict of {str: callable}
        Functions to run, by name. Each round starts with another one.
    rounds : int
        Number of rounds.
    label : str, default=""
        Name in the progress messages.

    Returns
    -------
    results : dict of {str: list}
        Return values of each contender, one per round.
    """
    results = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(rounds):
        print(f"{label}: round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        first = number % len(names)
        for name in names[first:] + names[:first]:
            time.sleep(_PAUSE)
            results[name].append(contenders[name]())
    return results


def seconds_of(function, *arguments, **keywords):
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    function(*arguments, **keywords)
    return time.perf_counter() - start


def throughput_rows(network, flop, results, n_images, goals):
    """Return the rows of a throughput table.

    Parameters
    ----------
    network : Network
        The measured network.
    flop : int
        Number of operations for one image.
    results : dict of {str: list of float}
        Seconds for `n_images` by name and, under "ceiling", the results of `ceiling`.
    n_images : int
        Number of images.
    goals : tuple of (str, float)
        Names of packages, and the factors by which skcnn should be faster.

    Returns
    -------
    rows : list of dict
        One row for each precision of the ceiling, and for each contender.
    """
    results = dict(results)
    measured = results.pop("ceiling")
    limits = {kind: median(speeds[kind] for speeds in measured) for kind in measured[0]}
    speeds = {name: n_images / median(seconds) for name, seconds in results.items()}
    ours = [name for name in speeds if name.startswith("skcnn")]
    rows = [
        {"network": network.name, "measurement": f"ceiling ({kind})", "GFLOP/s": f"{limit:.1f}"}
        for kind, limit in limits.items()
    ]
    for name, speed in speeds.items():
        seconds, gflops = results[name], speed * flop / 1e9
        row = {
            "network": network.name,
            "measurement": name,
            "images/s": f"{speed:.0f}",
            "slowest": f"{n_images / max(seconds):.0f}",
            "fastest": f"{n_images / min(seconds):.0f}",
            "GFLOP/s": f"{gflops:.1f}",
        }
        row |= {f"of {kind} ceiling": f"{gflops / limit:.0%}" for kind, limit in limits.items()}
        if name not in ours:
            row |= {f"speedup of {own}": f"{speeds[own] / speed:.2f}x" for own in ours}
            goal = dict(goals).get(name)
            row["goal"] = f">= {goal:g}x" if goal else ""
        rows.append(row)
    return rows


def print_table(rows, arguments, further_versions=None, notes=()):
    """Print the machine, the versions and the table, and write the table to the file of `--csv`.

    Parameters
    ----------
    rows : list of dict
        Cells by heading. Cells that a row does not have are empty.
    arguments : argparse.Namespace
        The parsed command line.
    further_versions : dict, default=None
        Versions of packages of another interpreter.
    notes : sequence of str, default=()
        Lines that follow the description of the machine.
    """
    longest = max(rows, key=len)  # has the headings in order
    headings = list(dict.fromkeys(heading for row in [longest, *rows] for heading in row))
    table = [headings] + [[row.get(heading, "") for heading in headings] for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    print(
        *describe_machine(further_versions),
        f"date: {date.today()}",
        f"command: {_command()}",
        sep="\n",
    )
    print(*notes, "", sep="\n")
    for cells in table:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        print("  ".join(padded).rstrip())
    if arguments.csv:
        with arguments.csv.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(table)


def _command():
    """Return the command line with placeholders for local paths."""
    words = [f"python tests/benchmarks/{Path(sys.argv[0]).name}"]
    previous = None
    for word in sys.argv[1:]:
        option = word.split("=")[0]
        if previous in _PLACEHOLDERS:
            word = _PLACEHOLDERS[previous]
        elif "=" in word and option in _PLACEHOLDERS:
            word = f"{option}={_PLACEHOLDERS[option]}"
        words.append(word)
        previous = word
    return " ".join(words)
