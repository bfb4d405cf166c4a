# cython: language_level=3
"""Toyunix: a system of six calls, as a second personality of the machine in lsf/machine.

It has one kind of everything that the machine leaves to a personality: numbers (guest.h), an errno map (tables.c), a signal frame
(toy_frame, and the trampoline in trampoline.S), a brand (EI_OSABI), a start. It has no threads, no fork and no view.

A call takes its number in rax and arguments as Linux's, and sets the carry flag where rax is an errno. A handler is called with the
frame's address in rdi; it may change the frame, and the frame is what goes on. What a handler does to the vector registers stays
done. A call that a signal interrupted is always made again.
"""
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

include "machine/linux/numbers.pxi"
include "machine/linux/elf.pxi"
include "machine/linux/time.pxi"
include "machine/linux/file.pxi"
include "machine/linux/signal.pxi"
include "machine/linux/proc.pxi"
include "machine/ground/lock.pxi"
include "own.pxi"
include "machine/ground/runtime.pxi"
include "machine/ground/result.pxi"
include "machine/ground/text.pxi"
include "machine/ground/memory.pxi"
include "machine/ground/guest.pxi"
include "machine/ground/area.pxi"
include "machine/ground/mask.pxi"
include "machine/ground/files.pxi"
include "machine/ground/procfs.pxi"
include "machine/ground/maps.pxi"
include "machine/ground/hidden.pxi"
include "machine/amd64/eflags.pxi"
include "machine/amd64/instructions.pxi"
include "machine/amd64/xstate.pxi"
include "machine/amd64/functions.pxi"
include "machine/amd64/trampolines.pxi"
include "machine/amd64/patch.pxi"
include "machine/amd64/family.pxi"
include "machine/engine/image.pxi"
include "machine/engine/program.pxi"
include "machine/engine/loader.pxi"
include "machine/engine/arm.pxi"
include "machine/engine/call.pxi"
include "machine/engine/hooks.pxi"
include "machine/engine/outcome.pxi"
include "machine/engine/trouble.pxi"
include "machine/engine/enter.pxi"
include "machine/engine/leave.pxi"
include "machine/watch/trace.pxi"
include "machine/watch/stats.pxi"

cdef enum:
    TOY_OSABI = 84                  # EI_OSABI of a program of Toyunix's
    TOY_SIGFAULT = 1                # Linux's SIGSEGV and SIGBUS
    TOY_SIGUSER = 2                 # Linux's SIGUSR1
    TOY_ENOCALL = 66                # Toyunix's errno for a number that it does not have
    HANDLER_FLAGS = 0x04000000 | 0x08000000 | 4     # RESTORER, ONSTACK, SIGINFO

# What a handler gets, and what sigreturn takes.
cdef struct toy_frame:
    uint64_t handler, signo, address, mask
    uint64_t pc, sp, flags
    uint64_t registers[15]          # rax to r15 but rsp, in the order of toy_registers


# --- Calls.

cdef public long sys_nosys(frame_t *frame, area_t *area) noexcept nogil:
    return guest_error(TOY_ENOCALL)


cdef public long sys_exit(frame_t *frame, area_t *area) noexcept nogil:
    return linux_syscall1(LINUX_SYS_exit_group, frame.arg[0] & 0xff)


cdef public long sys_signal(frame_t *frame, area_t *area) noexcept nogil:
    """signal(signo, function): catch a signal; a function of 0 is the default, the end. The earlier function."""
    cdef uint64_t signo = frame.arg[0], before
    if signo != TOY_SIGFAULT and signo != TOY_SIGUSER:
        return -LINUX_EINVAL
    before = area.proc.handlers[signo].function
    area.proc.handlers[signo].function = frame.arg[1]
    if signo == TOY_SIGUSER:        # the other one has the shim's handler always
        set_linux_handler(LINUX_SIGUSR1, <uint64_t> on_signal if frame.arg[1] else 0, HANDLER_FLAGS)
    return return_value(area, <long> before)


cdef public long sys_raise(frame_t *frame, area_t *area) noexcept nogil:
    """raise(signo): it is delivered at the end of this call."""
    if frame.arg[0] != TOY_SIGUSER:
        return -LINUX_EINVAL
    return linux_syscall3(LINUX_SYS_tgkill, area.proc.pid, area.tid, LINUX_SIGUSR1)


cdef public long sys_sigreturn(frame_t *frame, area_t *area) noexcept nogil:
    """sigreturn(frame): go on as the frame says."""
    cdef toy_frame toy
    cdef linux_ucontext uc
    cdef unsigned char fpstate[XSTATE_MAX + 64]
    if copyin(frame.arg[0], &toy, sizeof(toy)) < 0:
        return -LINUX_EFAULT
    if is_no_place_to_run(toy.pc):
        return -LINUX_EINVAL
    block_all(NULL)
    state_at_exit(frame, area, &uc, fpstate)
    toy_registers(&uc.uc_mcontext, toy.registers, False)
    uc.uc_mcontext.rip = toy.pc
    uc.uc_mcontext.rsp = toy.sp
    uc.uc_mcontext.eflags = (toy.flags & 0xcd5) | 0x202     # what a program may set
    area.sigmask[0] = toy.mask
    leave_with(area, &uc)
    return 0


