# cython: language_level=3
"""Python's view of the structs and converters of _structs.pxd, for tests.

SIZES gives the size in bytes of every struct ("freebsd_stat") and member ("freebsd_stat.st_dev"), OFFSETS the offset of
every member, CONSTANTS the value of every constant. `convert` has every converter under its name in the .pxd; it takes
and returns structs as `bytes`. A target is filled with garbage first, so that what a converter leaves out shows.
"""
from libc.string cimport memset, memcpy

include "generated/layout.pxi"


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


cdef int _start(void *source, size_t source_size, bytes data, void *target, size_t target_size) except -1:
    """Copy `data`, which must be one source struct, and fill the target with garbage."""
    if len(data) != <Py_ssize_t>source_size:
        raise ValueError(f"{len(data)} bytes for a struct of {source_size}")
    memcpy(source, <const char *>data, source_size)
    memset(target, 0xa5, target_size)
    return 0


cdef const uint8_t *_table(bytes table, Py_ssize_t entries) except NULL:
    if len(table) != entries:
        raise ValueError(f"a table of {entries} signals has {len(table)} entries")
    return <const uint8_t *><const char *>table


cdef inline bytes _bytes(const void *struct, size_t size):
    return (<const char *>struct)[:size]


# The converters of one struct into another, which are all alike.
include "generated/converters.pxi"


