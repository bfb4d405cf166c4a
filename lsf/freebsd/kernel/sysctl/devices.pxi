# What sysctl tells of devices: kern.devstat, which iostat(8), vmstat(8) and systat(1) read, and the interrupts.
# Model: FreeBSD sys/kern/subr_devstat.c, kern_intr.c (sysctl_intrcnt, sysctl_intrnames).

cdef enum:
    DEVICE_TEXT = 65536                 # room for /proc/diskstats and /proc/interrupts
    INTERRUPT_NAME = 20                 # bytes of each name, with its NUL: MAXCOMLEN + 1
    DISK_NAME = 32                      # Linux's DISK_NAME_LEN
    SECTOR = 512                        # the unit of /proc/diskstats, whatever the disk's is
    DEVSTAT_TYPE_IF_OTHER = 0x30        # <sys/devicestat.h>
    DEVSTAT_PRIORITY_DISK = 0x110


cdef const char *word_after(const char *at, char *word, uint64_t size) noexcept nogil:
    """Copy the next word, cut to `size`; where the text goes on."""
    cdef uint64_t i = 0
    while at[0] == c' ':
        at += 1
    while at[0] != 0 and at[0] != c' ' and at[0] != c'\n':
        if i + 1 < size:
            word[i] = at[0]
            i += 1
        at += 1
    word[i] = 0
    return at


cdef const char *line_after(const char *at) noexcept nogil:
    while at[0] != 0 and at[0] != c'\n':
        at += 1
    return at + 1 if at[0] == c'\n' else at


cdef bint is_disk(const char *name, const char *before) noexcept nogil:
    """True for a whole disk that is a device: no loop, no memory, and no partition of the disk `before` it in the list."""
    cdef uint64_t at = string_length(before)
    if string_starts(name, b"loop") or string_starts(name, b"ram") or string_starts(name, b"zram") or string_starts(name, b"dm-"):
        return False
    if at == 0 or not string_starts(name, before):
        return True
    if name[at] == c'p':
        at += 1
    if not c'0' <= name[at] <= c'9':
        return True
    while c'0' <= name[at] <= c'9':
        at += 1
    return name[at] != 0


cdef void milliseconds_in(freebsd_bintime *to, int64_t value) noexcept nogil:
    to.sec = value // 1000
    to.frac = <uint64_t> (value % 1000) * 18446744073709551UL         # 2^64 / 1000


cdef void name_disk(freebsd_devstat *disk, const char *name) noexcept nogil:
    """FreeBSD's devices are a driver's name and a number: sda is sd0, vdb vd1, nvme0n1 nvme0n and 1."""
    cdef uint64_t length = string_length(name), i
    cdef int64_t number = 0
    if c'0' <= name[length - 1] <= c'9':
        while length > 0 and c'0' <= name[length - 1] <= c'9':
            length -= 1
        parse_number(name + length, &number)
    elif c'a' <= name[length - 1] <= c'z' and length > 1:
        length -= 1
        number = name[length] - 97
    for i in range(length if length < 15 else 15):
        disk.device_name[i] = name[i]
    disk.unit_number = <int32_t> number


