"""The command ``export``: write a model as an ONNX file."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from skcnn.cli import _arguments as arguments
from skcnn.cli._images import expand
from skcnn.cli._models import load_model, reader_of
from skcnn.cli._output import check_output, count, say

_MAX_PHOTOS = 8
_DESCRIPTION = """\
Write a model as an ONNX file, for programs without Python or PyTorch. The input of
the ONNX file is decoded images. Resizing, the network and the labels are part of the
file. Before it is written, its predictions are compared with those of the model.
"""


def add_command(commands: Any) -> None:
    """Add the parser of the command.

    Parameters
    ----------
    commands : argparse subparsers
        Parsers of commands.
    """
    parser = commands.add_parser(
        "export",
        help="write a model as an ONNX file",
        description=_DESCRIPTION,
        example="model.skops --out model.onnx",
    )
    parser.set_defaults(run=run)
    parser.add_argument("model", metavar="MODEL", type=Path, help="file that `train` wrote")
    parser.add_argument(
        "-o",
        "--out",
        metavar="FILE",
        type=Path,
        required=True,
        help="file to write, whose name ends in .onnx",
    )
    parser.add_argument(
        "--photos",
        metavar="PATH",
        nargs="+",
        default=[],
        help="images, folders or patterns. The predictions of the model and of the file are "
        "compared for up to 8 of these images (default: random images)",
    )
    parser.add_argument("--force", action="store_true", help="overwrite FILE if it exists")
    arguments.add_common(parser, model=True)


def run(args: Any) -> int:
    """Export a model.

    Parameters
    ----------
    args : argparse.Namespace
        Arguments.

    Returns
    -------
    code : int
        Exit code.
    """
    check_output(args.out, force=args.force, suffixes=(".onnx",))
    photos = list(islice(expand(args.photos), _MAX_PHOTOS))
    if args.photos and not photos:
        raise FileNotFoundError(f"there are no images in {', '.join(args.photos)}")
    model = load_model(args)
    if photos:
        _check_photos(model, photos)
    from skcnn.export import to_onnx

    what = count(len(photos), "image") if photos else "random images"
    say(args, f"Exporting {args.model}, and comparing the predictions for {what}")
    to_onnx(model, args.out, X=photos or None)
    say(args, f"Wrote {args.out} ({args.out.stat().st_size / 1e6:.1f} MB)")
    return 0


def _check_photos(model, photos):
    """Raise an error about the first photo that cannot be read."""
    for error in filter(None, reader_of(model).find_errors(photos, decode=True)):
        raise ValueError(f"{error}. Remove the file, or pass other images to --photos")
