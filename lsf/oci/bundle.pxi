# What becomes of config.json: where a container has FreeBSD's files or program, the shim is mounted and the process led through it.

cdef struct bundle_t:
    const char *folder          # that relative paths start at, and whose name messages have
    json_t config
    bint section                # it had the section for FreeBSD (lsf/oci/freebsd.py)
    tree_t tree

# A list of arguments: the values of an array, without the shim's three.
cdef struct args_t:
    uint32_t *nodes
    uint32_t count
    uint32_t shim               # the first of the three that were left out, 0: there were none

# Whose program a process begins with.
cdef struct found_t:
    program_kind kind
    uint32_t osrel
    const char *machine         # the other processor that a FreeBSD program is for, NULL for amd64


cdef bint is_place(const char *path) noexcept nogil:
    """Whether the shim's image is seen there in a container: in the first of these folders that is memory of the container's own, so
    that no image gets a file by it; else at the top, where crun and runc make the place that is mounted on."""
    return path != NULL and (string_equal(path, b"/dev/lsf") or string_equal(path, b"/run/lsf") or string_equal(path, b"/.lsf"))


# ---------------------------------------------------------------- arguments

cdef bint args_read(run_t *run, json_t *json, uint32_t array, args_t *args) noexcept nogil:
    """The arguments of an array, as they were before the shim was put in: a bundle may be run twice. False where they do not begin with
    a program."""
    cdef uint32_t value, at, count = 0
    cdef char *first
    memset(args, 0, sizeof(args_t))
    if not array or not json_is(json, array, JSON_ARRAY):
        return False
    args.nodes = <uint32_t *> take(run, (json.nodes[array].after - array) * sizeof(uint32_t))
    value = json_first(json, array)
    while value:
        if json_string(run, json, value) == NULL:
            return False
        args.nodes[count] = value
        count += 1
        value = json_next(json, array, value)
    first = json_string(run, json, args.nodes[0]) if count else NULL
    if first == NULL or first[0] == 0:
        return False
    args.count = count
    for at in range(0, 3, 2):
        if count > at + 3 and is_place(json_string(run, json, args.nodes[at])) and json_says(run, json, args.nodes[at + 2], b"--"):
            args.shim = args.nodes[at]
            args.count = count - 3
            while at < args.count:
                args.nodes[at] = args.nodes[at + 3]
                at += 1
            break
    return True


cdef bint has_init(run_t *run, json_t *json, args_t *args, tree_t *tree) noexcept nogil:
    """Whether the engine has put an init in front, which starts what follows its `--`. It is Linux's, and no image's own."""
    return (args.count > 2 and json_says(run, json, args.nodes[1], b"--")
            and tree_is_mounted(tree, json_string(run, json, args.nodes[0])))


cdef char *args_led(run_t *run, json_t *json, args_t *args, uint32_t at, const char *shim) noexcept nogil:
    """The array with the shim's words put in front of number `at`."""
    cdef growing_t text
    cdef uint32_t i
    memset(&text, 0, sizeof(growing_t))
    for i in range(args.count):
        put_text(run, &text, b"," if i else b"[")
        if i == at:
            put_text(run, &text, shim)
            put_text(run, &text, b",")
        put_node(run, &text, json, args.nodes[i])
    put_text(run, &text, b"]")
    return text.at


# ---------------------------------------------------------------- whose it is

cdef const char *machine_name(int machine) noexcept nogil:
    """What FreeBSD calls another processor that it has images for."""
    if machine == 3:
        return b"i386"
    if machine == 20:
        return b"powerpc"
    if machine == 21:
        return b"powerpc64"
    if machine == 40:
        return b"arm"
    if machine == 183:
        return b"aarch64"
    return b"riscv64" if machine == 243 else b"another processor"


