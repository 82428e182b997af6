"""replaced_file: write a file that is complete at any time."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path, whose file replaces another one if nothing fails.

    Parameters
    ----------
    path : Path
        File to write. A symbolic link stays one, and the file that it leads to is replaced. The
        permissions, the owner and the group of an existing file are kept, as far as the process
        may set them.

    Yields
    ------
    temporary : Path
        Path in the same folder, with the same suffix. If an error is raised in the context, its
        file is removed. If `path` is a device or a pipe, such as /dev/null, it is `path`.

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
    former = path.stat() if path.exists() else None
    if former is not None and not (stat.S_ISREG(former.st_mode) or path.is_dir()):
        yield path
        return
    path = path.resolve()  # of a link, the file that it leads to
    temporary = path.with_name(f".{uuid4().hex}{path.suffix}")  # the name of the file may be long
    try:
        if former is not None:  # until it is complete, nobody else may read it
            temporary.touch(mode=0o600, exist_ok=False)
        yield temporary
        if former is not None:
            _copy_permissions(former, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _copy_permissions(former: os.stat_result, path: Path) -> None:
    """Set the owner, the group and the permissions of a file."""
    if hasattr(os, "chown"):  # not in Windows
        for owner, group in ((-1, former.st_gid), (former.st_uid, -1)):
            with suppress(PermissionError):
                os.chown(path, owner, group)
    with suppress(PermissionError):  # of file systems without permissions
        path.chmod(stat.S_IMODE(former.st_mode))
