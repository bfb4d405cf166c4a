# Where functions begin, and what is proven of their instructions: how patching knows the boundary of what it displaces.
#
# A function's beginning is told by the image that holds it: the table of its unwind information (PT_GNU_EH_FRAME), its dynamic
# symbols, Go's table of functions (its moduledata), or the symbols in the program's file. From there every instruction is
# decoded that control can reach by direct branches; what nothing leads to (padding, tables) is not looked at. Behind a call there may be data: what is called may not return, or
# may take its return address for a pointer; the same holds for a syscall. So code that only leads there over a call is
# proven by less (CALLS_DESCRIBED), and only displaced where nothing else is possible. Nothing is kept but where an image
# begins: other code may be mapped there the next time, so its header is read anew.
# Sources: the Linux Standard Base's .eh_frame_hdr; Go src/internal/abi/symtab.go and src/runtime/symtab.go.

cdef enum:
    SYMBOLS_AT_ONCE = 128
    SYMBOLS_MAX = 1 << 20
    DYNAMIC_MAX = 64
    FUNCTION_MAX = 8192             # bytes; a longer function is not looked at
    FUNCTION_WORDS = 128            # a bit for each
    FUNCTION_BRANCHES = 128         # targets that wait to be decoded
    RUN_LENGTH = 8                  # instructions before a site that are remembered
    DISPLACED_MAX = 28              # bytes that a trampoline takes over
    IMAGE_PAGES = 32768             # so far below a site its image's header is looked for
    IMAGE_GAP = 32                  # so many pages without memory end the search
    EH_FRAME_HDR_VERSION = 1
    DW_EH_PE_PCREL_SDATA4 = 0x1b
    DW_EH_PE_UDATA4 = 0x03
    DW_EH_PE_DATAREL_SDATA4 = 0x3b
    GO_MAGIC_118 = 0xfffffff0
    GO_MAGIC_120 = 0xfffffff1
    # struct moduledata since Go 1.18: pcHeader, six slices, findfunctab, minpc, maxpc, text.
    GO_MODULE_FTAB = 128
    GO_MODULE_MINPC = 160
    GO_MODULE_MAXPC = 168
    GO_MODULE_TEXT = 176
    GO_MODULE_SIZE = 192
    GO_MODULE_WORDS = 24
    GO_HEADER_FUNCTIONS = 8         # struct pcHeader: their number
    GO_PTR_SIZE = 7
    SEARCH_WORDS = 512
    # What is taken for code behind a call.
    CALLS_END = 0                   # nothing
    CALLS_DESCRIBED = 1             # what follows a call of a function in the image's unwind table
    CALLS_RETURN = 2                # everything: Go's functions have no data among them

# An image as it is mapped now.
cdef struct mapped_image_t:
    uint64_t start                  # where its header lies
    uint64_t low                    # its lowest address
    uint64_t bias                   # what to add to the addresses in its headers
    uint64_t text, text_end         # the segment that was asked for,
    uint64_t text_offset            # and where it begins in the file
    uint64_t sections               # the section headers' offset in the file,
    uint32_t section_count          # and their number
    uint64_t unwind                 # .eh_frame_hdr, 0 where it has none
    uint64_t dynamic                # 0 where it has none
    uint64_t data, data_end         # its first writable segment

# The function symbol before an address, and the next one.
cdef struct nearest_t:
    uint64_t start, next_

# The instructions right before a site, the last one last.
cdef struct run_t:
    uint32_t count
    uint32_t at[RUN_LENGTH]         # from the function's beginning
    instruction_t instructions[RUN_LENGTH]

# What a jump shall take the place of.
cdef struct displaced_t:
    uint64_t start                  # the instruction that the jump overwrites; what follows it up to the syscall moves too
    uint32_t size                   # bytes from there to the syscall


