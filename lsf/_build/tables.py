"""Everything that is generated from the tables and the sources, for setup.py and `python -m lsf._build`."""

from __future__ import annotations

from . import converters, generate, layout


def tables() -> None:
    """Generate what the sources include into lsf/generated. A file that would not change is not rewritten."""
    generate.generate(layout.OUTPUT.parent)
    layout.main()
    converters.main()
