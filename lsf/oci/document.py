"""Reads and writes the JSON of a bundle.

The package json imports re, which takes longer than all else that is done here. What is compiled of it does without, and does the
same; where a Python has it otherwise, the package does it.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Rules:
    """What the scanner asks of its JSONDecoder."""

    strict = False
    object_hook = object_pairs_hook = array_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float
    memo: "dict[str, str]" = {}


def load(text: str) -> "Any":
    """The value of a JSON text. Raises ValueError."""
    text = text.strip(" \t\r\n")
    try:
        from _json import make_scanner

        value, end = make_scanner(_Rules())(text, 0)
    except (ImportError, AttributeError, TypeError):
        import json

        return json.loads(text, strict=False)
    except StopIteration:
        raise ValueError("there is no value") from None
    if end != len(text):
        raise ValueError(f"there is more behind it, at character {end}")
    return value


def dump(value: "Any") -> str:
    """The JSON text of a value that `load` may have made."""
    try:
        from _json import encode_basestring_ascii, make_encoder

        return "".join(make_encoder({}, None, encode_basestring_ascii, None, ":", ",", False, False, False)(value, 0))
    except (ImportError, AttributeError, TypeError):
        import json

        return json.dumps(value, separators=(",", ":"))
