# Programs and their start: <sys/exec.h>, <elf.h>, <sys/vdso.h>, <x86/vdso.h>.

cdef struct freebsd_ps_strings:
    uint64_t ps_argvstr
    uint32_t ps_nargvstr
    uint64_t ps_envstr
    uint32_t ps_nenvstr

cdef struct freebsd_auxinfo:
    int64_t a_type
    uint64_t a_val

cdef struct freebsd_vdso_timehands:
    uint32_t th_algo
    uint32_t th_gen
    uint64_t th_scale
    uint32_t th_offset_count
    uint32_t th_counter_mask
    freebsd_bintime th_offset
    freebsd_bintime th_boottime
    uint32_t th_x86_shift
    uint32_t th_x86_hpet_idx        # this and what follows was spare in FreeBSD 10
    uint64_t th_x86_pvc_last_systime
    uint8_t th_x86_pvc_stable_mask
    uint8_t th_res[15]

# Followed by an array of timehands, at offset 16.
cdef struct freebsd_vdso_timekeep:
    uint32_t tk_ver
    uint32_t tk_enabled
    uint32_t tk_current
    uint32_t tk_padding

# FreeBSD 13 (AT_FXRNG).
cdef struct freebsd_vdso_fxrng_generation:
    uint32_t fx_vdso_version
    uint32_t fx_generation32
    uint64_t fx_reserved

cdef extern from "<elf.h>" nogil:
    ctypedef struct Elf64_Ehdr:
        uint8_t e_ident[16]
        uint16_t e_type
        uint16_t e_machine
        uint32_t e_version
        uint64_t e_entry
        uint64_t e_phoff
        uint64_t e_shoff
        uint32_t e_flags
        uint16_t e_ehsize
        uint16_t e_phentsize
        uint16_t e_phnum
        uint16_t e_shentsize
        uint16_t e_shnum
        uint16_t e_shstrndx
    ctypedef struct Elf64_Phdr:
        uint32_t p_type
        uint32_t p_flags
        uint64_t p_offset
        uint64_t p_vaddr
        uint64_t p_paddr
        uint64_t p_filesz
        uint64_t p_memsz
        uint64_t p_align
    ctypedef struct Elf64_Nhdr:
        uint32_t n_namesz
        uint32_t n_descsz
        uint32_t n_type
