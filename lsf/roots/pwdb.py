"""FreeBSD's /etc/pwd.db and spwd.db, which its libc reads where one would expect /etc/passwd to be read.

They are hash tables of Berkeley DB 1.85 (FreeBSD: lib/libc/db/hash/hash.h, page.h) with each user under its name, its uid
and its number in the file (usr.sbin/pwd_mkdb). Written here so that no page overflows: then the table is a header, and
one page for each bucket.
"""

_PAGE_SHIFT = 12
_PAGE = 1 << _PAGE_SHIFT
_MAGIC = 0x061561
_VERSION = 2
_LITTLE_ENDIAN = 1234
_HASH_CHECK = b"%$sniglet^&\0"

#: Keys of the machine-independent entries: _PW_VERSIONED(_PW_KEYBY…, 4) of <pwd.h>.
BY_NAME, BY_NUMBER, BY_UID = b"\x41", b"\x42", b"\x43"
VERSION_KEY, VERSION_VALUE = b"\xffVERSION", b"\4"


def _hash(key: bytes) -> int:
    value = 0
    for byte in key:
        value = value * 33 + byte & 0xFFFFFFFF
    return value


def _page(entries: list[tuple[bytes, bytes]]) -> bytes | None:
    """A bucket's page: the count, an offset for each key and value, free room and its end; the bytes lie at the end."""
    page = bytearray(_PAGE)
    index, end = [2 * len(entries)], _PAGE
    for pair in entries:
        for part in pair:
            end -= len(part)
            if end < 0:
                return None
            page[end : end + len(part)] = part
            index.append(end)
    free = end - 2 * (len(index) + 2)
    if free < 0:
        return None
    for at, value in enumerate((*index, free, end)):
        page[2 * at : 2 * at + 2] = value.to_bytes(2, "little")
    return bytes(page)


def hash_table(entries: dict[bytes, bytes]) -> bytes:
    """A Berkeley DB 1.85 hash file with these entries."""
    shift = 0
    while True:
        shift += 1
        count = 1 << shift
        buckets: list[list[tuple[bytes, bytes]]] = [[] for _ in range(count)]
        for key, value in entries.items():
            buckets[_hash(key) & (count - 1)].append((key, value))
        pages = [_page(bucket) for bucket in buckets]
        if None not in pages:
            break
        if shift == 20:
            raise ValueError("an entry that fits no page")
    header = (
        _MAGIC, _VERSION, _LITTLE_ENDIAN, _PAGE, _PAGE_SHIFT,
        256, 256, 8,                                # directory size, segment size and its shift: the defaults
        shift, 0,                                   # where overflow pages would be allocated, the last one freed
        count - 1, 2 * count - 1, count - 1,        # greatest bucket, masks for the whole table and its lower half
        32, len(entries), 1, _hash(_HASH_CHECK),    # fill factor, keys, pages of this header
        *(0,) * 32,                                 # overflow pages at each split: none
    )  # fmt: skip
    head = b"".join(value.to_bytes(4, "big") for value in header)  # the header is big-endian in every file
    return b"".join([head.ljust(_PAGE, b"\0"), *(page or b"" for page in pages)])


def _number(text: str) -> bytes:
    return (int(text or 0) & 0xFFFFFFFF).to_bytes(4, "big")


def _record(fields: list[str], password: str) -> bytes:
    """An entry of master.passwd (ten fields) as pwd_mkdb packs it."""
    name, _, uid, gid, login_class, change, expire, gecos, home, shell = fields
    ordered = (*fields[:4], change, login_class, gecos, home, shell, expire)
    filled = sum(1 << bit for bit, field in enumerate(ordered) if field)  # the _PWF flags

    def strings(*texts: str) -> bytes:
        return b"".join(text.encode(errors="surrogateescape") + b"\0" for text in texts)

    return b"".join((
        strings(name, password), _number(uid), _number(gid), _number(change), strings(login_class, gecos, home, shell),
        _number(expire), filled.to_bytes(4, "big"),
    ))  # fmt: skip


def databases(users: list[list[str]]) -> tuple[bytes, bytes]:
    """The contents of pwd.db and spwd.db for users as master.passwd lists them. The first of two with one uid wins."""
    public: dict[bytes, bytes] = {VERSION_KEY: VERSION_VALUE}
    secret = dict(public)
    for number, fields in enumerate(users, 1):
        keys = (BY_NAME + fields[0].encode(errors="surrogateescape"), BY_NUMBER + number.to_bytes(4, "big"),
                BY_UID + _number(fields[2]))  # fmt: skip
        for table, password in ((public, "*"), (secret, fields[1])):
            record = _record(fields, password)
            for key in keys:
                table.setdefault(key, record)
    return hash_table(public), hash_table(secret)
