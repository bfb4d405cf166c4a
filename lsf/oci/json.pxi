# JSON (RFC 8259): a text taken apart without a change, found in, and changed in places.

cdef enum json_kind:
    JSON_OBJECT
    JSON_ARRAY
    JSON_STRING
    JSON_OTHER          # a number, true, false, null

cdef enum:
    JSON_DEPTH = 512

# A value of a text, from `start` to `end`. What is in it follows; `after` is the number of the next that is not: in an object a name
# stands before each value.
cdef struct node_t:
    uint32_t start, end, after, kind

# A text. Its whole value is number 0, which so stands for none where one in it is asked for.
cdef struct json_t:
    const char *text
    node_t *nodes
    uint32_t count, room, at, depth


# ---------------------------------------------------------------- taken apart

cdef uint32_t json_new(run_t *run, json_t *json, json_kind kind) noexcept nogil:
    cdef node_t *larger
    if json.count == json.room:
        json.room = 2 * json.room + 1024
        larger = <node_t *> take(run, json.room * sizeof(node_t))
        if json.count:
            memcpy(larger, json.nodes, json.count * sizeof(node_t))
        json.nodes = larger
    json.nodes[json.count].start = json.at
    json.nodes[json.count].kind = kind
    json.count += 1
    return json.count - 1


cdef void json_blanks(json_t *json) noexcept nogil:
    while json.text[json.at] == c' ' or json.text[json.at] == c'\t' or json.text[json.at] == c'\n' or json.text[json.at] == c'\r':
        json.at += 1


cdef bint json_string_ends(json_t *json) noexcept nogil:
    """Go past a string."""
    cdef const char *text = json.text
    cdef int i
    if text[json.at] != c'"':
        return False
    json.at += 1
    while text[json.at] != c'"':
        if text[json.at] == 0:
            return False
        if text[json.at] == c'\\':
            json.at += 1
            if text[json.at] == c'u':
                for i in range(4):
                    json.at += 1
                    if hex_digit(text[json.at]) < 0:
                        return False
            elif not (text[json.at] == c'"' or text[json.at] == c'\\' or text[json.at] == c'/' or text[json.at] == c'b'
                      or text[json.at] == c'f' or text[json.at] == c'n' or text[json.at] == c'r' or text[json.at] == c't'):
                return False
        json.at += 1
    json.at += 1
    return True


cdef bint json_digits(json_t *json) noexcept nogil:
    if not c'0' <= json.text[json.at] <= c'9':
        return False
    while c'0' <= json.text[json.at] <= c'9':
        json.at += 1
    return True


cdef bint json_number_ends(json_t *json) noexcept nogil:
    """Go past a number."""
    if json.text[json.at] == c'-':
        json.at += 1
    if not json_digits(json):
        return False
    if json.text[json.at] == c'.':
        json.at += 1
        if not json_digits(json):
            return False
    if json.text[json.at] == c'e' or json.text[json.at] == c'E':
        json.at += 1
        if json.text[json.at] == c'+' or json.text[json.at] == c'-':
            json.at += 1
        return json_digits(json)
    return True


cdef bint json_word(json_t *json, const char *word) noexcept nogil:
    if not string_starts(json.text + json.at, word):
        return False
    json.at += string_length(word)
    return True


cdef bint json_inside(run_t *run, json_t *json, bint named, char end) noexcept nogil:
    """What is in an object or an array, after its bracket."""
    json.at += 1
    json_blanks(json)
    if json.text[json.at] == end:
        json.at += 1
        return True
    while True:
        if named:
            json_blanks(json)
            if json.text[json.at] != c'"' or not json_value(run, json):
                return False
            json_blanks(json)
            if json.text[json.at] != c':':
                return False
            json.at += 1
        if not json_value(run, json):
            return False
        json_blanks(json)
        json.at += 1
        if json.text[json.at - 1] == end:
            return True
        if json.text[json.at - 1] != c',':
            json.at -= 1
            return False