cdef char *examine(run_t *run, const char *path, found_t *found) noexcept nogil:
    """Whose program a file of the host is. For a script it is its interpreter's path in the container that is returned. What cannot be
    read is nobody's: it is told when it is executed."""
    cdef program_t program
    cdef char *interpreter = NULL
    cdef uint64_t at = 2, size = 0
    # A named pipe must not be waited for.
    cdef long fd = linux_syscall3(LINUX_SYS_open, <uint64_t> path, LINUX_O_NONBLOCK | LINUX_O_CLOEXEC, 0)
    memset(found, 0, sizeof(found_t))
    found.kind = PROGRAM_UNKNOWN
    cdef long result
    if is_error(fd):
        return NULL
    result = program_examine(&program, fd)
    if result == -LINUX_ENOEXEC:
        found.kind = PROGRAM_FREEBSD        # a broken one, of which the shim tells
    elif not is_error(result):
        found.kind = <program_kind> program.kind
        found.osrel = program.osrel
        if found.kind == PROGRAM_FOREIGN and program.page[7] == FREEBSD_ELFOSABI:
            found.machine = machine_name(program.page[18] | program.page[19] << 8 if program.page[5] == 1
                                         else program.page[19] | program.page[18] << 8)
        elif found.kind == PROGRAM_SCRIPT:
            while at < program.got and (program.page[at] == c' ' or program.page[at] == c'\t'):
                at += 1
            while at + size < program.got and program.page[at + size] > c' ':
                size += 1
            interpreter = portion(run, <char *> &program.page[at], size)
    linux_syscall1(LINUX_SYS_close, fd)
    return interpreter


cdef char *variable(run_t *run, json_t *json, uint32_t process, const char *name) noexcept nogil:
    """A variable of a process's environment: the last of its name; NULL where it is not there or empty."""
    cdef uint32_t env = json_list(run, json, process, b"env"), value = json_first(json, env) if env else 0
    cdef char *found = NULL
    cdef char *text
    cdef uint64_t size = string_length(name)
    while value:
        text = json_string(run, json, value)
        if text != NULL and string_starts(text, name) and text[size] == c'=':
            found = text + size + 1
        value = json_next(json, env, value)
    return found if found != NULL and found[0] != 0 else NULL


cdef void find_program(run_t *run, bundle_t *bundle, uint32_t process, args_t *args, found_t *found) noexcept nogil:
    """Whose program the arguments name, or whose the interpreter of the script is that they name."""
    cdef json_t *json = &bundle.config
    cdef const char *path = variable(run, json, process, b"PATH")
    cdef const char *directory = json_text(run, json, process, b"cwd")
    cdef char *name = json_string(run, json, args.nodes[2 if has_init(run, json, args, &bundle.tree) else 0])
    cdef char *file
    cdef char *interpreter
    memset(found, 0, sizeof(found_t))
    found.kind = PROGRAM_UNKNOWN
    if path == NULL:
        path = b"/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
    if directory == NULL:
        directory = b"/"
    file = tree_find_program(run, &bundle.tree, name, path, directory)
    interpreter = examine(run, file, found) if file != NULL else NULL
    if found.kind == PROGRAM_SCRIPT:
        found.kind = PROGRAM_UNKNOWN
        file = tree_find(run, &bundle.tree, interpreter) if interpreter[0] == c'/' else NULL
        if file != NULL:
            examine(run, file, found)


cdef bint has_userland(run_t *run, tree_t *tree) noexcept nogil:
    """Whether there is a file that only FreeBSD's userland has."""
    return (tree_find(run, tree, b"/bin/freebsd-version") != NULL or tree_find(run, tree, b"/libexec/ld-elf.so.1") != NULL
            or tree_find(run, tree, b"/lib/libc.so.7") != NULL or tree_find(run, tree, b"/rescue/sh") != NULL)


