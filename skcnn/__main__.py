"""``python -m skcnn``: the command line."""

import sys

from skcnn.cli import main

if __name__ == "__main__":
    sys.exit(main())