# --- Signals.

cdef void toy_registers(linux_sigcontext *at, uint64_t *registers, bint save) noexcept nogil:
    """Save the registers into an array, or load them from it."""
    cdef uint64_t *places[15]
    cdef int i
    places[:] = [&at.rax, &at.rbx, &at.rcx, &at.rdx, &at.rsi, &at.rdi, &at.rbp, &at.r8, &at.r9, &at.r10, &at.r11, &at.r12,
                 &at.r13, &at.r14, &at.r15]
    for i in range(15):
        if save:
            registers[i] = places[i][0]
        else:
            places[i][0] = registers[i]


cdef uint64_t linux_mask(area_t *area) noexcept nogil:
    return signal_bit(LINUX_SIGUSR1) if area.sigmask[0] & signal_bit(TOY_SIGUSER) else 0


cdef void deliver(area_t *area, linux_ucontext *uc, int linux, linux_siginfo *info) noexcept nogil:
    """Make the state that the guest is to go on with, uc, that of the beginning of its handler; or end."""
    cdef toy_frame toy
    cdef int signo = (TOY_SIGFAULT if linux == LINUX_SIGSEGV or linux == LINUX_SIGBUS
                      else TOY_SIGUSER if linux == LINUX_SIGUSR1 else 0)
    cdef uint64_t at = (uc.uc_mcontext.rsp - 128 - sizeof(toy)) & ~15UL
    if signo == 0 or area.proc.handlers[signo].function == 0 or area.sigmask[0] & signal_bit(signo):
        kill_self(area, linux)
    toy.handler = area.proc.handlers[signo].function
    toy.signo = signo
    toy.address = info.fields.fault.addr if signo == TOY_SIGFAULT else 0
    toy.mask = area.sigmask[0]
    toy.pc = uc.uc_mcontext.rip
    toy.sp = uc.uc_mcontext.rsp
    toy.flags = uc.uc_mcontext.eflags
    toy_registers(&uc.uc_mcontext, toy.registers, True)
    if copyout(&toy, at, sizeof(toy)) < 0:
        kill_self(area, linux)
    area.sigmask[0] |= signal_bit(signo)
    uc.uc_sigmask = linux_mask(area)
    uc.uc_mcontext.rip = <uint64_t> sigcode
    uc.uc_mcontext.rsp = at
    uc.uc_mcontext.rdi = at
    uc.uc_mcontext.eflags &= ~<uint64_t> (EFLAGS_DF | EFLAGS_TF)


cdef void leave_with(area_t *area, linux_ucontext *uc) noexcept nogil:
    """Go on with a state, after the signal that waits. All are blocked. Never returns."""
    cdef uint64_t info[16]
    cdef int linux = area.deferred
    uc.uc_sigmask = linux_mask(area)
    if linux:
        memcpy(info, area.info, sizeof(info))
        area.deferred = 0
        area.not_begun = 0
        deliver(area, uc, linux, <linux_siginfo *> info)
    resume_from(uc)


cdef public void deliver_at_exit(frame_t *frame, area_t *area) noexcept nogil:
    cdef linux_ucontext uc
    cdef unsigned char fpstate[XSTATE_MAX + 64]
    block_all(NULL)
    state_at_exit(frame, area, &uc, fpstate)
    finish_translated(&uc, area)
    leave_with(area, &uc)


cdef public void on_signal(int linux, linux_siginfo *info, linux_ucontext *uc) noexcept nogil:
    """Every Linux signal that this shim handles, on the thread's Linux signal stack, all others blocked."""
    cdef area_t *area = current_area()
    cdef uint64_t rip = uc.uc_mcontext.rip
    cdef bint fault = info.si_code > 0 and (linux == LINUX_SIGSEGV or linux == LINUX_SIGBUS), restart = False
    if linux == LINUX_SIGSYS and (info.si_code == LINUX_SYS_USER_DISPATCH or info.si_code == LINUX_SYS_SECCOMP):
        enter_call(area, uc, info)
        return
    if fault and <uint64_t> accessors <= rip < <uint64_t> accessors_end:
        uc.uc_mcontext.rip = <uint64_t> accessor_fault
        return
    if is_never_blocked(linux) and not is_signal_stack(area, uc.uc_mcontext.rsp):
        faults_unblock()
    if rip - WINDOW_BASE >= WINDOW_SIZE and not is_shim_stack(uc.uc_mcontext.rsp):
        uc.uc_mcontext.rip = outside_trampolines(rip)
        deliver(area, uc, linux, info)
    elif fault:
        shim_bug(linux, uc, info)
    elif come_out(uc, area, region_of(rip), False, &restart):
        deliver(area, uc, linux, info)
    else:
        begin_no_wait(uc)
        if area.deferred == 0:
            memcpy(area.info, info, sizeof(area.info))
            area.deferred = linux


# --- The start: toyunix.elf ENGINE PROGRAM ARGUMENT...