cdef bint json_value(run_t *run, json_t *json) noexcept nogil:
    """Go past a value, which becomes a node with what is in it."""
    cdef uint32_t node
    cdef bint good
    cdef char first
    json_blanks(json)
    first = json.text[json.at]
    node = json_new(run, json, JSON_OBJECT if first == c'{' else JSON_ARRAY if first == c'[' else JSON_STRING if first == c'"'
                    else JSON_OTHER)
    if first == c'{' or first == c'[':
        json.depth += 1
        good = json.depth < JSON_DEPTH and json_inside(run, json, first == c'{', c'}' if first == c'{' else c']')
        json.depth -= 1
    elif first == c'"':
        good = json_string_ends(json)
    elif first == c'-' or c'0' <= first <= c'9':
        good = json_number_ends(json)
    else:
        good = json_word(json, b"true") or json_word(json, b"false") or json_word(json, b"null")
    json.nodes[node].end = json.at
    json.nodes[node].after = json.count
    return good


cdef bint json_parse(run_t *run, json_t *json, const growing_t *text) noexcept nogil:
    """Take a text apart: False where it is no JSON; json.at says where."""
    memset(json, 0, sizeof(json_t))
    json.text = text.at
    if not json_value(run, json):
        return False
    json_blanks(json)
    return json.at == text.size


# ---------------------------------------------------------------- found

cdef bint json_is(json_t *json, uint32_t node, json_kind kind) noexcept nogil:
    return json.nodes[node].kind == kind


cdef uint32_t json_first(json_t *json, uint32_t node) noexcept nogil:
    """The first value in an array, 0 for none."""
    return node + 1 if json.nodes[node].after > node + 1 else 0


cdef uint32_t json_next(json_t *json, uint32_t node, uint32_t value) noexcept nogil:
    """The value after another one in the array `node`, 0 for none."""
    return json.nodes[value].after if json.nodes[value].after < json.nodes[node].after else 0


cdef char *json_string(run_t *run, json_t *json, uint32_t node) noexcept nogil:
    """A string's characters in UTF-8; NULL for what is none, or has a NUL in it."""
    cdef char *made
    cdef uint64_t size = 0, at = json.nodes[node].start + 1, end = json.nodes[node].end - 1
    cdef uint32_t code, low
    cdef char c
    if not json_is(json, node, JSON_STRING):
        return NULL
    made = take(run, end - at + 1)
    while at < end:
        c = json.text[at]
        at += 1
        if c != c'\\':
            made[size] = c
            size += 1
            continue
        c = json.text[at]
        at += 1
        if c != c'u':
            made[size] = (c'\b' if c == c'b' else c'\f' if c == c'f' else c'\n' if c == c'n' else c'\r' if c == c'r'
                          else c'\t' if c == c't' else c)
            size += 1
            continue
        code = json_escape(json, at)
        at += 4
        if 0xd800 <= code < 0xdc00 and json.text[at] == c'\\' and json.text[at + 1] == c'u':
            low = json_escape(json, at + 2)
            if 0xdc00 <= low < 0xe000:
                code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00)
                at += 6
        if code == 0:
            return NULL
        size = put_utf8(made, size, code)
    made[size] = 0
    return made


cdef uint32_t json_escape(json_t *json, uint64_t at) noexcept nogil:
    """The number that four hexadecimal digits say."""
    cdef uint32_t code = 0
    cdef int i
    for i in range(4):
        code = code * 16 + <uint32_t> (hex_digit(json.text[at + i]) & 15)
    return code


