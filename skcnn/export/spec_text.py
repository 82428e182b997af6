"""Description of a network as JSON, and back with a check of each value."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from typing import Any

from skcnn.networks import NetworkSpec

_SCALARS = (str, int, float, bool, type(None))


def spec_to_text(spec: NetworkSpec) -> str:
    """Write a spec as JSON.

    Parameters
    ----------
    spec : NetworkSpec
        Spec of a network of this package or of timm.

    Returns
    -------
    text : str
        JSON.

    Examples
    --------
    >>> from skcnn.export.spec_text import spec_from_text, spec_to_text
    >>> from skcnn.networks import NetworkSpec
    >>> spec = NetworkSpec("plain", 3, 32, 32, n_outputs=10, options={"channels": (16, 32)})
    >>> spec_from_text(spec_to_text(spec)) == spec
    True
    """
    return json.dumps({field.name: getattr(spec, field.name) for field in fields(spec)})


def spec_from_text(text: str) -> NetworkSpec:
    """Read a spec from JSON, which can come from a file of unknown origin.

    Parameters
    ----------
    text : str
        JSON.

    Returns
    -------
    spec : NetworkSpec
        Spec that contains plain data only.

    Raises
    ------
    ValueError
        If the text is not JSON, a value is missing or unknown, or a value has the wrong type.
    """
    values = read_json(text)
    known = {field.name: field for field in fields(NetworkSpec)}
    required = {name for name, field in known.items() if field.default is MISSING}
    if not isinstance(values, dict) or not required <= set(values) <= set(known):
        raise ValueError(
            f"the description of the network must have the keys {sorted(required)}, and may have "
            f"{sorted(set(known) - required)}"
        )
    for name, value in values.items():
        if not _IS_VALID.get(name, _is_int)(value):
            raise ValueError(f"the description of the network has an invalid {name}: {value!r:.80}")
    return NetworkSpec(**values)


def read_json(text: str) -> Any:
    """Read JSON.

    Parameters
    ----------
    text : str
        JSON.

    Returns
    -------
    value : object
        Plain data.

    Raises
    ------
    ValueError
        If the text is not JSON.
    """
    try:
        return json.loads(text)
    except (RecursionError, ValueError) as error:
        raise ValueError(f"{text!r:.80} is not JSON") from error


def _is_int(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _is_name_or_none(value):
    return value is None or isinstance(value, str)


def _is_size_or_none(value):
    return value is None or (
        isinstance(value, list) and len(value) == 2 and all(map(_is_int, value))
    )


def _is_mapping_or_none(value):
    return value is None or (isinstance(value, dict) and all(map(_is_option, value.values())))


def _is_option(value):
    items = value if isinstance(value, list) else [value]
    return all(isinstance(item, _SCALARS) for item in items)


# For the fields of NetworkSpec that are not integers.
_IS_VALID = {
    "name": lambda value: isinstance(value, str),
    "options": _is_mapping_or_none,
    "weights": _is_name_or_none,
    "input_size": _is_size_or_none,
    "backbone": lambda value: isinstance(value, bool),
}
