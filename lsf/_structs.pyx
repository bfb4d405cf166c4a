# cython: language_level=3
"""Python's view of the structs and converters of _structs.pxd, for tests.

SIZES gives the size in bytes of every struct ("freebsd_stat") and member ("freebsd_stat.st_dev"), OFFSETS the offset of
every member, CONSTANTS the value of every constant. A converter has the name that it has in the .pxd and takes and
returns `bytes` that hold a struct.
"""
include "structs/layout.pxi"


cdef _read_layout():
    cdef layout_entry entries[LAYOUT_ENTRIES]
    cdef long long values[LAYOUT_CONSTANTS]
    fill_layout(entries)
    fill_constants(values)
    names = _LAYOUT_NAMES.split()
    sizes = {}
    offsets = {}
    for i in range(LAYOUT_ENTRIES):
        sizes[names[i]] = entries[i].size
        if "." in names[i]:
            offsets[names[i]] = entries[i].offset
    names = _LAYOUT_CONSTANTS.split()
    return sizes, offsets, {names[i]: values[i] for i in range(LAYOUT_CONSTANTS)}


SIZES, OFFSETS, CONSTANTS = _read_layout()
