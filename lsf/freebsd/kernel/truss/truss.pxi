# Tracing from inside: every call of a traced process goes through the hook truss_call, which writes truss's line. A line is one
# write(2), so that threads and processes may share a file. Arguments: truss_argument.pxi. Model: usr.bin/truss/setup.c.

cdef enum:
    TRUSS_LINE = 4096                   # as much as a pipe takes whole, and with one free place (PIPE_BUF)
    TRUSS_PATIENCE = 1000               # milliseconds that a signal to the program waits for who reads the lines


cdef long truss_call(frame_t *frame, area_t *area, uint64_t rest) noexcept nogil:
    """Run a call and write its line: when it has returned, or before where it does not return."""
    cdef process_t *proc = area.proc
    cdef char pieces_text[2048]
    cdef uint16_t starts[9]
    cdef char line_text[TRUSS_LINE]
    cdef text_t pieces, line
    cdef truss_t call
    cdef int i, pid = proc.pid
    cdef long result
    if proc.own.truss_over:
        return run_hooks(frame, area, rest)
    pieces.start = pieces_text
    pieces.at = 0
    pieces.size = sizeof(pieces_text)
    line.start = line_text
    line.at = 0
    line.size = TRUSS_LINE - 2
    truss_begin(frame, &call)
    if call.nr == FREEBSD_SYS_fork or call.nr == FREEBSD_SYS_vfork or call.nr == FREEBSD_SYS_rfork or call.nr == FREEBSD_SYS_pdfork \
            or call.nr == FREEBSD_SYS_pdrfork:
        proc.own.truss_pids = 1
    truss_unimplemented(area, &call, &line)
    # What the call may overwrite is printed first; what it writes, afterwards.
    for i in range(call.narg):
        starts[i] = pieces.at
        if not truss_deferred(&call, i):
            put_argument(&pieces, &call, i)
    starts[call.narg] = pieces.at
    if call.nr == FREEBSD_SYS_exit or call.nr == FREEBSD_SYS_thr_exit or call.nr == FREEBSD_SYS_sigreturn:
        truss_head(proc, &call, &line, &pieces, starts)
        put(&line, b" EJUSTRETURN\n" if call.nr == FREEBSD_SYS_sigreturn else b"\n")
        truss_write(area, &line, False)
        if call.nr == FREEBSD_SYS_exit:
            truss_exit(area, call.arg[0] & 0xff, &line)
        return run_hooks(frame, area, rest)
    area.own.truss_call = &call
    area.own.truss_pieces = &pieces
    area.own.truss_starts = starts
    result = run_hooks(frame, area, rest)
    area.own.truss_call = NULL
    if proc.pid != pid:
        truss_new_process(area, False)
        return result
    truss_result(area, &call, result)
    truss_head(proc, &call, &line, &pieces, starts)
    truss_tail(area, &call, &line, result)
    truss_write(area, &line, False)
    return result


cdef void truss_begin(frame_t *frame, truss_t *call) noexcept nogil:
    """Take the number and the arguments, those of the call within for syscall(2) and __syscall(2)."""
    cdef int i
    cdef uint64_t shift = 0
    call.nr = frame.nr
    for i in range(6):
        call.arg[i] = frame.arg[i]
    call.arg[6] = 0
    call.arg[7] = 0
    if frame.nr == FREEBSD_SYS_syscall or frame.nr == FREEBSD_SYS___syscall:
        call.nr = <uint32_t> frame.arg[0]
        shift = 8
        for i in range(5):
            call.arg[i] = frame.arg[i + 1]
        fetch_guest64(frame.rsp + 8, &call.arg[5])
    call.call = &lsf_decode[call.nr if call.nr < GUEST_NSYSCALLS else 0]
    if call.call.narg > 6:
        fetch_guest64(frame.rsp + 8 + shift, &call.arg[6])
    call.narg = call.call.narg
    # The mode of an open and the argument of a question are not there.
    if ((call.nr == FREEBSD_SYS_open and not call.arg[1] & FREEBSD_O_CREAT)
            or (call.nr == FREEBSD_SYS_openat and not call.arg[2] & FREEBSD_O_CREAT)
            or (call.nr == FREEBSD_SYS_fcntl and (call.arg[1] == FREEBSD_F_GETFD or call.arg[1] == FREEBSD_F_GETFL
                                              or call.arg[1] == FREEBSD_F_GETOWN))):
        call.narg -= 1
    call.after = False
    call.failed = False
    call.result = 0