cdef public void shim_start(uint64_t *stack) noexcept nogil:
    """stack: Linux's, from argc on. The program begins with the same, from its own name on."""
    cdef process_t *proc = SHIM
    cdef area_t *area = area_at(0)
    cdef const char **argv = <const char **> &stack[1]
    cdef program_t program
    cdef image_t image
    if stack[0] < 3:
        die(EXIT_LSF, b"usage: toyunix.elf sud|trap PROGRAM [ARGUMENT...]", NULL)
    slot_at(0).mapped = 1
    area_reset(area, 0)
    area.proc = proc
    proc.pid = <int> linux_syscall1(LINUX_SYS_set_tid_address, <uint64_t> &area.slot.state)
    area.slot.state = proc.pid
    area.tid = proc.pid
    atomic_store32(&lsf_hidden_low, 0xffffffffUL)   # the shim has no descriptor to hide
    proc.image_fd = proc.truss_fd = proc.record_fd = proc.stats_fd = proc.life_fd = -1
    proc.stack_top = page_up(<uint64_t> stack)
    proc.engine = ENGINE_SUD if string_equal(argv[1], b"sud") else ENGINE_TRAP
    append(proc.execpath, 0, sizeof(proc.execpath), argv[2])
    if not program_open(&program, argv[2]) or program.page[7] != TOY_OSABI or not phdrs_are_sane(&program):
        die(EXIT_NOT_RUNNABLE, argv[2], b"not a program of Toyunix's")
    if image_map(&program, &image, 0) < 0:
        die(EXIT_NOT_RUNNABLE, argv[2], b"cannot be mapped")
    linux_syscall1(LINUX_SYS_close, program.fd)
    proc.break_start = proc.break_end = image.high
    signal_stack(area)
    set_linux_handler(LINUX_SIGSYS, <uint64_t> on_signal, HANDLER_FLAGS)
    set_linux_handler(LINUX_SIGSEGV, <uint64_t> on_signal, HANDLER_FLAGS)
    set_linux_handler(LINUX_SIGBUS, <uint64_t> on_signal, HANDLER_FLAGS)
    arm_first(proc)
    stack[2] = stack[0] - 2
    enter_guest(image.entry, <uint64_t> &stack[2])


cdef bint program_open(program_t *program, const char *path) noexcept nogil:
    """Open a program and read its first page; False where it is none."""
    cdef linux_stat info
    memset(program, 0, sizeof(program_t))
    program.fd = <int> linux_syscall3(LINUX_SYS_open, <uint64_t> path, LINUX_O_CLOEXEC, 0)
    if program.fd < 0 or is_error(linux_syscall2(LINUX_SYS_fstat, program.fd, <uint64_t> &info)):
        return False
    program.file_size = info.st_size
    program.got = linux_syscall4(LINUX_SYS_pread64, program.fd, <uint64_t> program.page, sizeof(program.page), 0)
    return <long> program.got > <long> sizeof(Elf64_Ehdr) and (<Elf64_Ehdr *> program.page).e_machine == ELF_EM_X86_64


# --- What else the machine calls up by name (lsf/_build/layers.py, UP_CALLS; entry.S).

cdef void kill_self(area_t *area, int linux) noexcept nogil:
    """End by a signal's default action."""
    cdef uint64_t mask = linux_all_mask() & ~signal_bit(linux)
    set_linux_handler(linux, 0, LINUX_SA_RESTORER)
    linux_syscall3(LINUX_SYS_tgkill, area.proc.pid, area.tid, linux)
    linux_syscall4(LINUX_SYS_rt_sigprocmask, 2, <uint64_t> &mask, 0, 8)
    linux_syscall1(LINUX_SYS_exit_group, 128 + linux)


cdef void vsyscall(area_t *area, linux_ucontext *uc, linux_siginfo *info) noexcept nogil:
    kill_self(area, LINUX_SIGSEGV)                  # there is nothing at that address


cdef long own_transfer(area_t *area, frame_t *frame, uint64_t nr) noexcept nogil:
    return -LINUX_ENOSYS


cdef long passed_error(area_t *area, frame_t *frame, uint64_t nr, long result) noexcept nogil:
    return result


cdef public long pass_failed(frame_t *frame, area_t *area) noexcept nogil:
    return <long> frame.result


cdef bint signal_interrupts(area_t *area) noexcept nogil:
    return False


cdef bint event_hides(process_t *proc, int fd) noexcept nogil:
    return False


cdef int event_next_hidden(process_t *proc, uint32_t fd) noexcept nogil:
    return -1


cdef void event_move_hidden(process_t *proc, int fd) noexcept nogil:
    pass


cdef void ids_spread(area_t *area) noexcept nogil:
    pass                                            # there is no other thread


cdef public void thread_start(area_t *area) noexcept nogil:
    kill_self(area, LINUX_SIGABRT)                  # so nobody comes here


cdef public long blocking_woken(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f) noexcept nogil:
    return linux_syscall6(nr, a, b, c, d, e, f)     # nor here: nothing wakes


cdef uint64_t called_number(frame_t *frame) noexcept nogil:
    return frame.nr
