# How long an x86-64 instruction is, where it leads, and whether it may stand at another place: what patching must know of
# the text around a syscall. The map of opcodes is lsf/_build/instructions.py.
#
# An instruction that is not understood has no length here, and who asks leaves its text alone.

cdef extern from "instructions.h" nogil:
    const int INSTRUCTION_MODRM, INSTRUCTION_IMM8, INSTRUCTION_IMM16, INSTRUCTION_IMMZ, INSTRUCTION_IMMV, INSTRUCTION_MOFFS
    const int INSTRUCTION_GROUP_TEST
    const int INSTRUCTION_PLAIN, INSTRUCTION_BRANCH, INSTRUCTION_JUMP, INSTRUCTION_CALL, INSTRUCTION_STOP, INSTRUCTION_SYSCALL
    const int INSTRUCTION_OTHER, INSTRUCTION_PREFIX, INSTRUCTION_REX, INSTRUCTION_ESCAPE, INSTRUCTION_VEX2, INSTRUCTION_VEX3
    const int INSTRUCTION_EVEX, INSTRUCTION_POP, INSTRUCTION_GROUP_FF, INSTRUCTION_MOV_IMM, INSTRUCTION_UNKNOWN
    const uint16_t lsf_instructions[512]

cdef enum:
    SYSCALL_BYTES = 0x050f
    INSTRUCTION_MAX = 15        # no longer one exists

cdef struct instruction_t:
    uint32_t length
    uint32_t kind               # INSTRUCTION_PLAIN to INSTRUCTION_OTHER: how the next instruction is found
    uint32_t rip_at             # offset of the 32-bit displacement from rip, 0 where there is none
    bint address32              # addresses of 32 bits (prefix 67)
    int64_t leads               # a direct branch, jump or call: the target, from the instruction's end


cdef bint operands_of_map(uint32_t map_, unsigned char opcode, uint32_t *operands) noexcept nogil:
    """The operand bytes of an opcode that VEX, EVEX or XOP encode, by their map; False for a map that is not known."""
    operands[0] = INSTRUCTION_MODRM
    if map_ == 1:
        # As after 0f: an immediate byte for shuffles, shifts, compares, insertions and extractions.
        if 0x70 <= opcode <= 0x73 or opcode == 0xc2 or 0xc4 <= opcode <= 0xc6:
            operands[0] |= INSTRUCTION_IMM8
        elif opcode == 0x77:
            operands[0] = 0         # vzeroupper
    elif map_ == 3 or map_ == 8:
        operands[0] |= INSTRUCTION_IMM8
    elif map_ == 10:
        operands[0] |= INSTRUCTION_IMMZ
    else:
        return map_ == 2 or map_ == 5 or map_ == 6 or map_ == 9
    return True


cdef uint32_t address_bytes(const unsigned char *modrm, uint64_t room, uint32_t *rip_at) noexcept nogil:
    """The bytes of a ModRM operand: itself, SIB and displacement; 0 where room ends. rip_at: the offset of a displacement
    from rip, 0 for another."""
    cdef uint32_t mod, rm, n = 1
    rip_at[0] = 0
    if room < 1:
        return 0
    mod = modrm[0] >> 6
    rm = modrm[0] & 7
    if mod == 3:
        return 1
    if rm == 4:
        n = 2
        if room < 2:
            return 0
        if mod == 0 and modrm[1] & 7 == 5:
            return 6
    elif rm == 5 and mod == 0:
        rip_at[0] = 1
        return 5
    return n + (4 if mod == 2 else mod)