cdef bint image_at(uint64_t start, uint64_t address, mapped_image_t *to) noexcept nogil:
    """Read the ELF header at `start`: True where `address` is in a segment of that image that can be executed."""
    cdef Elf64_Ehdr header
    cdef Elf64_Phdr phdr
    cdef uint64_t bias = 0, begin
    cdef bint found = False, first = True
    cdef int i
    if copyin(start, &header, sizeof(header)) < 0 or (<uint32_t *> header.e_ident)[0] != 0x464c457f \
            or header.e_phentsize != sizeof(phdr) or header.e_phnum > 64 or header.e_phoff > PAGE_SIZE:
        return False
    memset(to, 0, sizeof(mapped_image_t))
    to.start = start
    for i in range(header.e_phnum):
        if copyin(start + header.e_phoff + <uint64_t> i * sizeof(phdr), &phdr, sizeof(phdr)) < 0:
            return False
        if phdr.p_type == ELF_PT_LOAD:
            if first:
                bias = start - page_down(phdr.p_vaddr)
                to.low = bias + page_down(phdr.p_vaddr)
                first = False
            begin = bias + phdr.p_vaddr
            if phdr.p_flags & 1 and address - begin < phdr.p_filesz:
                found = True
                to.text = begin
                to.text_end = begin + phdr.p_filesz
                to.text_offset = phdr.p_offset
            if phdr.p_flags & 2 and to.data == 0:
                to.data = begin
                to.data_end = begin + phdr.p_filesz
    to.bias = bias
    if header.e_shentsize == sizeof(Elf64_Shdr):
        to.sections = header.e_shoff
        to.section_count = header.e_shnum
    for i in range(header.e_phnum):
        if copyin(start + header.e_phoff + <uint64_t> i * sizeof(phdr), &phdr, sizeof(phdr)) < 0:
            return False
        if phdr.p_type == ELF_PT_GNU_EH_FRAME:
            to.unwind = bias + phdr.p_vaddr
        elif phdr.p_type == ELF_PT_DYNAMIC:
            to.dynamic = bias + phdr.p_vaddr
    return found


cdef bint image_of(uint64_t address, mapped_image_t *to) noexcept nogil:
    """The image that `address` is in: one that was found before, or the next header below. PATCHES.lock is held."""
    cdef uint64_t at = page_down(address)
    cdef uint32_t magic, gap = 0
    cdef int i
    for i in range(PATCH_IMAGES):
        if PATCHES.images[i] != 0 and image_at(PATCHES.images[i], address, to):
            return True
    for i in range(IMAGE_PAGES):
        magic = 0
        if fetch_guest32(at, &magic) < 0:
            gap += 1
            if gap > IMAGE_GAP:
                return False
        else:
            gap = 0
            if magic == 0x464c457f and image_at(at, address, to):
                PATCHES.images[PATCHES.next_image % PATCH_IMAGES] = at
                PATCHES.next_image += 1
                return True
        if at <= PAGE_SIZE:
            return False
        at -= PAGE_SIZE
    return False


cdef bint function_by_unwind(const mapped_image_t *image, uint64_t address, uint64_t *start, uint64_t *end) noexcept nogil:
    """The function that `address` is in, by the sorted table of .eh_frame_hdr."""
    cdef unsigned char head[12]
    cdef int32_t pair[2]
    cdef uint32_t entry[4]
    cdef uint64_t table = image.unwind + 12, low = 0, high, middle, fde
    if image.unwind == 0 or copyin(image.unwind, head, 12) < 0:
        return False
    if head[0] != EH_FRAME_HDR_VERSION or head[1] != DW_EH_PE_PCREL_SDATA4 or head[2] != DW_EH_PE_UDATA4 \
            or head[3] != DW_EH_PE_DATAREL_SDATA4:
        return False
    high = (<uint32_t *> &head[8])[0]
    while low < high:               # the last one that does not begin behind it
        middle = (low + high) // 2
        if copyin(table + middle * 8, pair, 8) < 0:
            return False
        if image.unwind + <uint64_t> <int64_t> pair[0] <= address:
            low = middle + 1
        else:
            high = middle
    if low == 0 or copyin(table + (low - 1) * 8, pair, 8) < 0:
        return False
    start[0] = image.unwind + <uint64_t> <int64_t> pair[0]
    fde = image.unwind + <uint64_t> <int64_t> pair[1]
    # Length, where its CIE is, the function's beginning and size. Only if they are encoded as usual does the beginning agree.
    if copyin(fde, entry, 16) < 0 or fde + 8 + <uint64_t> <int64_t> <int32_t> entry[2] != start[0]:
        return False
    end[0] = start[0] + entry[3]
    return start[0] <= address < end[0]