cdef const char *disk_of_line(const char *at, char *name, freebsd_devstat *disk) noexcept nogil:
    """A line of /proc/diskstats; where the next begins."""
    cdef int64_t field[17]
    cdef const char *rest = at
    cdef int i
    memset(disk, 0, sizeof(freebsd_devstat))
    memset(field, 0, sizeof(field))
    for i in range(2):
        rest = parse_number(rest, &field[i])
    rest = word_after(rest, name, DISK_NAME)
    for i in range(17):
        if rest[0] != c' ':
            break
        rest = parse_number(rest, &field[i])
    if name[0] == 0:
        return line_after(at)
    name_disk(disk, name)
    disk.allocated = 1
    disk.operations[1] = <uint64_t> field[0]
    disk.bytes[1] = <uint64_t> field[2] * SECTOR
    milliseconds_in(&disk.duration[1], field[3])
    disk.operations[2] = <uint64_t> field[4]
    disk.bytes[2] = <uint64_t> field[6] * SECTOR
    milliseconds_in(&disk.duration[2], field[7])
    disk.operations[3] = <uint64_t> field[11]
    disk.bytes[3] = <uint64_t> field[13] * SECTOR
    milliseconds_in(&disk.duration[3], field[14])
    disk.operations[0] = <uint64_t> field[15]
    milliseconds_in(&disk.duration[0], field[16])
    milliseconds_in(&disk.busy_time, field[9])
    disk.end_count = <uint32_t> (field[0] + field[4] + field[11] + field[15])
    disk.start_count = disk.end_count + <uint32_t> field[8]
    disk.block_size = SECTOR
    disk.device_type = DEVSTAT_TYPE_IF_OTHER
    disk.priority = DEVSTAT_PRIORITY_DISK
    return line_after(at)


cdef long devstat_list(sysctl_request_t *request, int32_t *count) noexcept nogil:
    """Count the disks; with a request, append the record of each."""
    cdef freebsd_devstat disk
    cdef char name[DISK_NAME]
    cdef char before[DISK_NAME]
    cdef uint64_t buffer = map_memory(DEVICE_TEXT)
    cdef const char *at = <char *> buffer
    cdef long result = 0
    count[0] = 0
    before[0] = 0
    if buffer == 0:
        return -LINUX_ENOMEM
    if read_file(b"/proc/diskstats", <char *> buffer, DEVICE_TEXT) > 0:
        while at[0] != 0 and result == 0:
            at = disk_of_line(at, name, &disk)
            if name[0] == 0 or not is_disk(name, before):
                continue
            memcpy(before, name, DISK_NAME)
            disk.device_number = <uint32_t> count[0]
            disk.id = <uint64_t> count[0] + 1
            count[0] += 1
            if request != NULL:
                result = sysctl_out(request, &disk, sizeof(disk))
    linux_syscall2(LINUX_SYS_munmap, buffer, DEVICE_TEXT)
    return result


cdef public long sysctl_devstat_count(sysctl_request_t *request) noexcept nogil:
    cdef int32_t count = 0
    cdef long result = devstat_list(NULL, &count)
    return result if result < 0 else sysctl_out_number(request, count)


cdef int64_t devstat_generation() noexcept nogil:
    """It changes when a disk comes or goes: here by their number."""
    cdef int32_t count = 0
    devstat_list(NULL, &count)
    return count + 1


cdef public long sysctl_devstat_generation(sysctl_request_t *request) noexcept nogil:
    return sysctl_out_number(request, devstat_generation())


cdef public long sysctl_devstat(sysctl_request_t *request) noexcept nogil:
    """kern.devstat.all: the generation and a record for each disk."""
    cdef int64_t generation = devstat_generation()
    cdef int32_t count = 0
    cdef long result = sysctl_out(request, &generation, 8)
    return result if result < 0 else devstat_list(request, &count)


# Interrupts

cdef const char *interrupt_of_line(const char *at, int cpus, char *name, int64_t *count) noexcept nogil:
    """A line of /proc/interrupts: its sum over the processors, and FreeBSD's name: "irq16: device", or what Linux calls it. Where
    the next line begins."""
    cdef char label[INTERRUPT_NAME]
    cdef char word[INTERRUPT_NAME]
    cdef int64_t one = 0
    cdef uint64_t end
    cdef int i
    cdef const char *rest = word_after(at, label, sizeof(label))
    count[0] = 0
    for i in range(cpus):
        while rest[0] == c' ':
            rest += 1
        if not c'0' <= rest[0] <= c'9':
            break
        rest = parse_number(rest, &one)
        count[0] += one
    word[0] = 0
    while rest[0] != 0 and rest[0] != c'\n':
        while rest[0] == c' ':
            rest += 1
        if rest[0] != 0 and rest[0] != c'\n':
            rest = word_after(rest, word, sizeof(word))
    end = 0
    if c'0' <= label[0] <= c'9':
        end = append(name, 0, INTERRUPT_NAME, b"irq")
        end = append(name, end, INTERRUPT_NAME, label)
        end = append(name, end, INTERRUPT_NAME, b" ")
        end = append(name, end, INTERRUPT_NAME, word)
    else:
        end = append(name, 0, INTERRUPT_NAME, label)
        if end > 0 and end < INTERRUPT_NAME and name[end - 1] == c':':
            end -= 1
    while end + 1 < INTERRUPT_NAME:
        name[end] = c' '
        end += 1
    name[INTERRUPT_NAME - 1] = 0
    return line_after(at)