class convert:
    """The converters. See _structs.pxd and the files in lsf/freebsd/abi for what each one does."""

    # --- files --------------------------------------------------------------------------------------------------------

    @staticmethod
    def freebsd_makedev(uint32_t major, uint32_t minor):
        return freebsd_makedev(major, minor)

    @staticmethod
    def freebsd_major(uint64_t dev):
        return freebsd_major(dev)

    @staticmethod
    def freebsd_minor(uint64_t dev):
        return freebsd_minor(dev)

    @staticmethod
    def linux_makedev(uint32_t major, uint32_t minor):
        return linux_makedev(major, minor)

    @staticmethod
    def linux_major(uint64_t dev):
        return linux_major(dev)

    @staticmethod
    def linux_minor(uint64_t dev):
        return linux_minor(dev)

    @staticmethod
    def freebsd_dev_from_linux(uint64_t dev):
        return freebsd_dev_from_linux(dev)

    @staticmethod
    def linux_dev_from_freebsd(uint64_t dev):
        return linux_dev_from_freebsd(dev)

    @staticmethod
    def freebsd_dirent_from_linux(bytes data, uint64_t room):
        """`data` is a linux_dirent64 record. Returns all that was written to a buffer of 512 bytes of garbage."""
        cdef linux_dirent64 source
        cdef char target[512]
        if len(data) > <Py_ssize_t>sizeof(source) or room > sizeof(target):
            raise ValueError("record or room too large")
        memset(&source, 0x5a, sizeof(source))
        memcpy(&source, <const char *>data, len(data))
        memset(target, 0xa5, sizeof(target))
        size = freebsd_dirent_from_linux(target, room, &source)
        return size, _bytes(target, sizeof(target))

    @staticmethod
    def freebsd11_dirent_from_linux(bytes data, uint64_t room):
        """As freebsd_dirent_from_linux."""
        cdef linux_dirent64 source
        cdef char target[512]
        if len(data) > <Py_ssize_t>sizeof(source) or room > sizeof(target):
            raise ValueError("record or room too large")
        memset(&source, 0x5a, sizeof(source))
        memcpy(&source, <const char *>data, len(data))
        memset(target, 0xa5, sizeof(target))
        size = freebsd11_dirent_from_linux(target, room, &source)
        return size, _bytes(target, sizeof(target))

    # --- file systems -------------------------------------------------------------------------------------------------

    @staticmethod
    def freebsd_inotify_events_from_linux(bytes data):
        cdef bytes copy = bytes(bytearray(data))
        cdef char *place = copy
        return copy[:freebsd_inotify_events_from_linux(place, <uint64_t> len(data))]

    @staticmethod
    def copy_text(bytes text, uint64_t room):
        """`text` None stands for NULL. Returns the length and a buffer of 64 bytes, garbage where it was not written."""
        cdef char target[64]
        cdef const char *source = NULL
        if room > sizeof(target) or room == 0:
            raise ValueError("room")
        if text is not None:
            source = text
        memset(target, 0xa5, sizeof(target))
        length = copy_text(target, source, room)
        return length, _bytes(target, sizeof(target))

    @staticmethod
    def fstype_from_linux(uint32_t magic):
        cdef lsf_fstype *row = fstype_from_linux(magic)
        return row.name, bool(row.local)

    @staticmethod
    def fstypes():
        """The whole table: [(magic, name, local)]."""
        cdef lsf_fstype *row = lsf_fstypes
        rows = []
        while row.magic != 0:
            rows.append((row.magic, row.name, bool(row.local)))
            row += 1
        return rows

    @staticmethod
    def freebsd_mount_flags_from_linux(uint64_t flags):
        return freebsd_mount_flags_from_linux(flags)

    @staticmethod
    def freebsd_statfs_from_linux(bytes data, bytes mounted_from, bytes mounted_on):
        cdef linux_statfs source
        cdef freebsd_statfs target
        cdef const char *place_from = NULL
        cdef const char *place_on = NULL
        if mounted_from is not None:
            place_from = mounted_from
        if mounted_on is not None:
            place_on = mounted_on
        _start(&source, sizeof(source), data, &target, sizeof(target))
        freebsd_statfs_from_linux(&target, &source, place_from, place_on)
        return _bytes(&target, sizeof(target))

    # --- signals ------------------------------------------------------------------------------------------------------

    @staticmethod
    def linux_sigset_from_freebsd(bytes data, bytes to_linux):
        cdef freebsd_sigset source
        cdef char unused
        _start(&source, sizeof(source), data, &unused, 1)
        return linux_sigset_from_freebsd(&source, _table(to_linux, 129))

    @staticmethod
    def freebsd_sigset_from_linux(uint64_t mask, bytes from_linux, bytes to_linux):
        cdef freebsd_sigset target
        memset(&target, 0xa5, sizeof(target))
        freebsd_sigset_from_linux(&target, mask, _table(from_linux, 65), _table(to_linux, 129))
        return _bytes(&target, sizeof(target))

    @staticmethod
    def freebsd_trapno_from_linux(uint64_t trapno):
        return freebsd_trapno_from_linux(trapno)

    @staticmethod
    def linux_trapno_from_freebsd(uint32_t trapno):
        return linux_trapno_from_freebsd(trapno)

    @staticmethod
    def freebsd_siginfo_from_linux(bytes data, int32_t signo, int32_t code, bytes from_linux):
        cdef linux_siginfo source
        cdef freebsd_siginfo target
        _start(&source, sizeof(source), data, &target, sizeof(target))
        freebsd_siginfo_from_linux(&target, &source, signo, code, _table(from_linux, 65))
        return _bytes(&target, sizeof(target))

    @staticmethod
    def linux_siginfo_from_freebsd(bytes data, int32_t signo, int32_t code, bytes to_linux):
        cdef freebsd_siginfo source
        cdef linux_siginfo target
        _start(&source, sizeof(source), data, &target, sizeof(target))
        linux_siginfo_from_freebsd(&target, &source, signo, code, _table(to_linux, 129))
        return _bytes(&target, sizeof(target))

    @staticmethod
    def freebsd_mcontext_from_linux(bytes data, bytes fpstate, uint64_t fsbase, uint64_t gsbase):
        """`fpstate` is None or at least 512 bytes."""
        cdef linux_sigcontext source
        cdef freebsd_mcontext target
        cdef const char *image = NULL
        if fpstate is not None:
            if len(fpstate) < FXSAVE_SIZE:
                raise ValueError("an FXSAVE image has 512 bytes")
            image = fpstate
        _start(&source, sizeof(source), data, &target, sizeof(target))
        freebsd_mcontext_from_linux(&target, &source, image, fsbase, gsbase)
        return _bytes(&target, sizeof(target))

    @staticmethod
    def freebsd_xfpustate_from_linux(bytes fpstate, uint64_t room):
        """Returns the length and what a buffer of `room` bytes of garbage holds afterwards."""
        if len(fpstate) < FXSAVE_SIZE or linux_xstate_size(<const char *>fpstate) > <uint64_t>len(fpstate):
            raise ValueError("the image is shorter than it says")
        target = bytearray(b"\xa5" * room)
        cdef char *place = target
        length = freebsd_xfpustate_from_linux(place, room, <const char *>fpstate)
        return length, bytes(target)

    @staticmethod
    def linux_fpstate_from_freebsd(uint64_t room, bytes data, bytes xfpustate, uint64_t xfeatures, uint32_t mxcsr_mask):
        """Returns the result and what a buffer of `room` bytes of garbage holds afterwards."""
        cdef freebsd_mcontext source
        cdef char unused
        cdef const char *extended = NULL
        cdef uint64_t length = 0
        _start(&source, sizeof(source), data, &unused, 1)
        if xfpustate is not None:
            extended = xfpustate
            length = <uint64_t>len(xfpustate)
        target = bytearray(b"\xa5" * room)
        cdef char *place = target
        result = linux_fpstate_from_freebsd(place, room, &source, extended, length, xfeatures, mxcsr_mask)
        return result, bytes(target)

    # --- processes ----------------------------------------------------------------------------------------------------

    @staticmethod
    def freebsd_msqid_ds_from_linux(bytes data, uint64_t held):
        cdef linux_msqid_ds source
        cdef freebsd_msqid_ds target
        _start(&source, sizeof(source), data, &target, sizeof(target))
        freebsd_msqid_ds_from_linux(&target, &source, held)
        return _bytes(&target, sizeof(target))

    @staticmethod
    def freebsd_kinfo_proc_from_facts(dict facts):
        """The facts by their names in lsf_process_facts; texts are bytes or None, times (seconds, microseconds), rusages
        and signal sets bytes, groups a list."""
        cdef lsf_process_facts given
        cdef freebsd_kinfo_proc target
        cdef uint32_t groups[64]
        cdef freebsd_rusage usage
        cdef freebsd_sigset signals
        cdef char unused
        memset(&given, 0, sizeof(given))
        memset(&target, 0xa5, sizeof(target))
        given.pid = facts["pid"]
        given.ppid = facts["ppid"]
        given.pgid = facts["pgid"]
        given.sid = facts["sid"]
        given.tpgid = facts["tpgid"]
        given.tid = facts["tid"]
        given.threads = facts["threads"]
        given.processor = facts["processor"]
        given.tracer = facts["tracer"]
        given.nice = facts["nice"]
        given.osreldate = facts["osreldate"]
        given.uid = facts["uid"]
        given.ruid = facts["ruid"]
        given.svuid = facts["svuid"]
        given.gid = facts["gid"]
        given.rgid = facts["rgid"]
        given.svgid = facts["svgid"]
        if len(facts["groups"]) > 64:
            raise ValueError("too many groups for this test face")
        given.group_count = <uint32_t>len(facts["groups"])
        for i, group in enumerate(facts["groups"]):
            groups[i] = group
        given.groups = groups
        given.terminal = facts["terminal"]
        given.size = facts["size"]
        given.resident_pages = facts["resident_pages"]
        given.text_pages = facts["text_pages"]
        given.data_pages = facts["data_pages"]
        given.stack_pages = facts["stack_pages"]
        given.start.tv_sec, given.start.tv_usec = facts["start"]
        given.now.tv_sec, given.now.tv_usec = facts["now"]
        _start(&usage, sizeof(usage), facts["self"], &unused, 1)
        given.self = usage
        _start(&usage, sizeof(usage), facts["children"], &unused, 1)
        given.children = usage
        given.state = ord(facts["state"])
        comm, thread_name, wait_message, login = (
            facts["comm"], facts["thread_name"], facts["wait_message"], facts["login"])
        given.comm = <const char *>comm if comm is not None else NULL
        given.thread_name = <const char *>thread_name if thread_name is not None else NULL
        given.wait_message = <const char *>wait_message if wait_message is not None else NULL
        given.login = <const char *>login if login is not None else NULL
        _start(&signals, sizeof(signals), facts["pending"], &unused, 1)
        given.pending = signals
        _start(&signals, sizeof(signals), facts["mask"], &unused, 1)
        given.mask = signals
        _start(&signals, sizeof(signals), facts["ignored"], &unused, 1)
        given.ignored = signals
        _start(&signals, sizeof(signals), facts["caught"], &unused, 1)
        given.caught = signals
        freebsd_kinfo_proc_from_facts(&target, &given)
        return _bytes(&target, sizeof(target))

    @staticmethod
    def packed_kinfo_size(uint64_t path_offset, uint64_t path_length):
        return packed_kinfo_size(path_offset, path_length)

    # --- sockets ------------------------------------------------------------------------------------------------------

    @staticmethod
    def linux_family_from_freebsd(int family):
        return linux_family_from_freebsd(family)

    @staticmethod
    def freebsd_family_from_linux(int family):
        return freebsd_family_from_linux(family)

    @staticmethod
    def linux_sockaddr_from_freebsd(bytes data, uint64_t room):
        """Returns the result and a buffer of 300 bytes, garbage where it was not written."""
        cdef char target[300]
        if room > sizeof(target):
            raise ValueError("room")
        memset(target, 0xa5, sizeof(target))
        result = linux_sockaddr_from_freebsd(target, room, <const char *>data, <uint64_t>len(data))
        return result, _bytes(target, sizeof(target))

    @staticmethod
    def freebsd_sockaddr_from_linux(bytes data, uint64_t room):
        """As linux_sockaddr_from_freebsd."""
        cdef char target[300]
        if room > sizeof(target):
            raise ValueError("room")
        memset(target, 0xa5, sizeof(target))
        result = freebsd_sockaddr_from_linux(target, room, <const char *>data, <uint64_t>len(data))
        return result, _bytes(target, sizeof(target))

    @staticmethod
    def linux_bound_path(bytes path, uint64_t nuls):
        """None where there is no room."""
        cdef char target[108]
        length = linux_bound_path(target, <const char *>path, <uint64_t>len(path), nuls)
        return None if length < 0 else _bytes(target, <size_t>length)

    @staticmethod
    def freebsd_bound_path(bytes path):
        """The path and the number of NULs behind it."""
        cdef char target[104]
        cdef uint64_t nuls = 0
        length = freebsd_bound_path(target, <const char *>path, <uint64_t>len(path), &nuls)
        return _bytes(target, <size_t>length), nuls

    @staticmethod
    def linux_cmsgs_from_freebsd(bytes data, uint64_t room):
        """Returns the result and a buffer of 4096 bytes, garbage where it was not written."""
        cdef char target[4096]
        if room > sizeof(target):
            raise ValueError("room")
        memset(target, 0xa5, sizeof(target))
        result = linux_cmsgs_from_freebsd(target, room, <const char *>data, <uint64_t>len(data))
        return result, _bytes(target, sizeof(target))

    @staticmethod
    def freebsd_cmsgs_from_linux(bytes data, uint64_t room, uint32_t flags, bytes asked):
        """asked: a struct lsf_received. Returns the length, the flags and a buffer of 4096 bytes, garbage where it was not written."""
        cdef char target[4096]
        if room > sizeof(target):
            raise ValueError("room")
        if len(asked) != sizeof(lsf_received):
            raise ValueError("asked")
        memset(target, 0xa5, sizeof(target))
        length = freebsd_cmsgs_from_linux(target, room, <const char *>data, <uint64_t>len(data), &flags,
                                          <const lsf_received *> <const char *> asked)
        return length, flags, _bytes(target, sizeof(target))

    # --- terminals ----------------------------------------------------------------------------------------------------

    @staticmethod
    def freebsd_termios_default():
        cdef freebsd_termios target
        memset(&target, 0xa5, sizeof(target))
        freebsd_termios_default(&target)
        return _bytes(&target, sizeof(target))

    @staticmethod
    def linux_termios2_from_freebsd(bytes data, bytes current):
        """`current` None stands for NULL."""
        cdef freebsd_termios source
        cdef linux_termios2 target
        cdef linux_termios2 now
        cdef char unused
        _start(&source, sizeof(source), data, &target, sizeof(target))
        if current is None:
            linux_termios2_from_freebsd(&target, &source, NULL)
        else:
            _start(&now, sizeof(now), current, &unused, 1)
            linux_termios2_from_freebsd(&target, &source, &now)
        return _bytes(&target, sizeof(target))


for _name, _converter in list(vars(plain_converters).items()):
    if not _name.startswith("_"):
        setattr(convert, _name, _converter)
