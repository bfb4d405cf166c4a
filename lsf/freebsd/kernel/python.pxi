# The Python face of the shim, for tests: FreeBSD syscalls called in-process. Not part of the image (nothing there
# reaches it). Calls that fork, exec, exit or change signal handlers belong into a forked child of the test.

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer

cdef extern from "runtime.h":
    area_t *hosted_area() noexcept nogil
    int hosted_guard() noexcept nogil
    void hosted_unguard() noexcept nogil

cdef enum:
    HOSTED_OSRELDATE = 1403000      # what a guest finds that nobody told another release


def call(number, *args):
    """Run one FreeBSD syscall in this process: (errno, value, second value), errno being FreeBSD's, 0 for success.

    An argument is an integer or an object with a contiguous buffer, whose address is passed. At most six.
    """
    cdef area_t *area = hosted_area()
    cdef frame_t *frame = area.frame
    cdef Py_buffer views[6]
    cdef int held = 0, i
    cdef long result
    cdef uint32_t nr = number
    if len(args) > 6:
        raise TypeError("a FreeBSD syscall has at most six arguments")
    memset(frame, 0, sizeof(frame_t))
    area.proc.own.osreldate = HOSTED_OSRELDATE
    try:
        for i, value in enumerate(args):
            if isinstance(value, int):
                frame.arg[i] = value & 0xffffffffffffffff
            else:
                PyObject_GetBuffer(value, &views[held], PyBUF_SIMPLE)
                frame.arg[i] = <uint64_t> views[held].buf
                held += 1
        frame.nr = nr
        second = frame.arg[2]
        if nr >= GUEST_NSYSCALLS:
            result = sys_nosys(frame, area)
        elif lsf_pass_nr[nr] >= 0:
            result = linux_syscall6(lsf_pass_nr[nr], frame.arg[0], frame.arg[1], frame.arg[2], frame.arg[3],
                                    frame.arg[4], frame.arg[5])
        else:
            hosted_guard()
            result = lsf_handler[nr](frame, area)
            hosted_unguard()
        if result == -RETURN_IN_AREA:
            return 0, <int64_t> area.retval, frame.arg[2]
        if is_error(result):
            return lsf_errno_map[-result], -1, frame.arg[2]
        return 0, result, frame.arg[2]
    finally:
        for i in range(held):
            PyBuffer_Release(&views[i])


def lookup(rules, path, follow=True, directory=-100):
    """What a path (bytes) means in a view by look-up: Linux's path, None where Linux finds the same by itself, or an errno.

    rules: pairs of bytes, the guest's name and the host's, the longest guest name first.
    """
    cdef char *pairs[2 * LOOKUP_RULES]
    # Not on the stack: the image is built of this file too, and its functions have small ones.
    memory = bytearray(sizeof(process_t) + LOOKUP_PATH)
    cdef process_t *proc = <process_t *> <char *> memory
    cdef char *host = <char *> memory + sizeof(process_t)
    cdef long result
    cdef int i = 0
    flat = [text for pair in rules for text in pair]
    for text in flat:
        pairs[i] = text
        i += 1
    if not lookup_begin(proc, pairs, i // 2):
        raise MemoryError
    result = lookup_path(proc, directory, <uint64_t> <char *> path, follow, host)
    return host if result > 0 else None if result == 0 else -result


def linux_mask(low, high):
    """Linux's signal mask for a FreeBSD one (two 64-bit words), as the shim sets it."""
    cdef uint64_t mask[2]
    mask[0] = low
    mask[1] = high
    return linux_mask_from(mask)


def freebsd_mask(linux):
    """FreeBSD's signal mask (two 64-bit words) for a Linux one."""
    cdef uint64_t mask[2]
    mask_from_linux(linux, mask)
    return mask[0], mask[1]


def instruction(code):
    """What the length decoder says of the instruction at the beginning of `code` (bytes): (length, kind, offset of a
    displacement from rip or 0, target from its end), or None where it does not know it."""
    cdef instruction_t found
    cdef bytes text = code
    if not decode_instruction(<const unsigned char *> <const char *> text, len(text), &found):
        return None
    return found.length, found.kind, found.rip_at, found.leads


def displaced(function, site, calls=True):
    """What a jump may displace before the syscall at offset `site` of a function's text (bytes): (offset, bytes up to the
    syscall), or None. calls: whether calls and syscalls are taken to return."""
    cdef bytes text = function
    cdef uint64_t start = <uint64_t> <const char *> text
    cdef displaced_t found
    if not displaced_before(NULL, start, start + <uint64_t> len(text), start + <uint64_t> site, CALLS_RETURN if calls
                            else CALLS_END, &found):
        return None
    return found.start - start, found.size