cdef int interrupt_columns(const char *text) noexcept nogil:
    """How many processors the first line of /proc/interrupts names."""
    cdef int columns = 0
    while text[0] != 0 and text[0] != c'\n':
        if text[0] == c'C':
            columns += 1
        text += 1
    return columns


cdef public long sysctl_interrupts(sysctl_request_t *request) noexcept nogil:
    """hw.intrcnt (0): a counter for each interrupt; hw.intrnames (1): their names, each of INTERRUPT_NAME bytes with blanks."""
    cdef char name[INTERRUPT_NAME]
    cdef uint64_t buffer = map_memory(DEVICE_TEXT)
    cdef const char *at = <char *> buffer
    cdef int64_t count = 0
    cdef long result = 0
    cdef int columns
    if buffer == 0:
        return -LINUX_ENOMEM
    if read_file(b"/proc/interrupts", <char *> buffer, DEVICE_TEXT) > 0:
        columns = interrupt_columns(at)
        at = line_after(at)
        while at[0] != 0 and result == 0:
            at = interrupt_of_line(at, columns, name, &count)
            result = sysctl_out(request, name, INTERRUPT_NAME) if request.row.value else sysctl_out(request, &count, 8)
    linux_syscall2(LINUX_SYS_munmap, buffer, DEVICE_TEXT)
    return result


cdef public long sysctl_bootmethod(sysctl_request_t *request) noexcept nogil:
    """How the machine was started: by UEFI where Linux has its variables."""
    cdef char text[2048]
    if read_file(b"/proc/filesystems", text, sizeof(text)) > 0 and find_text(text, b"nodev\tefivarfs") != NULL:
        return sysctl_out_string(request, b"UEFI")
    return sysctl_out_string(request, b"BIOS")


cdef public long sysctl_msgbuf(sysctl_request_t *request) noexcept nogil:
    """kern.msgbuf: what the kernel has said, which is Linux; EPERM for who may not read it (kernel.dmesg_restrict)."""
    cdef long size = linux_syscall3(LINUX_SYS_syslog, LINUX_SYSLOG_ACTION_SIZE_BUFFER, 0, 0), result
    cdef uint64_t buffer
    if is_error(size):
        return -LINUX_EPERM
    buffer = map_memory(page_up(<uint64_t> size + 1))
    if buffer == 0:
        return -LINUX_ENOMEM
    result = linux_syscall3(LINUX_SYS_syslog, LINUX_SYSLOG_ACTION_READ_ALL, buffer, size)
    if not is_error(result):
        result = sysctl_out(request, <void *> buffer, <uint64_t> result + 1)
    linux_syscall2(LINUX_SYS_munmap, buffer, page_up(<uint64_t> size + 1))
    return result


cdef public long sysctl_msgbuf_readable(sysctl_request_t *request) noexcept nogil:
    """security.bsd.unprivileged_read_msgbuf: whether Linux lets a user read what the kernel has said."""
    cdef char text[8]
    return sysctl_out_number(request, read_file(b"/proc/sys/kernel/dmesg_restrict", text, sizeof(text)) <= 0 or text[0] == c'0')
