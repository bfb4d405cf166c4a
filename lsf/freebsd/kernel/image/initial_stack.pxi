# The initial stack of a program: its arguments, environment and auxiliary vector. Model: FreeBSD sys/kern/kern_exec.c
# (exec_copyout_strings), sys/kern/imgact_elf.c.

cdef enum:
    CANARY_SIZE = 64


cdef inline void aux(uint64_t **at, uint64_t kind, uint64_t value) noexcept nogil:
    at[0][0] = kind
    at[0][1] = value
    at[0] += 2


cdef uint64_t build_stack(process_t *proc, uint64_t below, uint64_t argc, char **argv, uint64_t envc, char **envp,
                          program_t *program, image_t *image, image_t *interp, bint has_interp,
                          uint64_t stack_limit) noexcept nogil:
    """FreeBSD's initial stack below the strings that Linux placed: ps_strings, canary, page sizes and the execution
    path, then argc, argv, environment and auxiliary vector. Returns the address of argc."""
    cdef uint64_t path_size = string_length(proc.execpath) + 1
    cdef uint64_t ps_strings = (below - 32) & ~15UL
    cdef uint64_t canary = ps_strings - CANARY_SIZE
    cdef uint64_t pagesizes = canary - 32
    cdef uint64_t path = (pagesizes - path_size) & ~15UL
    cdef uint64_t stack = (path - (1 + argc + 1 + envc + 1 + 2 * 32) * 8) & ~63UL
    cdef uint64_t *at = <uint64_t *> stack
    cdef uint64_t guest_argv, guest_envv, i
    linux_syscall3(LINUX_SYS_getrandom, canary, CANARY_SIZE, 0)
    memcpy(<void *> path, proc.execpath, path_size)
    (<uint64_t *> pagesizes)[0] = PAGE_SIZE
    (<uint64_t *> pagesizes)[1] = 2 << 20
    (<uint64_t *> pagesizes)[2] = 0
    at[0] = argc
    at += 1
    guest_argv = <uint64_t> at
    for i in range(argc):
        at[i] = <uint64_t> argv[i]
    at[argc] = 0
    at += argc + 1
    guest_envv = <uint64_t> at
    for i in range(envc):
        at[i] = <uint64_t> envp[i]
    at[envc] = 0
    at += envc + 1
    (<uint64_t *> ps_strings)[0] = guest_argv
    (<uint32_t *> ps_strings)[2] = <uint32_t> argc
    (<uint64_t *> ps_strings)[2] = guest_envv
    (<uint32_t *> ps_strings)[6] = <uint32_t> envc
    proc.own.ps_strings = ps_strings
    proc.own.auxv = <uint64_t> at
    aux(&at, FREEBSD_AT_PHDR, image.phdr)
    aux(&at, FREEBSD_AT_PHENT, sizeof(Elf64_Phdr))
    aux(&at, FREEBSD_AT_PHNUM, image.phnum)
    aux(&at, FREEBSD_AT_PAGESZ, PAGE_SIZE)
    aux(&at, FREEBSD_AT_FLAGS, 0)
    aux(&at, FREEBSD_AT_ENTRY, image.entry)
    aux(&at, FREEBSD_AT_BASE, interp.low if has_interp else image.base)
    aux(&at, FREEBSD_AT_EHDRFLAGS, (<Elf64_Ehdr *> program.page).e_flags)
    aux(&at, FREEBSD_AT_EXECPATH, path)
    aux(&at, FREEBSD_AT_OSRELDATE, proc.own.osreldate)
    aux(&at, FREEBSD_AT_CANARY, canary)
    aux(&at, FREEBSD_AT_CANARYLEN, CANARY_SIZE)
    aux(&at, FREEBSD_AT_NCPUS, proc.ncpu)
    aux(&at, FREEBSD_AT_PAGESIZES, pagesizes)
    aux(&at, FREEBSD_AT_PAGESIZESLEN, 24)
    aux(&at, FREEBSD_AT_STACKPROT, 7 if image.stack_executable else 3)
    aux(&at, FREEBSD_AT_BSDFLAGS, FREEBSD_ELF_BSDF_SIGFASTBLK if proc.own.osreldate >= FREEBSD_SINCE_SIGFASTBLOCK else 0)
    aux(&at, FREEBSD_AT_ARGC, argc)
    aux(&at, FREEBSD_AT_ARGV, guest_argv)
    aux(&at, FREEBSD_AT_ENVC, envc)
    aux(&at, FREEBSD_AT_ENVV, guest_envv)
    aux(&at, FREEBSD_AT_PS_STRINGS, ps_strings)
    aux(&at, FREEBSD_AT_USRSTACKBASE, proc.stack_top)
    aux(&at, FREEBSD_AT_USRSTACKLIM, stack_limit)
    aux(&at, FREEBSD_AT_NULL, 0)
    return stack
