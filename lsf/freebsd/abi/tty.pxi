# Terminals: <sys/_termios.h>, <sys/_winsize.h>.

cdef struct freebsd_termios:
    uint32_t c_iflag
    uint32_t c_oflag
    uint32_t c_cflag
    uint32_t c_lflag
    uint8_t c_cc[20]
    uint32_t c_ispeed
    uint32_t c_ospeed

# The same on both sides.
cdef struct freebsd_winsize:
    uint16_t ws_row
    uint16_t ws_col
    uint16_t ws_xpixel
    uint16_t ws_ypixel

cdef extern from *:
    """
    /* Pairs: FreeBSD's bit, Linux's bit; both tables of a word end at 0. */
    typedef const unsigned int lsf_bits[2];
    static lsf_bits lsf_iflag[] __attribute__((unused)) = {
        { 0x1, 0x1 },           /* IGNBRK */
        { 0x2, 0x2 },           /* BRKINT */
        { 0x4, 0x4 },           /* IGNPAR */
        { 0x8, 0x8 },           /* PARMRK */
        { 0x10, 0x10 },         /* INPCK */
        { 0x20, 0x20 },         /* ISTRIP */
        { 0x40, 0x40 },         /* INLCR */
        { 0x80, 0x80 },         /* IGNCR */
        { 0x100, 0x100 },       /* ICRNL */
        { 0x200, 0x400 },       /* IXON */
        { 0x400, 0x1000 },      /* IXOFF */
        { 0x800, 0x800 },       /* IXANY */
        { 0x2000, 0x2000 },     /* IMAXBEL */
        { 0x4000, 0x4000 },     /* IUTF8 */
        { 0, 0 }
    };
    static lsf_bits lsf_oflag[] __attribute__((unused)) = {
        { 0x1, 0x1 },           /* OPOST */
        { 0x2, 0x4 },           /* ONLCR */
        { 0x4, 0x1800 },        /* TAB3 */
        { 0x10, 0x8 },          /* OCRNL */
        { 0x20, 0x10 },         /* ONOCR */
        { 0x40, 0x20 },         /* ONLRET */
        { 0, 0 }
    };
    static lsf_bits lsf_cflag[] __attribute__((unused)) = {
        { 0x100, 0x10 },        /* CSIZE, a number of two bits: CS5 to CS8 */
        { 0x200, 0x20 },
        { 0x400, 0x40 },        /* CSTOPB */
        { 0x800, 0x80 },        /* CREAD */
        { 0x1000, 0x100 },      /* PARENB */
        { 0x2000, 0x200 },      /* PARODD */
        { 0x4000, 0x400 },      /* HUPCL */
        { 0x8000, 0x800 },      /* CLOCAL */
        { 0x30000, 0x80000000u },   /* CRTSCTS: FreeBSD has a bit for each direction */
        { 0, 0 }
    };
    static lsf_bits lsf_lflag[] __attribute__((unused)) = {
        { 0x1, 0x800 },         /* ECHOKE */
        { 0x2, 0x10 },          /* ECHOE */
        { 0x4, 0x20 },          /* ECHOK */
        { 0x8, 0x8 },           /* ECHO */
        { 0x10, 0x40 },         /* ECHONL */
        { 0x20, 0x400 },        /* ECHOPRT */
        { 0x40, 0x200 },        /* ECHOCTL */
        { 0x80, 0x1 },          /* ISIG */
        { 0x100, 0x2 },         /* ICANON */
        { 0x400, 0x8000 },      /* IEXTEN */
        { 0x800, 0x10000 },     /* EXTPROC */
        { 0x400000, 0x100 },    /* TOSTOP */
        { 0x800000, 0x1000 },   /* FLUSHO */
        { 0x2000000, 0x2000000 },   /* NOKERNINFO, a bit that Linux keeps and does not know */
        { 0x20000000, 0x4000 }, /* PENDIN */
        { 0x80000000u, 0x80 },  /* NOFLSH */
        { 0, 0 }
    };
    /* Linux's index in c_cc for each of FreeBSD's; 255: none (a spare one). VERASE2, VDSUSP and VSTATUS, which Linux does
     * not have, are kept in places that nothing of its kernel looks at: VSWTC's, and the two that are left. */
    static const unsigned char lsf_cc[20] __attribute__((unused)) = {
        4, 11, 16, 2, 14, 3, 12, 7, 0, 1, 10, 17, 8, 9, 15, 13, 6, 5, 18, 255
    };
    /* The speeds that Linux numbers in c_cflag: its number, bits per second. Every other one is BOTHER. */
    static lsf_bits lsf_speeds[] __attribute__((unused)) = {
        { 0x1, 50 }, { 0x2, 75 }, { 0x3, 110 }, { 0x4, 134 }, { 0x5, 150 }, { 0x6, 200 }, { 0x7, 300 }, { 0x8, 600 },
        { 0x9, 1200 }, { 0xa, 1800 }, { 0xb, 2400 }, { 0xc, 4800 }, { 0xd, 9600 }, { 0xe, 19200 }, { 0xf, 38400 },
        { 0x1001, 57600 }, { 0x1002, 115200 }, { 0x1003, 230400 }, { 0x1004, 460800 }, { 0x1005, 500000 },
        { 0x1006, 576000 }, { 0x1007, 921600 }, { 0x1008, 1000000 }, { 0x1009, 1152000 }, { 0x100a, 1500000 },
        { 0x100b, 2000000 }, { 0x100c, 2500000 }, { 0x100d, 3000000 }, { 0x100e, 3500000 }, { 0x100f, 4000000 },
        { 0, 0 }
    };
    """
    ctypedef const uint32_t lsf_bits[2]
    lsf_bits *lsf_iflag
    lsf_bits *lsf_oflag
    lsf_bits *lsf_cflag
    lsf_bits *lsf_lflag
    lsf_bits *lsf_speeds
    const uint8_t *lsf_cc


