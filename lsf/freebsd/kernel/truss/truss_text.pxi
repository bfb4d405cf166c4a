# Text of a line of truss.

cdef enum:
    TRUSS_STRING = 32           # truss -s: what is shown of a buffer at most


# A text that grows; what does not fit is cut.
cdef struct text_t:
    char *start
    uint64_t at
    uint64_t size


cdef void put(text_t *text, const char *what) noexcept nogil:
    text.at = append(text.start, text.at, text.size, what)


cdef void put_char(text_t *text, char c) noexcept nogil:
    if text.at + 1 < text.size:
        text.start[text.at] = c
        text.at += 1
        text.start[text.at] = 0


cdef void put_unsigned(text_t *text, uint64_t value) noexcept nogil:
    text.at = append_number(text.start, text.at, text.size, value, 10)


cdef void put_signed(text_t *text, int64_t value) noexcept nogil:
    if value < 0:
        put_char(text, 45)
        value = -value
    put_unsigned(text, <uint64_t> value)


cdef void put_hex(text_t *text, uint64_t value) noexcept nogil:
    put(text, b"0x")
    text.at = append_number(text.start, text.at, text.size, value, 16)


cdef void put_octal(text_t *text, uint64_t value) noexcept nogil:
    put_char(text, 48)
    text.at = append_number(text.start, text.at, text.size, value, 8)


cdef void put_padded(text_t *text, uint64_t value, int width) noexcept nogil:
    """Decimal with leading zeros."""
    cdef uint64_t power = 1
    cdef int i
    for i in range(width - 1):
        power *= 10
    while power > 1 and value < power:
        put_char(text, 48)
        power = power // 10
    put_unsigned(text, value)


cdef void put_visible(text_t *text, const uint8_t *bytes_, uint64_t length, uint64_t most, bint binary) noexcept nogil:
    """Bytes in quotes, as vis(3) writes them with VIS_CSTYLE|VIS_TAB|VIS_NL, at most `most` characters; what is cut
    shows as `...`. Bytes above 127 of a name stay as they are."""
    cdef char piece[8]
    cdef uint64_t i, n, shown = 0
    cdef uint8_t c
    put_char(text, 34)
    for i in range(length):
        c = bytes_[i]
        n = 0
        piece[0] = c'\\'                   # the backslash
        if c' ' <= c < 127 or (c >= 128 and not binary):
            if c == c'\\':
                piece[1] = c'\\'
                n = 2
            else:
                piece[0] = c
                n = 1
        elif c == 0:
            piece[1] = c'0'
            n = 2
            if i + 1 < length and c'0' <= bytes_[i + 1] <= c'7':
                piece[2] = c'0'
                piece[3] = c'0'
                n = 4
        elif 7 <= c <= 13:
            piece[1] = 97 if c == 7 else (98 if c == 8 else (116 if c == c'\t' else (110 if c == c'\n' else (
                118 if c == 11 else (102 if c == 12 else 114)))))
            n = 2
        else:
            n = 1
            if c & 0x80:
                piece[n] = 77           # M
                n += 1
                c &= 0x7f
            if c < c' ' or c == 127:
                piece[n] = 94           # ^
                piece[n + 1] = 63 if c == 127 else c + 64
            else:
                piece[n] = 45           # -
                piece[n + 1] = c
            n += 2
        if shown + n > most:
            put(text, b"\"...")
            return
        piece[n] = 0
        put(text, piece)
        shown += n
    put_char(text, 34)
