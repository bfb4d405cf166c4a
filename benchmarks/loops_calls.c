/* Loops over one call each. */
#include "bench.h"

#ifdef GUEST
STUB(sys_read, 3);
STUB(sys_open, 5);
STUB(sys_close, 6);
STUB(sys_getpid, 20);
STUB(sys_kill, 37);
STUB(sys_getppid, 39);
STUB(sys_munmap, 73);
STUB(sys_refused, 70);          /* sstk: EOPNOTSUPP, and no signal */
STUB(sys_sigprocmask, 340);
STUB(sys_sigaction, 416);
STUB(sys_mmap, 477);
STUB(sys_lseek, 478);
STUB(sys_fstat, 551);
STUB(sys_fstatat, 552);
STUB(sys_getdirentries, 554);
enum { SETMASK = 3, ANON_PRIVATE = 0x1002, DIRECTORY = 0x20000, SIGUSR1 = 30 };
#else
STUB(sys_read, 0);
STUB(sys_open, 2);
STUB(sys_close, 3);
STUB(sys_fstat, 5);
STUB(sys_lseek, 8);
STUB(sys_mmap, 9);
STUB(sys_munmap, 11);
STUB(sys_sigaction, 13);
STUB(sys_sigprocmask, 14);
STUB(sys_getpid, 39);
STUB(sys_kill, 62);
STUB(sys_getppid, 110);
STUB(sys_getdirentries, 217);
STUB(sys_fstatat, 262);
STUB(sys_refused, 999);
enum { SETMASK = 2, ANON_PRIVATE = 0x22, DIRECTORY = 0x10000, SIGUSR1 = 10 };
void restorer(void);
__asm__("restorer:\n	mov $15, %eax\n	syscall\n");
#endif

static u64 buffer[8192];
static volatile u64 handled;

static void on_signal(int signo)
{
    handled += signo == SIGUSR1;
}

static void handle(void)
{
#ifdef GUEST
    struct { u64 handler; u32 flags, mask[4]; } action = {(u64) on_signal, 0, {0}};
    require(sys_sigaction(SIGUSR1, (i64) &action, 0, 0, 0, 0));
#else
    struct { u64 handler, flags, restorer, mask; } action = {(u64) on_signal, 0x04000000, (u64) restorer, 0};
    require(sys_sigaction(SIGUSR1, (i64) &action, 0, 8, 0, 0));
#endif
    require(sys_kill(sys_getpid(0, 0, 0, 0, 0, 0), SIGUSR1, 0, 0, 0, 0));
    if (handled != 1)
        sys_exit(5, 0, 0, 0, 0, 0);
}

/* The entries of the directory that the fourth argument names, all of them. */
static u64 read_directory(void)
{
    u64 entries = 0;
    i64 base, got;
    i64 fd = require(sys_open((i64) arguments[4], DIRECTORY, 0, 0, 0, 0));
    while ((got = require(sys_getdirentries(fd, (i64) buffer, 4096, (i64) &base, 0, 0))) > 0)
        for (i64 at = 0; at < got; entries++)
            at += *(u16 *) ((u8 *) buffer + at + 16);       /* d_reclen, in both systems' entries */
    require(sys_close(fd, 0, 0, 0, 0, 0));
    return entries;
}

static void require_entries(u64 entries)
{
    if (entries != 2002)
        sys_exit(6, 0, 0, 0, 0, 0);
}

#ifdef GUEST
#define CLOCK(time) sys_clock_gettime(MONOTONIC, time, 0, 0, 0, 0)
#else
/* Linux's vDSO, as its libc finds it: by the symbol's name. */
static i64 (*vdso_clock_gettime)(i64, i64);
#define CLOCK(time) vdso_clock_gettime(MONOTONIC, time)

