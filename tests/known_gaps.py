"""What the guest tests ask for and LSF does not have yet: the one list, which only shrinks.

Key: `GUEST.CASE`, or `GUEST.CASE@ENGINE` for one engine. Value: the reason. A gap that works fails the suite
(strict xfail), so that its line is removed here.
"""

KNOWN_GAPS: dict[str, str] = {
    "files_open.executable_is_busy": "Linux denies writes to the text that it executes itself, not to what the shim maps",
}
