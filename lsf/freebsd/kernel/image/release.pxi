# FreeBSD's number for a release.

cdef uint32_t release_number(const char *text) noexcept nogil:
    """FreeBSD's number for a release: 1401000 for "14.1-RELEASE", "14.1" or "1401000"; 0 for what is none. The first release of
    a series has what CURRENT had counted up to (lsf/roots/__init__.py)."""
    cdef int64_t major = 0, minor = 0, bump = 0
    if not c'0' <= text[0] <= c'9':
        return 0
    text = parse_number(text, &major)
    if text[0] == 0:
        return <uint32_t> major if 100000 <= major <= 9999999 else 0
    if text[0] != c'.' or not c'0' <= text[1] <= c'9':
        return 0
    text = parse_number(text + 1, &minor)
    if (text[0] != 0 and text[0] != c'-') or not 0 < major < 100 or not 0 <= minor < 100:
        return 0
    if minor == 0:
        bump = 97 if major == 14 else 68 if major == 15 else 0
    return <uint32_t> (major * 100000 + minor * 1000 + bump)