cdef bint truss_deferred(truss_t *call, int index) noexcept nogil:
    """True for an argument that is printed when the call is over."""
    cdef const lsf_decode_arg_t *argument = &lsf_decode_args[call.call.arg + index]
    cdef int kind = argument.kind
    if not argument.direction & LSF_OUT:
        # The vector is read, and what it names is written to.
        return kind == LSF_KIND_IOVEC and (call.nr == FREEBSD_SYS_readv or call.nr == FREEBSD_SYS_preadv)
    if not argument.direction & LSF_IN:
        return True
    return (kind == LSF_KIND_INTP or kind == LSF_KIND_LONGP or kind == LSF_KIND_OFFP or kind == LSF_KIND_MSGHDR
            or kind == LSF_KIND_BUF)


cdef void truss_prefix(process_t *proc, text_t *line) noexcept nogil:
    """`  PID: ` as truss -f writes it, once there is more than one process."""
    cdef uint64_t pid = <uint64_t> proc.pid
    line.at = 0
    if not proc.own.truss_pids:
        return
    while pid < 10000:
        put_char(line, 32)
        pid = pid * 10 if pid else 100000
    put_unsigned(line, <uint64_t> proc.pid)
    put(line, b": ")


cdef void truss_unimplemented(area_t *area, truss_t *call, text_t *line) noexcept nogil:
    """Say, once for each call, that LSF does not have it."""
    cdef process_t *proc = area.proc
    cdef bint known = call.nr < GUEST_NSYSCALLS and call.call.name != 0
    cdef uint64_t slot = call.nr if call.nr < 640 else 639
    if known and (lsf_pass_nr[call.nr] >= 0 or lsf_refuse_errno[call.nr] != GUEST_ERRNO + 78
                  or lsf_handler[call.nr] != sys_refuse):
        return
    if proc.own.unknown_reported[slot >> 6] >> (slot & 63) & 1:
        return
    proc.own.unknown_reported[slot >> 6] |= 1UL << (slot & 63)
    truss_prefix(proc, line)
    put(line, b"-- UNIMPLEMENTED FreeBSD SYSCALL " if known else b"-- UNKNOWN FreeBSD SYSCALL ")
    put_unsigned(line, call.nr)
    if known:
        put(line, b" (")
        put(line, &lsf_strings[call.call.name])
        put_char(line, 41)
    put(line, b" --\n")
    truss_write(area, line, False)


cdef void truss_head(process_t *proc, truss_t *call, text_t *line, text_t *pieces, uint16_t *starts) noexcept nogil:
    """`name(arguments)` and the tabs."""
    cdef int i
    cdef char keep
    cdef uint64_t tabs
    truss_prefix(proc, line)
    if call.nr >= GUEST_NSYSCALLS or call.call.name == 0:
        put_char(line, 35)
        put_unsigned(line, call.nr)
        put_char(line, 40)
        for i in range(6):
            if i:
                put_char(line, 44)
            put_hex(line, call.arg[i])
    else:
        put(line, &lsf_strings[call.call.name])
        put_char(line, 40)
        for i in range(call.narg):
            if i:
                put_char(line, 44)
            if starts[i] == starts[i + 1]:
                if call.after and not call.failed:
                    put_argument(line, call, i)
                else:
                    put_hex(line, call.arg[i])
            else:
                keep = pieces.start[starts[i + 1]]
                pieces.start[starts[i + 1]] = 0
                put(line, pieces.start + starts[i])
                pieces.start[starts[i + 1]] = keep
    put_char(line, 41)
    tabs = line.at // 8
    while tabs < 6:
        put_char(line, 9)
        tabs += 1


cdef void truss_result(area_t *area, truss_t *call, long result) noexcept nogil:
    call.after = True
    call.failed = is_error(result) and result != -RETURN_IN_AREA
    call.result = <long> area.retval if result == -RETURN_IN_AREA else result


cdef void truss_tail(area_t *area, truss_t *call, text_t *line, long result) noexcept nogil:
    """The result, or the error: FreeBSD's."""
    cdef int error
    if not call.failed:
        put(line, b" = ")
        put_signed(line, call.result)
        put(line, b" (")
        put_hex(line, <uint64_t> call.result)
        put(line, b")\n")
        return
    error = call_error(area, result)
    if error == AGAIN:
        put(line, b" ERESTART\n")
        return
    put(line, b" ERR#")
    put_unsigned(line, error)
    put(line, b" '")
    put(line, lsf_strerror(error))
    put(line, b"'\n")


# What becomes of a line. The program must not notice who reads it: a reader that is gone, a full disk or a limit on the size of
# files ends the trace and not the program, and a reader that stands still stops the program as a slow disk would, but
# no signal to it.