cdef void symbols_look(const Elf64_Sym *symbols, uint64_t count, uint64_t bias, uint64_t address,
                       nearest_t *nearest) noexcept nogil:
    """Let a function symbol among these be the nearest one, if it is."""
    cdef uint64_t i, at
    for i in range(count):
        if symbols[i].st_info & 15 != ELF_STT_FUNC or symbols[i].st_shndx == 0:
            continue
        at = bias + symbols[i].st_value
        if nearest.start < at <= address:
            nearest.start = at
        elif address < at < nearest.next_:
            nearest.next_ = at


cdef bint function_by_dynamic(const mapped_image_t *image, uint64_t address, uint64_t *start, uint64_t *end) noexcept nogil:
    """The function that `address` is in, by the dynamic symbols."""
    cdef Elf64_Sym symbols[SYMBOLS_AT_ONCE]
    cdef uint64_t pair[2]
    cdef uint64_t table = 0, n = 0, i = 0, some
    cdef uint32_t count = 0
    cdef nearest_t nearest
    if image.dynamic == 0:
        return False
    for i in range(DYNAMIC_MAX):
        if copyin(image.dynamic + i * 16, pair, 16) < 0 or pair[0] == 0:
            break
        if pair[0] == ELF_DT_SYMTAB:
            table = image.bias + pair[1]
        elif pair[0] == ELF_DT_HASH and fetch_guest32(image.bias + pair[1] + 4, &count) == 0:
            n = count               # its second word
    nearest.start = 0
    nearest.next_ = image.text_end
    i = 0
    while table != 0 and i < n and n < SYMBOLS_MAX:
        some = n - i if n - i < SYMBOLS_AT_ONCE else SYMBOLS_AT_ONCE
        if copyin(table + i * sizeof(Elf64_Sym), symbols, some * sizeof(Elf64_Sym)) < 0:
            return False
        symbols_look(symbols, some, image.bias, address, &nearest)
        i += some
    start[0] = nearest.start
    end[0] = nearest.next_
    return nearest.start >= image.text


cdef bint same_text(long fd, const mapped_image_t *image, uint64_t start, uint64_t end) noexcept nogil:
    """True where a file has the bytes that are in memory, in the image's text."""
    cdef unsigned char there[256]
    cdef unsigned char here[256]
    cdef uint64_t some
    while start < end:
        some = end - start if end - start < 256 else 256
        if linux_syscall4(LINUX_SYS_pread64, fd, <uint64_t> there, some,
                          image.text_offset + (start - image.text)) != <long> some \
                or copyin_unpatched(start, here, some) < 0 or memcmp(there, here, some) != 0:
            return False
        start += some
    return True


