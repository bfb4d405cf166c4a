# The ELF format, which is neither system's: <elf.h>.

cdef extern from "<elf.h>" nogil:
    enum:
        ELF_ET_EXEC "ET_EXEC"
        ELF_ET_DYN "ET_DYN"
        ELF_ET_CORE "ET_CORE"
        ELF_EM_386 "EM_386"
        ELF_EM_X86_64 "EM_X86_64"
        ELF_PT_LOAD "PT_LOAD"
        ELF_PT_DYNAMIC "PT_DYNAMIC"
        ELF_PT_INTERP "PT_INTERP"
        ELF_PT_NOTE "PT_NOTE"
        ELF_PT_PHDR "PT_PHDR"
        ELF_PF_R "PF_R"
        ELF_PF_W "PF_W"
        ELF_PF_X "PF_X"
        ELF_PN_XNUM "PN_XNUM"
        ELF_EV_CURRENT "EV_CURRENT"
        ELF_PT_GNU_EH_FRAME "PT_GNU_EH_FRAME"
        ELF_PT_GNU_STACK "PT_GNU_STACK"
        ELF_SHT_SYMTAB "SHT_SYMTAB"
        ELF_SHT_DYNSYM "SHT_DYNSYM"
        ELF_DT_HASH "DT_HASH"
        ELF_DT_SYMTAB "DT_SYMTAB"
        ELF_STT_FUNC "STT_FUNC"

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

    ctypedef struct Elf64_Shdr:
        uint32_t sh_name
        uint32_t sh_type
        uint64_t sh_flags
        uint64_t sh_addr
        uint64_t sh_offset
        uint64_t sh_size
        uint32_t sh_link
        uint32_t sh_info
        uint64_t sh_addralign
        uint64_t sh_entsize

    ctypedef struct Elf64_Sym:
        uint32_t st_name
        uint8_t st_info
        uint8_t st_other
        uint16_t st_shndx
        uint64_t st_value
        uint64_t st_size

    ctypedef struct Elf64_Nhdr:
        uint32_t n_namesz
        uint32_t n_descsz
        uint32_t n_type
