"""Run a command: parse its arguments, and report errors as one sentence and an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from skcnn import __version__
from skcnn.cli import check, evaluate, export, predict, train
from skcnn.cli._arguments import Parser, UsageError
from skcnn.cli._interrupt import interrupts_after_imports

_COMMANDS = (check, train, evaluate, predict, export)  # in the order of use
_CLOSED_PIPE = 141  # as shells report programs that SIGPIPE ends

_DESCRIPTION = """\
Train and use networks that classify images.

Each command has its own help, which begins with an example:
{prog} train --help
"""
_EPILOG = """\
Results are written to standard output, messages and progress bars to standard error.

exit codes:
  0    success
  1    the command failed, some images could not be read, or `check` found images
       that cannot be used
  2    an argument is not valid
  130  interrupted with Ctrl-C
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command of the command line.

    Parameters
    ----------
    argv : sequence of str, default=None
        Arguments, such as ``["predict", "model.skops", "photo.jpg"]``. None uses those of the
        process.

    Returns
    -------
    code : int
        Exit code: 0 for success, 1 if the command failed, some images could not be read, or
        ``check`` found images that cannot be used, 2 if an argument cannot be used, 130 if the
        command was interrupted with Ctrl-C.

    Raises
    ------
    SystemExit
        With code 2 if the arguments cannot be parsed, and with code 0 for ``--help``.

    Examples
    --------
    >>> from skcnn.cli import main
    >>> try:
    ...     main(["--version"])
    ... except SystemExit as done:
    ...     print(done.code)
    skcnn ...
    0
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    parser = _parser()
    if not argv:
        parser.print_help(sys.stderr)
        return 2
    args, unknown = parser.parse_known_args(argv)
    args.program = parser.prog
    name = f"{parser.prog} {args.command}"
    if unknown:
        advice = f"({name} --help lists the options)"
        parser.exit(2, f"{name}: unrecognized arguments: {' '.join(unknown)} {advice}\n")
    if sys.stderr is None:  # closed
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdin, sys.stdout, sys.stderr):  # file names are not always valid text
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="surrogateescape")
    try:
        with interrupts_after_imports(), _plain_warnings():
            code = args.run(args)
            if sys.stdout is not None:
                sys.stdout.flush()
            return code
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # such as by `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _CLOSED_PIPE
    except UsageError as error:
        print(f"{name}: {error} ({name} --help lists the options)", file=sys.stderr)
        return 2
    except Exception as error:
        if args.debug:
            raise
        print(f"{name}: {_sentence(error)}", file=sys.stderr)
        return 1


def _parser() -> Parser:
    """Return the parser of all commands."""
    prog = Path(sys.argv[0]).name
    prog = prog if prog == "skcnn" else "python -m skcnn"
    parser = Parser(
        prog=prog,
        example="train photos --size 96 --out model.skops",
        description=_DESCRIPTION.format(prog=prog),
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"skcnn {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_command(commands)
    return parser


def _sentence(error: Exception) -> str:
    """Return the message of an error as one line."""
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or "out of memory" in text.lower():
        return "there is not enough memory: use a smaller --size or --batch-size"
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename!r}: {error.strerror}"
    if text and isinstance(error, (ImportError, OSError, TypeError, ValueError)):
        return text
    return f"{type(error).__name__}: {text} (--debug shows where it happened)"


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    """Show each warning once, as one line, without the line of code that gives it."""
    shown = set()

    def show(message, category, filename, lineno, file=None, line=None):
        text = f"warning: {' '.join(str(message).split())}"
        if text not in shown:
            print(text, file=sys.stderr)
        shown.add(text)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
