"""Error message about an unknown name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def unknown_name(
    name: object,
    known: Iterable[str],
    *,
    kind: str = "backbone",
    prefix: str = "",
    listed: str | None = None,
) -> str:
    """Return an error message that suggests the known names most similar to an unknown name.

    Parameters
    ----------
    name : object
        Unknown name.
    known : iterable of str
        Known names.
    kind : str, default="backbone"
        Kind of object that the name stands for.
    prefix : str, default=""
        Prefix of all names in the message.
    listed : str, default=None
        Expression that lists the known names, for the message if none is similar. None puts all
        known names into the message.

    Returns
    -------
    message : str
        Error message.

    Examples
    --------
    >>> from skcnn.networks.names import unknown_name
    >>> unknown_name("resnet-18", ["plain", "resnet18"])
    "the backbone 'resnet-18' is unknown: did you mean 'resnet18'?"
    """
    known = list(dict.fromkeys(known))
    close = get_close_matches(str(name).lower(), known, n=3, cutoff=0.5)
    shown = f"{prefix}{name}" if prefix else name
    if not close and listed is not None:
        return f"the {kind} {shown!r} is unknown: {listed} lists the names"
    names = [repr(f"{prefix}{one}") for one in close or sorted(known)]
    text = " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    verb = "did you mean" if close else f"the {kind}s are"
    return f"the {kind} {shown!r} is unknown: {verb} {text}{'?' * bool(close)}"