cdef uint32_t script_release(run_t *run, tree_t *tree) noexcept nogil:
    """The number of the release that bin/freebsd-version says, or 0."""
    cdef char *script = tree_find(run, tree, b"/bin/freebsd-version")
    cdef const char *at
    cdef uint64_t size = 0
    cdef growing_t text
    if script == NULL or is_error(load_file(run, script, &text)):
        return 0
    at = text.at
    while at[0] != 0 and not string_starts(at, b'USERLAND_VERSION="'):
        at += 1
    if at[0] == 0:
        return 0
    at += string_length(b'USERLAND_VERSION="')
    while at[size] > c' ' and at[size] != c'"':
        size += 1
    return release_number(portion(run, at, size)) if at[size] == c'"' and size < 64 else 0


cdef uint32_t noted_release(run_t *run, tree_t *tree, const char *path) noexcept nogil:
    """The number of the release that a file of the userland was built for, 0 unknown."""
    cdef char *file = tree_find(run, tree, path)
    cdef found_t found
    if file == NULL:
        return 0
    examine(run, file, &found)
    return found.osrel


cdef uint32_t userland_release(run_t *run, tree_t *tree) noexcept nogil:
    """FreeBSD's number for a userland's release: what its freebsd-version says, else what its libraries and tools were built for, as
    lsf/roots/identify.py has it; 0 unknown."""
    cdef uint32_t number = script_release(run, tree)
    if number == 0:
        number = noted_release(run, tree, b"/lib/libc.so.7")
    if number == 0:
        number = noted_release(run, tree, b"/libexec/ld-elf.so.1")
    if number == 0:
        number = noted_release(run, tree, b"/bin/sh")
    if number == 0:
        number = noted_release(run, tree, b"/rescue/sh")
    if number == 0:
        number = noted_release(run, tree, b"/bin/cat")
    return number if number else noted_release(run, tree, b"/usr/bin/env")


cdef int wanted(run_t *run, json_t *json) noexcept nogil:
    """What the annotations say, which no file tells: 1, 0, or -1 for nothing. The second is the image specification's name
    (conversion.md)."""
    cdef uint32_t notes = json_member(run, json, 0, b"annotations")
    cdef char *said = json_text(run, json, notes, b"lsf.freebsd") if notes else NULL
    cdef int i
    if said != NULL:
        if string_equal(said, b"true") or string_equal(said, b"false"):
            return said[0] == c't'
        refuse(run, b"annotation lsf.freebsd=", said, b": neither true nor false", NULL)
    said = json_text(run, json, notes, b"org.opencontainers.image.os") if notes else NULL
    if said == NULL or string_length(said) != 7:
        return -1
    for i in range(7):
        said[i] |= 32
    return 1 if string_equal(said, b"freebsd") else -1


# ---------------------------------------------------------------- the shim

cdef char *in_package(run_t *run, const char *folder) noexcept nogil:
    """The shim's image of a package in this folder, NULL where there is none."""
    cdef char *path = join(run, folder, b"/lsf/shim.elf", NULL, NULL)
    return path if is_regular(path, 0) else NULL


cdef char *shim_image(run_t *run) noexcept nogil:
    """Where the shim's image lies: this program is in bin/ of what the package is installed to, or in the package itself."""
    cdef char *top = folder_of(run, folder_of(run, run.own))
    cdef char *found = join(run, top, b"/shim.elf", NULL, NULL)
    if is_regular(found, 0):
        return found
    found = in_package(run, join(run, top, b"/lib", NULL, NULL))
    if found == NULL:
        found = in_package(run, top)
    if found == NULL:
        found = in_package(run, join(run, top, b"/lib/", LSF_PYTHON, b"/site-packages"))
    if found == NULL:
        found = in_package(run, join(run, top, b"/lib/", LSF_PYTHON, b"/dist-packages"))
    if found == NULL:
        found = in_package(run, join(run, top, b"/lib64/", LSF_PYTHON, b"/site-packages"))
    return found if found != NULL else join(run, top, b"/lib/", LSF_PYTHON, b"/site-packages/lsf/shim.elf")