cdef bint decode_instruction(const unsigned char *code, uint64_t room, instruction_t *to) noexcept nogil:
    """Understand the instruction at code, of which `room` bytes are there. False: it is unknown, none, or cut."""
    cdef uint32_t at = 0, operands, kind, size, rip_at = 0, immediate = 0, reg = 0
    cdef uint32_t entry
    cdef bint operand16 = False, wide = False, rex = False, legacy = False
    cdef unsigned char byte
    to.rip_at = 0
    to.leads = 0
    to.address32 = False
    while True:
        if at >= room or at >= INSTRUCTION_MAX:
            return False
        byte = code[at]
        entry = lsf_instructions[byte]
        kind = entry >> 8
        if kind == <uint32_t> INSTRUCTION_PREFIX:
            operand16 = operand16 or byte == 0x66
            to.address32 = to.address32 or byte == 0x67
            # With these VEX, EVEX and XOP are no instructions.
            legacy = legacy or byte == 0x66 or byte == 0xf0 or byte == 0xf2 or byte == 0xf3
            rex = False
            wide = False                    # a REX prefix counts only right before the opcode
        elif kind == <uint32_t> INSTRUCTION_REX:
            rex = True
            wide = byte & 8 != 0
        else:
            break
        at += 1
    operands = entry & 0xff
    at += 1
    if kind == <uint32_t> INSTRUCTION_POP and at < room and code[at] & 0x1f >= 8:
        kind = INSTRUCTION_VEX3             # XOP, in the same form
    if kind == <uint32_t> INSTRUCTION_POP:
        if at >= room or code[at] & 0x38 != 0:
            return False
        kind = INSTRUCTION_PLAIN
    if kind == <uint32_t> INSTRUCTION_ESCAPE:
        if at >= room:
            return False
        byte = code[at]
        at += 1
        entry = lsf_instructions[256 + byte]
        kind = entry >> 8
        operands = entry & 0xff
        if kind == <uint32_t> INSTRUCTION_ESCAPE:
            at += 1                         # 0f 38, 0f 3a: the opcode follows
            if at > room:
                return False
            operands = INSTRUCTION_MODRM | (INSTRUCTION_IMM8 if byte == 0x3a else 0)
            kind = INSTRUCTION_PLAIN
    elif kind == <uint32_t> INSTRUCTION_VEX2 or kind == <uint32_t> INSTRUCTION_VEX3 or kind == <uint32_t> INSTRUCTION_EVEX:
        size = 1 if kind == <uint32_t> INSTRUCTION_VEX2 else 2 if kind == <uint32_t> INSTRUCTION_VEX3 else 3
        if legacy or rex or at + size >= room:
            return False
        if kind == <uint32_t> INSTRUCTION_EVEX and (code[at] & 0x08 or not code[at + 1] & 0x04):
            return False
        operand16 = False
        if not operands_of_map(1 if size == 1 else code[at] & (0x1f if size == 2 else 7), code[at + size], &operands):
            return False
        at += size + 1
        kind = INSTRUCTION_PLAIN
    if kind == <uint32_t> INSTRUCTION_UNKNOWN or at > room:
        return False
    if operands & INSTRUCTION_MODRM:
        size = address_bytes(&code[at], room - at, &rip_at)
        if size == 0:
            return False
        reg = code[at] >> 3 & 7
        if rip_at:
            to.rip_at = at + rip_at
        at += size
    if operands & INSTRUCTION_GROUP_TEST and reg > 1:
        operands = INSTRUCTION_MODRM
    if kind == <uint32_t> INSTRUCTION_MOV_IMM:
        if reg != 0:
            return False
        kind = INSTRUCTION_PLAIN
    elif kind == <uint32_t> INSTRUCTION_GROUP_FF:
        if reg == 7:
            return False
        kind = INSTRUCTION_PLAIN if reg < 2 or reg == 6 else INSTRUCTION_CALL if reg < 4 else INSTRUCTION_STOP
    if operands & INSTRUCTION_IMM8:
        immediate += 1
    if operands & INSTRUCTION_IMM16:
        immediate += 2
    if operands & INSTRUCTION_IMMZ:
        immediate += 2 if operand16 and not wide else 4
    if operands & INSTRUCTION_IMMV:
        immediate += 8 if wide else 2 if operand16 else 4
    if operands & INSTRUCTION_MOFFS:
        immediate += 4 if to.address32 else 8
    if at + immediate > room or at + immediate > INSTRUCTION_MAX:
        return False
    if kind == <uint32_t> INSTRUCTION_BRANCH or kind == <uint32_t> INSTRUCTION_JUMP or (
            kind == <uint32_t> INSTRUCTION_CALL and operands & INSTRUCTION_IMMZ):
        if operand16 and not wide:
            return False                    # processors do not agree on these
        if immediate == 1:
            to.leads = <signed char> code[at]
        else:
            to.leads = (<int32_t *> &code[at])[0]
    to.length = at + immediate
    to.kind = kind
    return True