cdef extern from *:
    """
    /* ttydefchars of <sys/ttydefaults.h>, by FreeBSD's index. */
    static const unsigned char lsf_default_cc[20] __attribute__((unused)) = {
        4, 0xff, 0xff, 0x7f, 23, 21, 18, 8, 3, 28, 26, 25, 17, 19, 22, 15, 1, 0, 20, 0xff
    };
    """
    const uint8_t *lsf_default_cc


cdef inline void freebsd_termios_default(freebsd_termios *to) noexcept nogil:
    """What a terminal is like that nobody has changed (tty_init_termios)."""
    memset(to, 0, sizeof(freebsd_termios))
    to.c_iflag = (FREEBSD_BRKINT | FREEBSD_ICRNL | FREEBSD_IMAXBEL | FREEBSD_IXON | FREEBSD_IXANY | FREEBSD_IUTF8)
    to.c_oflag = FREEBSD_OPOST | FREEBSD_ONLCR
    to.c_cflag = FREEBSD_CREAD | FREEBSD_CS8 | FREEBSD_HUPCL
    to.c_lflag = (FREEBSD_ICANON | FREEBSD_ISIG | FREEBSD_IEXTEN | FREEBSD_ECHO | FREEBSD_ECHOE | FREEBSD_ECHOKE
                  | FREEBSD_ECHOCTL)
    memcpy(to.c_cc, lsf_default_cc, 20)
    to.c_ispeed = to.c_ospeed = FREEBSD_B9600


cdef inline uint32_t tty_bits(const lsf_bits *table, uint32_t word, int source, int target) noexcept nogil:
    """Walk pairs from column `source` to column `target` (0 FreeBSD, 1 Linux). A pair counts if all its bits are set."""
    cdef uint32_t result = 0
    while table[0][source] != 0:
        if (word & table[0][source]) == table[0][source]:
            result |= table[0][target]
        table += 1
    return result


cdef inline uint32_t tty_mask(const lsf_bits *table, int column) noexcept nogil:
    """All bits of one column."""
    cdef uint32_t result = 0
    while table[0][column] != 0:
        result |= table[0][column]
        table += 1
    return result