cdef char *shim_words(run_t *run, bundle_t *bundle, found_t *found, uint32_t process) noexcept nogil:
    """What the shim is told (lsf/start/handover.py): FreeBSD's release is the userland's, unless the environment says which; Linux programs
    run as they are."""
    cdef char words[64]
    cdef char letter[3]
    cdef uint64_t at
    cdef uint32_t number = 0
    letter[1] = c'='
    letter[2] = 0
    letter[0] = HANDOVER_VERSION
    at = append_number(words, append(words, 0, 64, letter), 64, HANDOVER_NUMBER, 16)
    letter[0] = HANDOVER_LINUX
    at = append_number(words, append(words, append(words, at, 64, b","), 64, letter), 64, 1, 16)
    if variable(run, &bundle.config, process, b"LSF_OSRELEASE") == NULL:
        number = userland_release(run, &bundle.tree)
        number = number if number else found.osrel
    if number:
        letter[0] = HANDOVER_OSRELDATE
        append_number(words, append(words, append(words, at, 64, b","), 64, letter), 64, number, 16)
    return portion(run, words, string_length(words))


# ---------------------------------------------------------------- mounts

cdef bint is_ours(run_t *run, json_t *json, uint32_t mount) noexcept nogil:
    """Whether a mount is the shim's, of an earlier time."""
    cdef char *source = json_text(run, json, mount, b"source")
    return is_place(json_text(run, json, mount, b"destination")) and source != NULL and string_ends(source, b"/shim.elf")


cdef bint is_covered(run_t *run, bundle_t *bundle, uint32_t mount) noexcept nogil:
    """Whether a mount shows Linux's kernel where FreeBSD has a link: /sys leads to the kernel's sources there, and runc mounts neither
    sysfs nor cgroups on a link."""
    cdef char *kind = json_text(run, &bundle.config, mount, b"type")
    cdef char *destination = json_text(run, &bundle.config, mount, b"destination")
    cdef tree_t bare
    cdef char *resolved
    cdef char *plain
    if kind == NULL or destination == NULL:
        return False
    if not (string_equal(kind, b"sysfs") or string_equal(kind, b"cgroup") or string_equal(kind, b"cgroup2")):
        return False
    bare.root = bundle.tree.root
    bare.places = NULL
    resolved = tree_resolve(run, &bare, destination)
    plain = tree_resolve(run, NULL, destination)
    return resolved != NULL and plain != NULL and not string_equal(resolved, plain)


cdef const char *shim_place(run_t *run, bundle_t *bundle, uint32_t mounts) noexcept nogil:
    """Where the shim's image is to be seen."""
    cdef json_t *json = &bundle.config
    cdef uint32_t mount = json_first(json, mounts) if mounts else 0
    cdef char *destination
    cdef char *kind
    cdef bint dev = False, run_ = False, memory
    while mount:
        destination = json_text(run, json, mount, b"destination")
        destination = tree_resolve(run, NULL, destination) if destination != NULL else NULL
        if destination != NULL and not is_ours(run, json, mount) and not is_covered(run, bundle, mount):
            kind = json_text(run, json, mount, b"type")
            memory = kind != NULL and string_equal(kind, b"tmpfs")
            if string_equal(destination, b"/dev"):
                dev = memory
            elif string_equal(destination, b"/run"):
                run_ = memory
        mount = json_next(json, mounts, mount)
    return b"/dev/lsf" if dev else b"/run/lsf" if run_ else b"/.lsf"


