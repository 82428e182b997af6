"""replaced_file: write a file that is complete at any time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path, whose file replaces another one if nothing fails.

    Parameters
    ----------
    path : Path
        File to write. A symbolic link stays one.

    Yields
    ------
    temporary : Path
        Path in the same folder, with the same suffix. If an error is raised in the context, its
        file is removed.

    Raises
    ------
    OSError
        If the file cannot be replaced.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skcnn.replaced_file import replaced_file
    >>> path = Path(tempfile.mkdtemp(), "scores.txt")
    >>> with replaced_file(path) as temporary:
    ...     n_characters = temporary.write_text("0.9")
    >>> path.read_text()
    '0.9'
    """
    path = path.resolve()  # of a link, the file that it leads to
    temporary = path.with_name(f".{uuid4().hex}{path.suffix}")  # the name of the file may be long
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