cdef inline uint32_t linux_speed_bits(uint32_t speed) noexcept nogil:
    """CBAUD bits for a speed: Linux's number for it, BOTHER where it has none, 0 (hang up) for 0."""
    cdef const lsf_bits *row = lsf_speeds
    if speed == 0:
        return 0
    while row[0][0] != 0:
        if row[0][1] == speed:
            return row[0][0]
        row += 1
    return LINUX_BOTHER


cdef inline void freebsd_termios_from_linux(freebsd_termios *to, const linux_termios2 *source) noexcept nogil:
    """What TCGETS2 gave, whose speeds are numbers. Bits that only Linux has (IUCLC, XCASE, delays) are not shown.

    A control character that is off is 0 on Linux and 0xff on FreeBSD.
    """
    cdef int i
    cdef uint8_t character
    memset(to, 0, sizeof(freebsd_termios))
    to.c_iflag = tty_bits(lsf_iflag, source.c_iflag, 1, 0)
    to.c_oflag = tty_bits(lsf_oflag, source.c_oflag, 1, 0)
    to.c_cflag = tty_bits(lsf_cflag, source.c_cflag, 1, 0)
    to.c_lflag = tty_bits(lsf_lflag, source.c_lflag, 1, 0)
    for i in range(FREEBSD_NCCS):
        to.c_cc[i] = FREEBSD_POSIX_VDISABLE
        if lsf_cc[i] != 255:
            character = source.c_cc[lsf_cc[i]]
            if i == FREEBSD_VMIN or i == FREEBSD_VTIME or character != 0:
                to.c_cc[i] = character
    to.c_ispeed = source.c_ispeed
    to.c_ospeed = source.c_ospeed


cdef inline void linux_termios2_from_freebsd(linux_termios2 *to, const freebsd_termios *source,
                                             const linux_termios2 *current) noexcept nogil:
    """For TCSETS2. `current` (from TCGETS2, or NULL) keeps what a FreeBSD program cannot say: the line discipline, bits
    and control characters that only Linux has. FreeBSD's own (ALTWERASE, CIGNORE...) are dropped.

    An input speed of 0 is the output speed, on both sides.
    """
    cdef int i
    cdef uint32_t bits
    memset(to, 0, sizeof(linux_termios2))
    if current != NULL:
        to.c_iflag = current.c_iflag & ~tty_mask(lsf_iflag, 1)
        to.c_oflag = current.c_oflag & ~tty_mask(lsf_oflag, 1)
        to.c_cflag = current.c_cflag & ~(tty_mask(lsf_cflag, 1) | LINUX_CBAUD | LINUX_CIBAUD)
        to.c_lflag = current.c_lflag & ~tty_mask(lsf_lflag, 1)
        to.c_line = current.c_line
        for i in range(19):
            to.c_cc[i] = current.c_cc[i]
    to.c_iflag |= tty_bits(lsf_iflag, source.c_iflag, 0, 1)
    to.c_oflag |= tty_bits(lsf_oflag, source.c_oflag, 0, 1)
    to.c_cflag |= tty_bits(lsf_cflag, source.c_cflag, 0, 1)
    if (source.c_cflag & FREEBSD_CRTSCTS) != 0:     # one direction alone: Linux has but the two together
        to.c_cflag |= LINUX_CRTSCTS
    to.c_lflag |= tty_bits(lsf_lflag, source.c_lflag, 0, 1)
    for i in range(FREEBSD_NCCS):
        if lsf_cc[i] != 255:
            to.c_cc[lsf_cc[i]] = source.c_cc[i]
            if i != FREEBSD_VMIN and i != FREEBSD_VTIME and source.c_cc[i] == FREEBSD_POSIX_VDISABLE:
                to.c_cc[lsf_cc[i]] = 0
    to.c_ospeed = source.c_ospeed
    to.c_ispeed = source.c_ispeed if source.c_ispeed != 0 else source.c_ospeed
    to.c_cflag |= linux_speed_bits(to.c_ospeed)
    if to.c_ispeed != to.c_ospeed:
        bits = linux_speed_bits(to.c_ispeed)
        to.c_cflag |= bits << LINUX_IBSHIFT
