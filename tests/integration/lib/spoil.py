"""Spoil an ELF library so that the dynamic loader still takes it (or has taken it) but readers stumble.

Each function of SPOILERS changes a bytearray in place; a docstring says what is wrong then.
BEFORE: the loader does not look there, so the file is spoiled and then loaded. AFTER: it does,
so the file is spoiled under the running node. Everything is deterministic.
"""
import random
import struct

SHDR = struct.Struct("<IIQQQQIIQQ")
PHDR = struct.Struct("<IIQQQQQQ")
SYM = struct.Struct("<IBBHQQ")

PT_LOAD, PT_GNU_EH_FRAME = 1, 0x6474E550
SHF_COMPRESSED = 1 << 11


class Elf:
    def __init__(self, data):
        self.data = data
        self.phoff, self.shoff = struct.unpack_from("<QQ", data, 32)
        self.phnum, self.shnum, self.shstrndx = struct.unpack_from("<2xH2xHH", data, 54)
        names = self.header(self.shstrndx)
        self.sections = {}
        for i in range(self.shnum):
            h = self.header(i)
            at = names[4] + h[0]
            self.sections[bytes(data[at:data.index(b"\0", at)]).decode()] = i

    def header(self, i):
        return list(SHDR.unpack_from(self.data, self.shoff + 64 * i))

    def set_header(self, name, **fields):
        i = self.sections[name]
        h = self.header(i)
        for k, v in fields.items():
            h[("name", "type", "flags", "addr", "offset", "size", "link", "info", "align", "entsize").index(k)] = v
        SHDR.pack_into(self.data, self.shoff + 64 * i, *h)

    def span(self, name):
        h = self.header(self.sections[name])
        return h[4], h[5]

    def segments(self):
        for i in range(self.phnum):
            at = self.phoff + 56 * i
            yield at, PHDR.unpack_from(self.data, at)


def _noise(data, at, size, seed):
    data[at:at + size] = random.Random(seed).randbytes(size)


def _fill(elf, section, seed):
    at, size = elf.span(section)
    _noise(elf.data, at, size, seed)


def section_headers_are_noise(e):
    _noise(e.data, e.shoff, 64 * e.shnum, 1)


def section_headers_far_away(e):
    struct.pack_into("<Q", e.data, 40, 0x7FFFFFFFFFFFFF00)


def section_count_of_65535(e):
    struct.pack_into("<H", e.data, 60, 0xFFFF)


def section_names_nowhere(e):
    struct.pack_into("<H", e.data, 62, 0xFFFE)


def no_section_headers(e):
    struct.pack_into("<Q", e.data, 40, 0)
    struct.pack_into("<HH", e.data, 60, 0, 0)


def section_headers_that_lie(e):
    """.text is said to be elsewhere, .symtab to link to itself, .eh_frame to be the ELF header."""
    e.set_header(".text", addr=0x40, offset=0x40, size=1 << 62)
    e.set_header(".symtab", link=e.sections[".symtab"], entsize=1)
    e.set_header(".eh_frame", offset=0, size=16)


def symbols_of_a_terabyte(e):
    e.set_header(".symtab", size=1 << 40)
    e.set_header(".strtab", size=1 << 41)


def symbols_are_noise(e):
    _fill(e, ".symtab", 2)


def strings_without_an_end(e):
    at, size = e.span(".strtab")
    e.data[at:at + size] = b"A" * size


def symbols_that_claim_everything(e):
    """Each symbol is called own_leaf, begins at 0 and is 2^63 bytes long."""
    at, size = e.span(".symtab")
    strings, _ = e.span(".strtab")
    e.data[strings + 1:strings + 10] = b"own_leaf\0"
    for s in range(at + SYM.size, at + size, SYM.size):
        SYM.pack_into(e.data, s, 1, 0x12, 0, e.sections[".text"], 0, 1 << 63)