static void find_vdso(void)
{
    struct header { u8 ident[16]; u16 type, machine; u32 version; u64 entry, phoff, shoff; u32 flags; u16 sizes[3], shentsize, shnum; } *elf = 0;
    struct section { u32 name, type; u64 flags, addr, offset, size; u32 link, info; u64 align, entsize; } *sections;
    struct symbol { u32 name; u8 info, other; u16 shndx; u64 value, size; } *symbols;
    u64 *aux = (u64 *) environment;
    while (*aux++)
        ;
    for (; aux[0]; aux += 2)
        if (aux[0] == 33)                                   /* AT_SYSINFO_EHDR */
            elf = (struct header *) aux[1];
    if (!elf)
        sys_exit(7, 0, 0, 0, 0, 0);
    sections = (struct section *) ((u64) elf + elf->shoff);
    for (int i = 0; i < elf->shnum; i++) {
        if (sections[i].type != 11)                         /* SHT_DYNSYM */
            continue;
        symbols = (struct symbol *) ((u64) elf + sections[i].offset);
        for (u64 j = 0; j < sections[i].size / sizeof(*symbols); j++)
            if (same((char *) elf + sections[sections[i].link].offset + symbols[j].name, "__vdso_clock_gettime"))
                vdso_clock_gettime = (i64 (*)(i64, i64)) ((u64) elf + symbols[j].value);
    }
    if (!vdso_clock_gettime)
        sys_exit(7, 0, 0, 0, 0, 0);
}
#endif

static void run(const char *name, u64 chunk)
{
    i64 zero = require(sys_open((i64) "/dev/zero", 0, 0, 0, 0, 0)), null = require(sys_open((i64) "/dev/null", 1, 0, 0, 0, 0));
#ifndef GUEST
    find_vdso();
#endif
    LOOP("getppid", require(sys_getppid(0, 0, 0, 0, 0, 0)), sys_getppid(0, 0, 0, 0, 0, 0))
    LOOP("read", require(sys_read(zero, (i64) buffer, 1, 0, 0, 0)), sys_read(zero, (i64) buffer, 1, 0, 0, 0))
    LOOP("write", require(sys_write(null, (i64) buffer, 1, 0, 0, 0)), sys_write(null, (i64) buffer, 1, 0, 0, 0))
    LOOP("lseek", require(sys_lseek(zero, 0, 0, 0, 0, 0)), sys_lseek(zero, 0, 0, 0, 0, 0))
    LOOP("fstat", require(sys_fstat(zero, (i64) buffer, 0, 0, 0, 0)), sys_fstat(zero, (i64) buffer, 0, 0, 0, 0))
    LOOP("stat", require(sys_fstatat(-100, (i64) "/dev/null", (i64) buffer, 0, 0, 0)),
         sys_fstatat(-100, (i64) "/dev/null", (i64) buffer, 0, 0, 0))
    LOOP("open_close", require(sys_close(sys_open((i64) "/dev/null", 0, 0, 0, 0, 0), 0, 0, 0, 0, 0)),
         sys_close(sys_open((i64) "/dev/null", 0, 0, 0, 0, 0), 0, 0, 0, 0, 0))
    LOOP("readdir_2000", require_entries(read_directory()), read_directory())
    LOOP("mmap_munmap", require(sys_munmap(require(sys_mmap(0, 65536, 3, ANON_PRIVATE, -1, 0)), 65536, 0, 0, 0, 0)),
         sys_munmap(sys_mmap(0, 65536, 3, ANON_PRIVATE, -1, 0), 65536, 0, 0, 0, 0))
    LOOP("sigprocmask", require(sys_sigprocmask(SETMASK, 0, (i64) buffer, 8, 0, 0)),
         sys_sigprocmask(SETMASK, 0, (i64) buffer, 8, 0, 0))
    LOOP("signal_self", handle(), sys_kill(sys_getpid(0, 0, 0, 0, 0, 0), SIGUSR1, 0, 0, 0, 0))
    LOOP("clock_gettime", require(CLOCK((i64) buffer)), CLOCK((i64) buffer))
    LOOP("refused", , sys_refused(0, 0, 0, 0, 0, 0))
    sys_exit(2, 0, 0, 0, 0, 0);
}