cdef bint function_by_file(process_t *proc, const mapped_image_t *image, uint64_t address, uint64_t *start,
                           uint64_t *end) noexcept nogil:
    """The function that `address` is in, by the symbols in the program's file, if that is what is mapped: the bytes of the
    function decide."""
    cdef Elf64_Sym symbols[SYMBOLS_AT_ONCE]
    cdef Elf64_Shdr section
    cdef uint64_t i, at
    cdef nearest_t nearest
    # CLOEXEC, NONBLOCK, NOCTTY
    cdef long fd = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> proc.execpath, LINUX_O_NOCTTY
                                  | LINUX_O_NONBLOCK | LINUX_O_CLOEXEC, 0)
    cdef long got
    cdef bint found = False
    if is_error(fd):
        return False
    nearest.start = 0
    nearest.next_ = image.text_end
    for i in range(image.section_count):
        if linux_syscall4(LINUX_SYS_pread64, fd, <uint64_t> &section, sizeof(section),
                          image.sections + i * sizeof(section)) != sizeof(section):
            break
        if section.sh_type != ELF_SHT_SYMTAB or section.sh_size > <uint64_t> SYMBOLS_MAX * sizeof(Elf64_Sym):
            continue
        at = 0
        while at < section.sh_size:
            got = linux_syscall4(LINUX_SYS_pread64, fd, <uint64_t> symbols, sizeof(symbols), section.sh_offset + at)
            if got < <long> sizeof(Elf64_Sym):
                break
            symbols_look(symbols, <uint64_t> got // sizeof(Elf64_Sym), image.bias, address, &nearest)
            at += <uint64_t> got
        found = nearest.start >= image.text and address + 2 <= nearest.next_ \
                and same_text(fd, image, nearest.start, address + 2)
        break
    linux_syscall1(LINUX_SYS_close, fd)
    start[0] = nearest.start
    end[0] = nearest.next_
    return found


cdef bint go_module(const mapped_image_t *image, uint64_t address, uint64_t *module) noexcept nogil:
    """Is Go's moduledata of the image, which has `address` in its text, at module[0]?"""
    cdef uint64_t words[GO_MODULE_WORDS]
    cdef unsigned char head[16]
    cdef uint64_t count
    cdef uint32_t first = 0
    if copyin(module[0], words, GO_MODULE_SIZE) < 0 or words[0] < image.low or copyin(words[0], head, 16) < 0:
        return False
    if (<uint32_t *> head)[0] != GO_MAGIC_118 and (<uint32_t *> head)[0] != GO_MAGIC_120:
        return False
    count = (<uint64_t *> &head[GO_HEADER_FUNCTIONS])[0]
    # The table has one entry more, for the end; its first entry is where the text begins.
    return (head[GO_PTR_SIZE] == 8 and words[GO_MODULE_FTAB // 8 + 1] == count + 1 and 0 < count < 1 << 24
            and words[GO_MODULE_MINPC // 8] <= address < words[GO_MODULE_MAXPC // 8]
            and fetch_guest32(words[GO_MODULE_FTAB // 8], &first) == 0
            and words[GO_MODULE_TEXT // 8] + first == words[GO_MODULE_MINPC // 8])


cdef bint function_by_go(const mapped_image_t *image, uint64_t address, uint64_t *start, uint64_t *end) noexcept nogil:
    """The function that `address` is in, by Go's table. Its moduledata is in the writable data, and found by what it says of
    itself. PATCHES.lock is held."""
    cdef uint64_t words[SEARCH_WORDS]
    cdef uint64_t at, table = 0, text = 0, count = 0, low = 0, high, middle, module = PATCHES.go_module
    cdef uint32_t magic, offset
    cdef bint found = module != 0 and image.data <= module < image.data_end and go_module(image, address, &module)
    cdef int i
    at = image.data
    while not found and at + sizeof(words) <= image.data_end:
        if copyin(at, words, sizeof(words)) < 0:
            return False
        for i in range(SEARCH_WORDS):
            magic = 0
            if image.low <= words[i] < image.data_end and words[i] & 7 == 0 and fetch_guest32(words[i], &magic) == 0 \
                    and (magic == GO_MAGIC_118 or magic == GO_MAGIC_120):
                module = at + <uint64_t> i * 8
                found = go_module(image, address, &module)
                if found:
                    break
        at += sizeof(words)
    if not found or fetch_guest64(module + GO_MODULE_FTAB, &table) < 0 \
            or fetch_guest64(module + GO_MODULE_FTAB + 8, &count) < 0 \
            or fetch_guest64(module + GO_MODULE_TEXT, &text) < 0:
        return False
    PATCHES.go_module = module
    high = count                    # entries of two words: where a function begins, and what is known of it
    while low < high:
        middle = (low + high) // 2
        offset = 0
        if fetch_guest32(table + middle * 8, &offset) < 0:
            return False
        if text + offset <= address:
            low = middle + 1
        else:
            high = middle
    if low == 0 or low >= count:
        return False
    offset = 0
    if fetch_guest32(table + (low - 1) * 8, &offset) < 0:
        return False
    start[0] = text + offset
    if fetch_guest32(table + low * 8, &offset) < 0:
        return False
    end[0] = text + offset
    return start[0] <= address < end[0]


cdef inline bint is_begun(const uint64_t *begun, uint32_t at) noexcept nogil:
    return begun[at >> 6] >> (at & 63) & 1


cdef bint returns(const mapped_image_t *image, uint64_t after, const instruction_t *call, int calls) noexcept nogil:
    """True where code may be expected at `after`, behind a call or a syscall. calls: CALLS_END and what follows it."""
    cdef uint64_t target = after + <uint64_t> call.leads, start = 0, end = 0
    if calls != CALLS_DESCRIBED:
        return calls == CALLS_RETURN
    # A function that takes the return address away is not described as one; nor is a label that stands behind data.
    return call.kind == <uint32_t> INSTRUCTION_CALL and call.leads != 0 \
            and function_by_unwind(image, target, &start, &end) and start == target


cdef bint decode_function(const mapped_image_t *image, uint64_t start, const unsigned char *text, uint32_t size,
                          uint32_t site, int calls,
                          uint64_t *begun, run_t *before) noexcept nogil:
    """Decode what control reaches from the beginning of a function by direct branches: a bit in `begun` for each
    instruction. start: its address; text: its bytes. before: those that lead to `site` without a branch in between. False
    where something is not understood, or the site is not reached so."""
    cdef uint32_t waiting[FUNCTION_BRANCHES]
    cdef uint32_t at, n = 1, i
    cdef int64_t target
    cdef instruction_t found
    cdef run_t run
    waiting[0] = 0
    before.count = 0
    while n != 0:
        n -= 1
        at = waiting[n]
        run.count = 0
        while at < size:
            if at == site and run.count > before.count:
                before[0] = run
            if is_begun(begun, at):
                break
            if not decode_instruction(&text[at], size - at, &found):
                return False
            begun[at >> 6] |= 1UL << (at & 63)
            if found.kind == <uint32_t> INSTRUCTION_PLAIN:
                if run.count == RUN_LENGTH:
                    for i in range(RUN_LENGTH - 1):
                        run.at[i] = run.at[i + 1]
                        run.instructions[i] = run.instructions[i + 1]
                    run.count -= 1
                run.at[run.count] = at
                run.instructions[run.count] = found
                run.count += 1
            else:
                run.count = 0
            at += found.length
            if found.kind == <uint32_t> INSTRUCTION_BRANCH or found.kind == <uint32_t> INSTRUCTION_JUMP:
                target = <int64_t> at + found.leads
                if 0 <= target < size:
                    if n == FUNCTION_BRANCHES:
                        return False
                    waiting[n] = <uint32_t> target
                    n += 1
            if found.kind == <uint32_t> INSTRUCTION_JUMP or found.kind == <uint32_t> INSTRUCTION_STOP:
                break
            if found.kind != <uint32_t> INSTRUCTION_PLAIN and found.kind != <uint32_t> INSTRUCTION_BRANCH \
                    and not returns(image, start + at, &found, calls):
                break
    return before.count != 0 and is_begun(begun, site)


cdef bint stands_alone(const unsigned char *text, uint32_t size, const uint64_t *begun, uint32_t at,
                       uint32_t length) noexcept nogil:
    """True where no other instruction that was decoded begins within [at, at + length), or reaches into it."""
    cdef instruction_t other
    cdef uint32_t i
    for i in range(1, length):
        if at + i < size and is_begun(begun, at + i):
            return False
    for i in range(1, INSTRUCTION_MAX):
        if i <= at and is_begun(begun, at - i) and decode_instruction(&text[at - i], size - (at - i), &other) \
                and other.length > i:
            return False
    return True


cdef bint displaced_before(const mapped_image_t *image, uint64_t start, uint64_t end, uint64_t site, int calls,
                           displaced_t *to) noexcept nogil:
    """What a jump of five bytes may take the place of before the syscall at `site`, in the function [start, end): one
    instruction that holds the whole jump, in one cache line, with nothing between it and the syscall that branches, all in
    one page, since the next one may be mapped anew. Every boundary is proven by decoding the function from its beginning.
    calls: what is taken for code behind a call; the image may be NULL for other than CALLS_DESCRIBED."""
    cdef unsigned char text[FUNCTION_MAX]
    cdef uint64_t begun[FUNCTION_WORDS]
    cdef run_t run
    cdef uint32_t size, offset, at, i
    if site + 2 > end or site + 2 - start > FUNCTION_MAX:
        return False
    if end - start > FUNCTION_MAX:
        end = start + FUNCTION_MAX          # by symbols it may reach to the next one, over much that is none of it
    if copyin_unpatched(start, text, end - start) < 0:
        return False
    size = <uint32_t> (end - start)
    offset = <uint32_t> (site - start)
    memset(begun, 0, sizeof(begun))
    if not decode_function(image, start, text, size, offset, calls, begun, &run):
        return False
    i = run.count
    while i != 0:
        i -= 1
        at = run.at[i]
        if offset - at > DISPLACED_MAX or page_down(start + at) != page_down(site + 1) \
                or (run.instructions[i].rip_at and run.instructions[i].address32):
            return False
        if run.instructions[i].length >= JUMP_SIZE and (start + at) % CACHE_LINE <= CACHE_LINE - JUMP_SIZE \
                and stands_alone(text, size, begun, at, run.instructions[i].length):
            to.start = start + at
            to.size = offset - at
            return True
    return False