cdef void take_back(area_t *area, int linux, uint64_t pending) noexcept nogil:
    """Take the signal back that a write of the shim's own raised; `pending`: the signals that waited before. All are blocked."""
    cdef linux_siginfo info
    cdef uint64_t set_ = signal_bit(linux), now = 0
    cdef uint64_t no_time[2]
    no_time[0] = 0
    no_time[1] = 0
    if linux_syscall4(LINUX_SYS_rt_sigtimedwait, <uint64_t> &set_, <uint64_t> &info, <uint64_t> no_time, 8) != linux \
            or not pending & set_:
        return
    linux_syscall2(LINUX_SYS_rt_sigpending, <uint64_t> &now, 8)
    if not now & set_:                  # Linux had made one of the program's and this one
        linux_syscall4(LINUX_SYS_rt_tgsigqueueinfo, area.proc.pid, area.tid, linux, <uint64_t> &info)


cdef long write_unnoticed(area_t *area, int fd, const char *text, uint64_t size, bint pipe) noexcept nogil:
    """write(2) without the signals that it may raise. pipe: -EAGAIN instead of a wait, as far as Linux (6.4) can."""
    cdef uint64_t vector[2]
    cdef uint64_t old, pending = 0
    cdef long result = -LINUX_EOPNOTSUPP
    block_all(&old)
    if is_blocked(area, FREEBSD_SIGPIPE) or is_blocked(area, FREEBSD_SIGXFSZ):
        linux_syscall2(LINUX_SYS_rt_sigpending, <uint64_t> &pending, 8)
    if pipe:
        vector[0] = <uint64_t> text
        vector[1] = size
        result = linux_syscall6(LINUX_SYS_pwritev2, fd, <uint64_t> vector, 1, <uint64_t> -1, <uint64_t> -1, LINUX_RWF_NOWAIT)
    if result == -LINUX_EOPNOTSUPP or result == -LINUX_ENOSYS:
        result = linux_syscall3(LINUX_SYS_write, fd, <uint64_t> text, size)
    if result == -LINUX_EPIPE:
        take_back(area, FREEBSD_SIGPIPE, pending)
    elif result == -LINUX_EFBIG:
        take_back(area, FREEBSD_SIGXFSZ, pending)
    set_mask_unless_deferred(area, old)
    return result


cdef bint truss_wait(area_t *area, bint delivering) noexcept nogil:
    """Wait until the output takes a line: False where it does not, and a signal must not wait for it. delivering: one is on
    its way to the program, and all are blocked."""
    cdef process_t *proc = area.proc
    cdef uint64_t poll_one[1]
    cdef uint32_t not_begun = area.not_begun
    cdef long result
    while True:
        poll_one[0] = <uint32_t> proc.truss_fd | <uint64_t> LINUX_POLLOUT << 32       # struct pollfd
        if proc.own.truss_lost or delivering or area.deferred:
            result = linux_syscall3(LINUX_SYS_poll, <uint64_t> poll_one, 1, 0 if proc.own.truss_lost else TRUSS_PATIENCE)
        else:
            result = blocking_syscall(LINUX_SYS_poll, <uint64_t> poll_one, 1, <uint64_t> -1, 0, 0, 0)
            area.not_begun = not_begun  # it is not the program's call that this interrupted
        if result != -LINUX_EINTR:
            return result != 0


cdef void truss_lines_lost(area_t *area) noexcept nogil:
    cdef char text[80]
    cdef uint64_t at = append(text, 0, sizeof(text), b"-- ")
    at = append_number(text, at, sizeof(text), proc_lost(area.proc), 10)
    at = append(text, at, sizeof(text), b" lines lost: nobody read them --\n")
    write_unnoticed(area, area.proc.truss_fd, text, at, area.proc.own.truss_pipe)


cdef inline uint32_t proc_lost(process_t *proc) noexcept nogil:
    """How many lines were lost; none from here on."""
    cdef uint32_t lost = proc.own.truss_lost
    proc.own.truss_lost = 0
    return lost


cdef uint64_t file_of(int fd) noexcept nogil:
    """A number for the file behind a descriptor, 0 for none."""
    cdef linux_stat st
    if is_error(linux_syscall2(LINUX_SYS_fstat, fd, <uint64_t> &st)):
        return 0
    return (st.st_dev * 0x9e3779b97f4a7c15UL ^ st.st_ino) | 1