cdef char *mounts_with(run_t *run, bundle_t *bundle, uint32_t mounts, const char *place, const char *image) noexcept nogil:
    """The array of mounts with the shim's: the last, so that nothing else is mounted over it."""
    cdef json_t *json = &bundle.config
    cdef uint32_t mount = json_first(json, mounts) if mounts else 0
    cdef growing_t text
    memset(&text, 0, sizeof(growing_t))
    put_text(run, &text, b"[")
    while mount:
        if not is_ours(run, json, mount) and not is_covered(run, bundle, mount):
            put_node(run, &text, json, mount)
            put_text(run, &text, b",")
        mount = json_next(json, mounts, mount)
    put_text(run, &text, b'{"destination":')
    put_quoted(run, &text, place)
    put_text(run, &text, b',"type":"bind","source":')
    put_quoted(run, &text, image)
    put_text(run, &text, b',"options":["bind","ro","nosuid","nodev"]}]')
    return text.at


# ---------------------------------------------------------------- altogether

cdef bint open_tree(run_t *run, bundle_t *bundle, uint32_t mounts) noexcept nogil:
    """Know the container's files. False where its root is none: crun and runc say so."""
    cdef json_t *json = &bundle.config
    cdef uint32_t root = json_member(run, json, 0, b"root"), mount
    cdef char *path = json_text(run, json, root, b"path") if root else NULL
    cdef long mode
    if path == NULL or path[0] == 0:
        return False
    path = real_path(run, beneath(run, bundle.folder, path))
    mode = mode_at(path, 0)
    if is_error(mode) or (mode & LINUX_S_IFMT) != LINUX_S_IFDIR:
        return False
    bundle.tree.root = path
    bundle.tree.places = NULL
    mount = json_first(json, mounts) if mounts else 0
    while mount:
        if not is_ours(run, json, mount):
            tree_mount(run, &bundle.tree, json, mount, bundle.folder)
        mount = json_next(json, mounts, mount)
    return True


cdef bint bundle_lead(run_t *run, bundle_t *bundle) noexcept nogil:
    """Change a configuration where FreeBSD is concerned: whether it was. Ends with a sentence for what cannot be run."""
    cdef json_t *json = &bundle.config
    cdef uint32_t mounts = json_list(run, json, 0, b"mounts"), process = json_member(run, json, 0, b"process")
    cdef int said
    cdef bint good
    cdef args_t args
    cdef found_t found
    cdef const char *place
    cdef char *image
    cdef char *led
    cdef char *all_mounts
    cdef growing_t shim
    if not open_tree(run, bundle, mounts):
        return False
    said = wanted(run, json)
    process = process if process and json_is(json, process, JSON_OBJECT) else 0
    memset(&found, 0, sizeof(found_t))
    found.kind = PROGRAM_UNKNOWN
    good = process != 0 and args_read(run, json, json_member(run, json, process, b"args"), &args)
    if good:
        find_program(run, bundle, process, &args, &found)
    if said == 0 or not (said > 0 or bundle.section or found.kind == PROGRAM_FREEBSD or found.machine != NULL
                         or has_userland(run, &bundle.tree)):
        return False
    if process == 0:
        refuse(run, bundle.folder, b"/config.json: it has no process to run", NULL, NULL)
    if not good:
        refuse(run, bundle.folder, b"/config.json: process.args is not a list of strings that begins with a program", NULL, NULL)
    if found.machine != NULL:
        refuse(run, json_string(run, json, args.nodes[0]), b": a FreeBSD program for ", found.machine, b"; LSF runs those for amd64")
    image = shim_image(run)
    if not is_executable(image):
        refuse(run, image, b": not there or not executable; the package is not built completely", NULL, NULL)
    place = shim_place(run, bundle, mounts)
    memset(&shim, 0, sizeof(growing_t))
    put_quoted(run, &shim, place)
    put_text(run, &shim, b",")
    put_quoted(run, &shim, shim_words(run, bundle, &found, process))
    put_text(run, &shim, b',"--"')
    led = args_led(run, json, &args, 2 if has_init(run, json, &args, &bundle.tree) else 0, shim.at)
    all_mounts = mounts_with(run, bundle, mounts, place, image)
    json_set(run, json, process, b"args", led)
    json_set(run, json, 0, b"mounts", all_mounts)
    return True