def debug_info_is_noise(e):
    _fill(e, ".debug_info", 3)
    _fill(e, ".debug_line", 4)


def debug_abbreviations_are_noise(e):
    _fill(e, ".debug_abbrev", 5)
    _fill(e, ".debug_str", 6)


def debug_info_that_refers_to_itself(e):
    """Every byte 0x01: units, sizes and forms of the same few values, and references into themselves."""
    for name in (".debug_info", ".debug_abbrev", ".debug_line"):
        at, size = e.span(name)
        e.data[at + 4:at + size] = b"\1" * (size - 4)


def compressed_to_a_terabyte(e):
    """.debug_info says that it is compressed, and 2^40 bytes long when it is not."""
    at, _ = e.span(".debug_info")
    h = e.header(e.sections[".debug_info"])
    e.set_header(".debug_info", flags=h[2] | SHF_COMPRESSED)
    struct.pack_into("<IIQQ", e.data, at, 1, 0, 1 << 40, 1)


def notes_of_4_gigabytes(e):
    at, _ = e.span(".note.gnu.build-id")
    struct.pack_into("<II", e.data, at, 0xFFFFFFFC, 0xFFFFFFF0)


def unwind_tables_are_noise(e):
    _fill(e, ".eh_frame", 7)


def unwind_index_of_billions(e):
    at, _ = e.span(".eh_frame_hdr")
    struct.pack_into("<I", e.data, at + 8, 0xFFFFFFFF)


def unwind_index_far_away(e):
    for at, p in e.segments():
        if p[0] == PT_GNU_EH_FRAME:
            PHDR.pack_into(e.data, at, p[0], p[1], 1 << 62, 1 << 62, 1 << 62, 1 << 61, 1 << 61, 4)


def augmentation_without_an_end(e):
    """The CIE's string has no NUL up to the section's end (one such file has crashed a root profiler)."""
    at, size = e.span(".eh_frame")
    e.data[at + 9:at + size] = b"z" * (size - 9)


def unwind_instructions_without_end(e):
    """Every FDE's instructions are DW_CFA_remember_state."""
    at, size = e.span(".eh_frame")
    end, first = at + size, True
    while at + 4 <= end:
        length = struct.unpack_from("<I", e.data, at)[0]
        if length == 0:
            break
        if not first:
            e.data[at + 17:at + 4 + length] = b"\x0a" * (length - 13)
        first = False
        at += 4 + length


def truncated(e):
    """Ends where the loader stopped reading."""
    end = max(p[2] + p[5] for _, p in e.segments() if p[0] == PT_LOAD)
    del e.data[end:]


def program_headers_are_noise(e):
    _noise(e.data, e.phoff, 56 * e.phnum, 8)


def elf_header_is_noise(e):
    _noise(e.data, 0, 64, 9)


def dynamic_symbols_are_noise(e):
    for name in (".dynsym", ".dynstr", ".gnu.hash"):
        _fill(e, name, 10)


BEFORE = (section_headers_are_noise, section_headers_far_away, section_count_of_65535, section_names_nowhere,
          no_section_headers, section_headers_that_lie, symbols_of_a_terabyte, symbols_are_noise,
          strings_without_an_end, symbols_that_claim_everything, debug_info_is_noise,
          debug_abbreviations_are_noise, debug_info_that_refers_to_itself, compressed_to_a_terabyte,
          notes_of_4_gigabytes, unwind_tables_are_noise, unwind_index_of_billions, unwind_index_far_away,
          augmentation_without_an_end, unwind_instructions_without_end)
AFTER = (truncated, program_headers_are_noise, elf_header_is_noise, dynamic_symbols_are_noise)


def spoil(path, spoiler):
    """Change the file in place: a node that has it mapped sees the same file, spoiled."""
    with open(path, "r+b") as f:
        data = bytearray(f.read())
        spoiler(Elf(data))
        f.seek(0)
        f.write(data)
        f.truncate()
