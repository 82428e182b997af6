"""The command line: ``python -m skcnn --help`` lists the commands.

The modules of this subpackage import only the standard library when they are imported, so that help
and wrong options need no torch.
"""

from skcnn.cli._main import main

__all__ = ["main"]
