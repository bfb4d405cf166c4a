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

        rules: Any = _Rules()
        value, end = make_scanner(rules)(text, 0)
        if end == len(text):
            return value
    except (ImportError, AttributeError, TypeError, StopIteration, SystemError):
        pass  # SystemError: it cannot raise what the package would
    import json

    return json.loads(text, strict=False)


def dump(value: "Any") -> str:
    """The JSON text of a value that `load` may have made."""
    try:
        from _json import encode_basestring_ascii, make_encoder

        nothing: Any = None
        return "".join(
            make_encoder({}, nothing, encode_basestring_ascii, nothing, ":", ",", False, False, False)(value, 0)
        )
    except (ImportError, AttributeError, TypeError):
        import json

        return json.dumps(value, separators=(",", ":"))