cdef void truss_end(area_t *area, long result) noexcept nogil:
    """The output failed: say so, if standard error is still what it was, and trace no more."""
    cdef char text[160]
    cdef uint64_t poll_one[1]
    cdef uint64_t at
    if atomic_cas32(&area.proc.own.truss_over, 0, 1) != 0 or area.proc.own.truss_stderr == 0 \
            or file_of(2) != area.proc.own.truss_stderr:
        return
    at = append(text, 0, sizeof(text), b"lsf: --truss: ")
    at = append(text, at, sizeof(text), lsf_strerror(lsf_errno_map[-result]))
    at = append(text, at, sizeof(text), b"; the program goes on without it\n")
    poll_one[0] = 2 | <uint64_t> LINUX_POLLOUT << 32       # struct pollfd
    if linux_syscall3(LINUX_SYS_poll, <uint64_t> poll_one, 1, 0) > 0:
        write_unnoticed(area, 2, text, at, False)


cdef void truss_write(area_t *area, text_t *line, bint delivering) noexcept nogil:
    """Write a line and begin anew. A line that was cut still ends. delivering: as truss_wait has it."""
    cdef process_t *proc = area.proc
    cdef uint64_t done = 0
    cdef long result
    if line.at != 0 and line.start[line.at - 1] != c'\n':
        line.start[line.at] = c'\n'
        line.at += 1
    while done < line.at and not proc.own.truss_over and proc.truss_fd >= 0:
        if not truss_wait(area, delivering):
            proc.own.truss_lost += 1
            break
        if proc.own.truss_lost:
            truss_lines_lost(area)
            continue
        result = write_unnoticed(area, proc.truss_fd, line.start + done, line.at - done, proc.own.truss_pipe)
        if not is_error(result):
            done += result
        elif result != -LINUX_EINTR and result != -LINUX_EAGAIN:
            truss_end(area, result)
    line.at = 0


cdef void truss_before_exec(area_t *area) noexcept nogil:
    """Called when an execve is about to succeed, which leaves nobody to tell."""
    cdef char line_text[TRUSS_LINE]
    cdef text_t line
    if area.own.truss_call == NULL:
        return
    line.start = line_text
    line.at = 0
    line.size = TRUSS_LINE - 2
    truss_head(area.proc, <truss_t *> area.own.truss_call, &line, <text_t *> area.own.truss_pieces,
               <uint16_t *> area.own.truss_starts)
    put(&line, b" EJUSTRETURN\n")
    truss_write(area, &line, False)


cdef void truss_new_process(area_t *area, bint delivering) noexcept nogil:
    """The first line of the child of a fork."""
    cdef char line_text[64]
    cdef text_t line
    line.start = line_text
    line.at = 0
    line.size = sizeof(line_text) - 2
    truss_prefix(area.proc, &line)
    put(&line, b"<new process>\n")
    truss_write(area, &line, delivering)


cdef void truss_exit(area_t *area, uint64_t status, text_t *line) noexcept nogil:
    truss_prefix(area.proc, line)
    put(line, b"process exit, rval = ")
    put_unsigned(line, status)
    put_char(line, 10)
    truss_write(area, line, False)


cdef void truss_start(process_t *proc, area_t *area) noexcept nogil:
    cdef linux_stat st
    cdef int signo
    proc.own.truss_pipe = (not is_error(linux_syscall2(LINUX_SYS_fstat, proc.truss_fd, <uint64_t> &st))
                       and st.st_mode & LINUX_S_IFMT == LINUX_S_IFIFO)
    proc.own.truss_stderr = file_of(2)
    hook_add(area, HOOK_PRINT, truss_call, lsf_lane_none)
    proc.own.traced = 1
    for signo in range(1, SIGNAL_MAX + 1):
        if is_watched(proc, signo):
            know_handler(proc, signo)
            apply_disposition(proc, signo)


cdef void truss_signal(area_t *area, const freebsd_siginfo *info, bint fatal) noexcept nogil:
    """A signal that is being delivered; fatal: the process dies of it."""
    cdef char line_text[256]
    cdef text_t line
    line.start = line_text
    line.at = 0
    line.size = sizeof(line_text) - 2
    truss_prefix(area.proc, &line)
    put(&line, b"SIGNAL ")
    put_unsigned(&line, <uint32_t> info.si_signo)
    put(&line, b" (")
    put(&line, lsf_signal_name(<uint32_t> info.si_signo))
    put_char(&line, 41)
    put_siginfo(&line, info)
    put_char(&line, 10)
    truss_write(area, &line, True)
    if fatal:
        truss_prefix(area.proc, &line)
        put(&line, b"process killed, signal = ")
        put_unsigned(&line, <uint32_t> info.si_signo)
        put_char(&line, 10)
        truss_write(area, &line, True)
