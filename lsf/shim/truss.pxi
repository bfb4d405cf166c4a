# Tracing from inside: every call of a traced process goes through truss_call, which writes truss's line.


cdef public long truss_call(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint64_t nr = frame.nr
    cdef long result
    cdef char line[400]
    cdef uint64_t at
    if nr < FREEBSD_NSYSCALLS and lsf_pass_nr[nr] >= 0:
        result = blocking_syscall(lsf_pass_nr[nr], frame.arg[0], frame.arg[1], frame.arg[2], frame.arg[3],
                                  frame.arg[4], frame.arg[5])
        if lsf_restart[nr]:
            result = restartable(result)
    elif nr < FREEBSD_NSYSCALLS:
        result = lsf_handler[nr](frame, area)
    else:
        result = sys_nosys(frame, area)
    at = append_number(line, 0, 400, <uint64_t> area.proc.pid, 10)
    at = append(line, at, 400, b": #")
    at = append_number(line, at, 400, nr, 10)
    at = append(line, at, 400, b" = ")
    at = append_number(line, at, 400, <uint64_t> result, 16)
    at = append(line, at, 400, b"\n")
    linux_syscall3(SYS_write, area.proc.truss_fd, <uint64_t> line, at)
    return result


cdef void truss_start(process_t *proc, area_t *area) noexcept nogil:
    area.lanes = lsf_lane_none
    area.hook = truss_call
    proc.traced = 1


cdef void truss_signal(area_t *area, int signo, int code, bint fatal) noexcept nogil:
    pass
