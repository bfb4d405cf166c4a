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
