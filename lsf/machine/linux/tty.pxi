# Linux's structs: tty.

# The kernel's struct termios2, which TCGETS2 and TCSETS2 take (its speeds are numbers). <asm/termbits.h> cannot be
# included beside libc's <termios.h>, so it is written out here.
cdef struct linux_termios2:
    uint32_t c_iflag
    uint32_t c_oflag
    uint32_t c_cflag
    uint32_t c_lflag
    uint8_t c_line
    uint8_t c_cc[19]
    uint32_t c_ispeed
    uint32_t c_ospeed

# The kernel's struct termios, of TCGETS and TCSETS.
cdef struct linux_termios:
    uint32_t c_iflag
    uint32_t c_oflag
    uint32_t c_cflag
    uint32_t c_lflag
    uint8_t c_line
    uint8_t c_cc[19]

cdef extern from "<sys/ioctl.h>" nogil:
    ctypedef struct linux_winsize "struct winsize":
        uint16_t ws_row
        uint16_t ws_col
        uint16_t ws_xpixel
        uint16_t ws_ypixel
