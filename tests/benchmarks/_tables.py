"""What the benchmarks share: command lines, rounds that interleave, tables."""

import argparse
import csv
import sys
import time
from datetime import date
from pathlib import Path
from statistics import median

from _machine import facts

_PLACEHOLDERS = {"--csv": "FILE", "--data": "DIR", "--keras-python": "PYTHON"}
_PAUSE = 0.3  # seconds in which the threads of the one before go to sleep


def parser(description, rounds=5):
    """Make a parser with the options of all benchmarks.

    Parameters
    ----------
    description : str
        The docstring of the benchmark.
    rounds : int, default=5
        How often everything is measured.

    Returns
    -------
    parser : argparse.ArgumentParser
    """
    made = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if rounds:
        made.add_argument(
            "--rounds",
            type=int,
            default=rounds,
            help="how often everything is measured, for the medians (default: %(default)s)",
        )
    made.add_argument(
        "--quick",
        action="store_true",
        help="one round of tiny work, to see that it runs; its figures mean nothing",
    )
    made.add_argument("--csv", type=Path, metavar="FILE", help="write the table there as well")
    return made


def parse(options):
    """Read the command line; a quick run has one round."""
    arguments = options.parse_args()
    if arguments.quick:
        arguments.rounds = 1
    return arguments


def interleaved(contenders, rounds, label=""):
    """Let contenders run in turn, round by round, so that a busy machine slows down all of them.

    Parameters
    ----------
    contenders : dict of {str: callable}
        What to run, by name. The one that starts changes from round to round.
    rounds : int
        How often.
    label : str, default=""
        What the line of progress names.

    Returns
    -------
    results : dict of {str: list}
        What each contender gave, a value a round.
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
    """Measure how long a call takes."""
    start = time.perf_counter()
    function(*arguments, **keywords)
    return time.perf_counter() - start


def throughput_rows(network, flop, results, n_images, goals):
    """Make the rows of a table of throughput.

    Parameters
    ----------
    network : Network
        What was run.
    flop : int
        The operations for an image.
    results : dict of {str: list of float}
        Seconds for `n_images` by name and, as "ceiling", a list of what `ceiling` gave.
    n_images : int
        The number of images.
    goals : tuple of (str, float)
        How much faster the first of ours should be than the peers that are named.

    Returns
    -------
    rows : list of dict
        A row for each precision of the ceiling and for each of the others.
    """
    results = dict(results)
    measured = results.pop("ceiling")
    limits = {kind: median(speeds[kind] for speeds in measured) for kind in measured[0]}
    speeds = {name: n_images / median(seconds) for name, seconds in results.items()}
    ours = [name for name in speeds if name.startswith("skcnn")]
    rows = [
        {"network": network.name, "what": f"ceiling ({kind})", "GFLOP/s": f"{limit:.1f}"}
        for kind, limit in limits.items()
    ]
    for name, speed in speeds.items():
        seconds, gflops = results[name], speed * flop / 1e9
        row = {
            "network": network.name,
            "what": name,
            "images/s": f"{speed:.0f}",
            "slowest": f"{n_images / max(seconds):.0f}",
            "fastest": f"{n_images / min(seconds):.0f}",
            "GFLOP/s": f"{gflops:.1f}",
        }
        row |= {f"of {kind} ceiling": f"{gflops / limit:.0%}" for kind, limit in limits.items()}
        if name not in ours:
            row |= {f"{own} over it": f"{speeds[own] / speed:.2f}x" for own in ours}
            goal = dict(goals).get(name)
            row["goal"] = f">= {goal:g}x" if goal else ""
        rows.append(row)
    return rows


def show(rows, arguments, further_versions=None, notes=()):
    """Print the facts and the table, and write the table as CSV where that is asked for.

    Parameters
    ----------
    rows : list of dict
        {heading: text}; what a row lacks stays empty.
    arguments : argparse.Namespace
        The command line.
    further_versions : dict, default=None
        Versions of packages that run in another interpreter.
    notes : sequence of str, default=()
        Lines that follow the facts.
    """
    longest = max(rows, key=len)  # it has the headings in their order
    headings = list(dict.fromkeys(heading for row in [longest, *rows] for heading in row))
    table = [headings] + [[row.get(heading, "") for heading in headings] for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    print(*facts(further_versions), f"date: {date.today()}", f"command: {_command()}", sep="\n")
    print(*notes, "", sep="\n")
    for cells in table:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        print("  ".join(padded).rstrip())
    if arguments.csv:
        with arguments.csv.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(table)


def _command():
    """Give the command as anyone could type it: without this machine's paths."""
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