cdef uint64_t put_utf8(char *to, uint64_t at, uint32_t code) noexcept nogil:
    if code < 0x80:
        to[at] = code
        return at + 1
    if code < 0x800:
        to[at] = 0xc0 | code >> 6
        to[at + 1] = 0x80 | code & 63
        return at + 2
    if code < 0x10000:
        to[at] = 0xe0 | code >> 12
        to[at + 1] = 0x80 | code >> 6 & 63
        to[at + 2] = 0x80 | code & 63
        return at + 3
    to[at] = 0xf0 | code >> 18
    to[at + 1] = 0x80 | code >> 12 & 63
    to[at + 2] = 0x80 | code >> 6 & 63
    to[at + 3] = 0x80 | code & 63
    return at + 4


cdef bint json_says(run_t *run, json_t *json, uint32_t node, const char *text) noexcept nogil:
    """Whether a value is this string."""
    cdef uint64_t size = json.nodes[node].end - json.nodes[node].start
    if not json_is(json, node, JSON_STRING):
        return False
    if size == string_length(text) + 2 and memcmp(json.text + json.nodes[node].start + 1, text, size - 2) == 0:
        return True
    cdef char *said = json_string(run, json, node) if size > string_length(text) + 2 else NULL
    return said != NULL and string_equal(said, text)


cdef uint32_t json_member(run_t *run, json_t *json, uint32_t node, const char *name) noexcept nogil:
    """The value of a name in an object, the last where there are more; 0 for none, and for what is no object."""
    cdef uint32_t at = node + 1, found = 0
    if not json_is(json, node, JSON_OBJECT):
        return 0
    while at < json.nodes[node].after:
        if json_says(run, json, at, name):
            found = at + 1
        at = json.nodes[at + 1].after
    return found


cdef uint32_t json_list(run_t *run, json_t *json, uint32_t node, const char *name) noexcept nogil:
    """The array of a name in an object, 0 for none."""
    cdef uint32_t found = json_member(run, json, node, name)
    return found if found and json_is(json, found, JSON_ARRAY) else 0


cdef char *json_text(run_t *run, json_t *json, uint32_t node, const char *name) noexcept nogil:
    """The string of a name in an object, NULL for none."""
    cdef uint32_t found = json_member(run, json, node, name)
    return json_string(run, json, found) if found else NULL


# ---------------------------------------------------------------- written

cdef void put_quoted(run_t *run, growing_t *text, const char *said) noexcept nogil:
    """A string as JSON has it."""
    cdef uint64_t at = 0
    cdef char digits[8]
    put_text(run, text, b'"')
    while said[at] != 0:
        if said[at] == c'"' or said[at] == c'\\':
            put_text(run, text, b"\\")
            put_bytes(run, text, said + at, 1)
        elif <unsigned char> said[at] < 32:
            append_number(digits, append(digits, 0, 8, b"\\u00" if said[at] >= 16 else b"\\u000"), 8, <unsigned char> said[at], 16)
            put_text(run, text, digits)
        else:
            put_bytes(run, text, said + at, 1)
        at += 1
    put_text(run, text, b'"')


cdef void put_node(run_t *run, growing_t *text, json_t *json, uint32_t node) noexcept nogil:
    """A value as it stands in its text."""
    put_bytes(run, text, json.text + json.nodes[node].start, json.nodes[node].end - json.nodes[node].start)


cdef void json_set(run_t *run, json_t *json, uint32_t node, const char *name, const char *fresh) noexcept nogil:
    """Give a name in the object `node` another value, which is JSON. The text is another one then, and all numbers of nodes are new."""
    cdef uint32_t found = json_member(run, json, node, name), at = json.nodes[found if found else node].start
    cdef uint32_t end = json.nodes[found].end if found else at + 1
    cdef growing_t text
    memset(&text, 0, sizeof(growing_t))
    put_bytes(run, &text, json.text, at)
    if not found:
        put_text(run, &text, b"{")
        put_quoted(run, &text, name)
        put_text(run, &text, b":")
    put_text(run, &text, fresh)
    if not found and json.nodes[node].after > node + 1:
        put_text(run, &text, b",")
    put_text(run, &text, json.text + end)
    json_parse(run, json, &text)
