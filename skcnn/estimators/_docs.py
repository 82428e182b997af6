"""Documentation of parameters and attributes that estimators inherit."""

from __future__ import annotations

import re
from inspect import cleandoc, signature
from typing import TypeVar

_Class = TypeVar("_Class", bound=type)
_SECTION = re.compile(r"^(\S[^\n]*)\n-{3,}\n", re.M)
_ENTRY = re.compile(r"^(?=\w+ : )", re.M)


def inherit_documentation(cls: _Class) -> _Class:
    """Complete the docstring of a class with the entries of its base classes.

    Base classes document the parameters and attributes that they add, in the sections Parameters
    and Attributes. The decorated class gets both sections with all entries: parameters in the order
    of its constructor, attributes in the order of the base classes. An entry of a subclass replaces
    that of its base.

    Parameters
    ----------
    cls : type
        Class whose docstring begins with a summary.

    Returns
    -------
    cls : type
        The class itself.
    """
    if cls.__doc__ is None:  # python -OO
        return cls
    sections = _sections(cls.__doc__)
    summary = {"": sections.pop("")}
    inherited = {name: _inherited_entries(cls, name) for name in ("Parameters", "Attributes")}
    inherited["Parameters"] = {
        name: inherited["Parameters"][name] for name in signature(cls).parameters
    }
    inherited_sections = {name: "\n".join(entries.values()) for name, entries in inherited.items()}
    cls.__doc__ = "\n\n".join(
        f"{title}\n{'-' * len(title)}\n{text}" if title else text
        for title, text in {
            **summary,
            **inherited_sections,
            **(sections | inherited_sections),
        }.items()
    )
    return cls


def _inherited_entries(cls, section):
    """Return the entries of a section of a class and its bases by name."""
    entries = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("skcnn."):
            entries |= _entries(_sections(base.__doc__ or "").get(section, ""))
    return entries


def _sections(docstring):
    """Split a docstring into sections by title; the text before the first has the title ""."""
    parts = _SECTION.split(cleandoc(docstring))
    texts = dict(zip(parts[1::2], parts[2::2], strict=True))
    return {name: text.strip() for name, text in {"": parts[0], **texts}.items()}


def _entries(section):
    """Split a section into its entries by name."""
    texts = [text.rstrip() for text in _ENTRY.split(section) if text.strip()]
    return {text.split(" : ")[0]: text for text in texts}
