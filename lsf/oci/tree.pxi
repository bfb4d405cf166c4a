# The files of a container that is not there yet: its root and what will be mounted on it, looked up without ever leaving them.

cdef enum:
    TREE_LINKS = 40
    TREE_PATH = 16384       # a path with what its links say, while it is looked up

# What will be mounted, the last first. source: the host's file or folder that will be seen there; NULL for a file system of Linux's,
# of whose files nothing is known.
cdef struct place_t:
    char *place
    char *source
    place_t *older

cdef struct tree_t:
    const char *root
    place_t *places


cdef char *tree_host(run_t *run, tree_t *tree, const char *path) noexcept nogil:
    """Where on the host a resolved path of the container lies; NULL for a file system of Linux's."""
    cdef place_t *place = tree.places
    cdef uint64_t size
    while place != NULL:
        size = 0 if place.place[1] == 0 else string_length(place.place)
        if string_starts(path, place.place) and (path[size] == 0 or path[size] == c'/'):
            return NULL if place.source == NULL else join(run, place.source, path + size, NULL, NULL)
        place = place.older
    return join(run, tree.root, path, NULL, NULL)


cdef char *tree_link(run_t *run, tree_t *tree, const char *path) noexcept nogil:
    """What a resolved path's symbolic link says, NULL for what is none."""
    cdef char *host = tree_host(run, tree, path)
    return link_target(run, host) if host != NULL else NULL


cdef char *tree_resolve(run_t *run, tree_t *tree, const char *path) noexcept nogil:
    """The path without links, `.` and `..`; what is not there stays as it is named. Without a tree no link is looked for. NULL for
    a path that is longer than any can be."""
    cdef char *resolved = take(run, TREE_PATH)
    cdef char *rest = take(run, TREE_PATH)
    cdef char *target
    cdef uint64_t size = 0, part, before, length = string_length(path)
    cdef int links = 0
    if length >= TREE_PATH:
        return NULL
    memcpy(rest, path, length)
    while True:
        while rest[0] == c'/':
            rest += 1
        part = 0
        while rest[part] != 0 and rest[part] != c'/':
            part += 1
        if part == 0:
            break
        before = size
        if part == 2 and rest[0] == c'.' and rest[1] == c'.':
            while size > 0 and resolved[size - 1] != c'/':
                size -= 1
            size -= 1 if size > 0 else 0
            resolved[size] = 0
        elif part != 1 or rest[0] != c'.':
            if size + part + 2 > TREE_PATH:
                return NULL
            resolved[size] = c'/'
            memcpy(resolved + size + 1, rest, part)
            size += part + 1
            resolved[size] = 0
            target = tree_link(run, tree, resolved) if tree != NULL and links < TREE_LINKS else NULL
            if target != NULL:
                links += 1
                size = 0 if target[0] == c'/' else before
                resolved[size] = 0
                target = join(run, target, b"/", rest + part, NULL)
                length = string_length(target)
                if length >= TREE_PATH:
                    return NULL
                rest = target
                continue
        rest += part
    return resolved if size > 0 else portion(run, b"/", 1)


cdef bint tree_is_mounted(tree_t *tree, const char *path) noexcept nogil:
    """Whether a file is no image's own, but mounted by itself."""
    cdef place_t *place = tree.places
    while place != NULL:
        if place.source != NULL and string_equal(place.place, path):
            return True
        place = place.older
    return False


cdef char *tree_find(run_t *run, tree_t *tree, const char *path) noexcept nogil:
    """The host's path of a regular file, or NULL."""
    cdef char *resolved = tree_resolve(run, tree, path)
    cdef char *host = tree_host(run, tree, resolved) if resolved != NULL else NULL
    return host if host != NULL and is_regular(host, LINUX_AT_SYMLINK_NOFOLLOW) else NULL


cdef char *tree_find_program(run_t *run, tree_t *tree, const char *name, const char *path, const char *directory) noexcept nogil:
    """The host's path of a program as execvp(3) finds it in the container, or NULL."""
    cdef char *found
    cdef uint64_t size
    if base_name(name) != name:
        return tree_find(run, tree, beneath(run, directory, name))
    while path[0] != 0:
        size = 0
        while path[size] != 0 and path[size] != c':':
            size += 1
        if path[0] == c'/':
            found = tree_find(run, tree, join(run, portion(run, path, size), b"/", name, NULL))
            if found != NULL and is_executable(found):
                return found
        path += size
        if path[0] == c':':
            path += 1
    return NULL


cdef char *bind_source(run_t *run, json_t *json, uint32_t mount, const char *bundle) noexcept nogil:
    """The host's file or folder that a mount of a configuration shows, NULL where it is a file system of its own."""
    cdef uint32_t kind = json_member(run, json, mount, b"type"), options = json_list(run, json, mount, b"options"), option
    cdef char *source = json_text(run, json, mount, b"source")
    cdef bint bound = kind and (json_says(run, json, kind, b"bind") or json_says(run, json, kind, b"nullfs"))
    option = json_first(json, options) if options else 0
    while option and not bound:
        bound = json_says(run, json, option, b"bind") or json_says(run, json, option, b"rbind")
        option = json_next(json, options, option)
    return real_path(run, beneath(run, bundle, source)) if bound and source != NULL else NULL


cdef void tree_mount(run_t *run, tree_t *tree, json_t *json, uint32_t mount, const char *bundle) noexcept nogil:
    """A mount of a configuration, on top of those before it."""
    cdef char *destination = json_text(run, json, mount, b"destination")
    cdef place_t *place
    if destination == NULL:
        return
    place = <place_t *> take(run, sizeof(place_t))
    place.place = tree_resolve(run, tree, destination)
    place.source = bind_source(run, json, mount, bundle)
    place.older = tree.places
    if place.place != NULL:
        tree.places = place
