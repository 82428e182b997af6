"""The command ``check``: find what is wrong with a folder of images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from skcnn.cli import _arguments as arguments
from skcnn.cli._output import (
    TaskBar,
    check_output,
    check_two_files,
    count,
    require,
    result_stream,
    say,
)
from skcnn.replaced_file import replaced_file

_EXAMPLES = 3  # paths that are shown of each kind
_DESCRIPTION = """\
Find problems in a folder of images: damaged files, blank and unusual images, copies,
equal images with different labels, and rare classes. No file is changed.

The exit code is 1 if some images cannot be used for training: those that cannot be
read, are blank or placeholders, repeat another image, or have no label or conflicting
labels. Other problems, such as dark photos, do not change the exit code.
"""


def add_command(commands: Any) -> None:
    """Add the parser of the command.

    Parameters
    ----------
    commands : argparse subparsers
        Parsers of commands.
    """
    parser = commands.add_parser(
        "check",
        help="find damaged, blank and repeated images",
        description=_DESCRIPTION,
        example="photos --report quality.html",
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        help="folder with one sub-folder of images for each class, or with images only",
    )
    parser.add_argument(
        "--test",
        metavar="FOLDER",
        help="folder of test images, which are also checked. Training images that are copies of "
        "test images are found, too",
    )
    parser.add_argument(
        "--report", metavar="HTML", type=Path, help="write a page that shows the problems"
    )
    parser.add_argument(
        "--csv", action="store_true", help="print all issues as CSV instead of a summary"
    )
    arguments.add_output(parser, "the summary, or the CSV,")
    arguments.add_common(parser)


def run(args: Any) -> int:
    """Check images.

    Parameters
    ----------
    args : argparse.Namespace
        Arguments.

    Returns
    -------
    code : int
        Exit code.
    """
    for folder in (args.folder, args.test):
        if folder is not None and not os.path.isdir(folder):
            what = "is a file" if os.path.exists(folder) else "does not exist"
            raise FileNotFoundError(f"the folder {folder!r} {what}: name a folder of images")
    check_output(args.out, force=args.force)
    check_output(args.report, force=args.force, suffixes=(".html",), option="--report")
    check_two_files(args.out, args.report)
    require("pandas", what="check")
    if args.report is not None:
        require("jinja2", what="--report")
    from skcnn.quality import check_images

    bar = TaskBar(args, "checking", "images", "part")
    found = check_images(args.folder, X_test=args.test, callbacks=[bar])
    with result_stream(args.out) as stream:
        if args.csv:
            found.issues_.to_csv(stream, index=False, lineterminator="\n")
        else:
            print(_summary(found), file=stream)
    if args.report is not None:
        with replaced_file(args.report) as temporary:
            found.to_html(temporary)
        say(args, f"Wrote {args.report}")
    return 0 if found.keep_.all() and found.keep_test_.all() else 1


def _summary(found):
    """Return the number, the meaning and some examples of each kind of issue."""
    n_images = sum(found.n_images_)
    n_classes = len(found.class_counts_)
    classes = f" of {count(n_classes, 'class')}" if n_classes else ""
    lines = [f"Checked {count(n_images, 'image')}{classes}"]
    summary = found.summary_
    # The fraction is 0 for files that are not images: they are not among the images.
    is_unusable = ~summary["kept"] & (summary["fraction"] > 0)
    for title, kinds in (
        ("Not usable:", summary[is_unusable]),
        ("Worth a look:", summary[~is_unusable]),
    ):
        if len(kinds):
            lines += ["", title]
        for kind, text in kinds["description"].items():
            lines += _describe_kind(kind, text, found.by_kind_[kind])
    lines.append("")
    lines += found.notes_
    n_kept = int(found.keep_.sum() + found.keep_test_.sum())
    if n_kept == n_images:
        lines.append("All images can be used.")
    else:
        lines.append(
            f"{n_images - n_kept:,} of {count(n_images, 'image')} cannot be used, or repeat others"
        )
    return "\n".join(lines)


def _describe_kind(kind, text, issues):
    """Return the lines about one kind of issue."""
    lines = [f"  {kind.replace('_', ' ')}: {len(issues):,} ({text})"]
    for issue in issues.head(_EXAMPLES).itertuples():
        name = issue.path if isinstance(issue.path, str) else f"class {issue.label}"
        detail = issue.detail.removeprefix(f"class {issue.label!r} ")
        text = detail if name in detail else f"{name}: {detail}"
        lines.append(f"    {text.removesuffix(': ')}")
    if len(issues) > _EXAMPLES:
        lines.append(f"    and {len(issues) - _EXAMPLES:,} more")
    return lines
