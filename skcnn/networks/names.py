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
    """Return a sentence that suggests the names that are most similar to an unknown one.

    Parameters
    ----------
    name : object
        Unknown name.
    known : iterable of str
        Known names.
    kind : str, default="backbone"
        What has the name.
    prefix : str, default=""
        Prefix of all names in the sentence.
    listed : str, default=None
        Where the names are listed. None lists all of them if none is similar.

    Returns
    -------
    sentence : str
        Sentence.

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
