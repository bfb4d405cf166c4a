# The command lsf-oci, which engines call as they call crun or runc:
#
#     lsf-oci [--runtime RUNTIME] [OPTION...] COMMAND [OPTION...] [ARGUMENT...]
#
# crun or runc does the work. What LSF has no part in is theirs from here on; create, run and exec lead FreeBSD's programs through the
# shim first. The runtime is executed in this process, so that nothing of LSF's stays beside a container.

# A command line, taken apart as crun and runc do it: options end at the first word that is none.
cdef struct line_t:
    char **words
    uint32_t count
    uint32_t rest               # the first word behind the options
    const char *takes           # the names of options that a value follows, with a blank before and after each


cdef extern from *:
    """
    #define OCI_GLOBAL " root log log-format log-level criu rootless cgroup-manager runtime "
    #define OCI_CREATE " b bundle f config console-socket pid-file pidfd-socket preserve-fds keep-fds "
    #define OCI_EXEC " console-socket pidfd-socket cwd e env u user g additional-gids p process pid-file process-label apparmor" \\
                     " a c cap preserve-fds cgroup "
    #define OCI_HELP \\
        "usage: lsf-oci [--runtime RUNTIME] [OPTION...] COMMAND [ARGUMENT...]\\n\\n" \\
        "An OCI runtime for FreeBSD images: crun or runc does the work, with their options and commands; create, run and exec lead\\n" \\
        "FreeBSD's programs through LSF. RUNTIME is a path or a name; else the name by which lsf-oci is called (lsf-oci-crun), else\\n" \\
        "LSF_OCI_RUNTIME, else runtime=RUNTIME in /etc/lsf/oci.conf says which, else runc is looked for, then crun.\\n"
    """
    const char *OCI_GLOBAL
    const char *OCI_CREATE
    const char *OCI_EXEC
    const char *OCI_HELP
    const char *LSF_VERSION     # of the package, and the name of the Python that it was built for
    const char *LSF_PYTHON


# ---------------------------------------------------------------- the line

cdef bint takes_value(const char *takes, const char *name, uint64_t size) noexcept nogil:
    """Whether a value follows the option of this name."""
    while size > 0 and takes[0] != 0:
        if takes[0] == c' ' and memcmp(takes + 1, name, size) == 0 and takes[size + 1] == c' ':
            return True
        takes += 1
        while takes[0] != 0 and takes[0] != c' ':
            takes += 1
    return False


cdef uint32_t option_at(line_t *line, uint32_t at, const char **name, uint64_t *size, char **value) noexcept nogil:
    """Take the option apart that word `at` is: the number of the word behind it. value: NULL where it has none."""
    cdef char *text = line.words[at]
    cdef uint64_t dashes = 2 if text[1] == c'-' else 1
    name[0] = text + dashes
    size[0] = 0
    value[0] = NULL
    while name[0][size[0]] != 0 and name[0][size[0]] != c'=':
        size[0] += 1
    if name[0][size[0]] == c'=':
        value[0] = text + dashes + size[0] + 1
    elif takes_value(line.takes, name[0], size[0]):
        if at + 1 < line.count:
            value[0] = line.words[at + 1]
        return at + 2
    elif dashes == 1 and size[0] > 1 and takes_value(line.takes, name[0], 1):
        value[0] = text + 2         # -bDIR, which crun takes
        size[0] = 1
    return at + 1


cdef void line_take(line_t *line, char **words, uint32_t count, uint32_t start, const char *takes) noexcept nogil:
    cdef const char *name
    cdef uint64_t size
    cdef char *value
    cdef uint32_t at = start
    line.words = words
    line.count = count
    line.takes = takes
    while at < count and words[at][0] == c'-' and words[at][1] != 0:
        if string_equal(words[at], b"--"):
            at += 1
            break
        at = option_at(line, at, &name, &size, &value)
    line.rest = at if at < count else count


cdef uint32_t line_find(line_t *line, uint32_t start, const char *wanted_name, char **value) noexcept nogil:
    """The last option of a name that has a value: the number of the word that the value is in, 0 for none."""
    cdef const char *name
    cdef uint64_t size, length = string_length(wanted_name)
    cdef char *said
    cdef uint32_t at = start, after, found = 0
    while at < line.rest and not string_equal(line.words[at], b"--"):
        after = option_at(line, at, &name, &size, &said)
        if said != NULL and size == length and memcmp(name, wanted_name, size) == 0:
            found = after - 1
            value[0] = said
        at = after
    return found


cdef char *line_value(line_t *line, uint32_t start, const char *name, const char *short) noexcept nogil:
    """The value of an option by one of its names, NULL for none, and for one that is empty."""
    cdef char *value = NULL
    if not line_find(line, start, name, &value) and short != NULL:
        line_find(line, start, short, &value)
    return value if value != NULL and value[0] != 0 else NULL


# ---------------------------------------------------------------- the runtime

cdef bint can_be_run(const char *path) noexcept nogil:
    return is_regular(path, 0) and is_executable(path)


cdef char *find_in(run_t *run, const char *folders, const char *name) noexcept nogil:
    """The program of a name in a list of folders that is not this one, or NULL."""
    cdef uint64_t size
    cdef char *path
    while folders[0] != 0:
        size = 0
        while folders[size] != 0 and folders[size] != c':':
            size += 1
        if size:
            path = join(run, portion(run, folders, size), b"/", name, NULL)
            if can_be_run(path) and not is_same(path, run.own):
                return path
        folders += size
        if folders[0] == c':':
            folders += 1
    return NULL


cdef char *find_runtime(run_t *run, const char *name) noexcept nogil:
    """The file of a runtime by its name or path, or NULL."""
    cdef char *path = environment(run.envp, b"PATH")
    cdef char *found
    if base_name(name) != name:
        return portion(run, name, string_length(name))
    found = find_in(run, path, name) if path != NULL else NULL
    # Engines give runtimes hardly any PATH.
    return found if found != NULL else find_in(run, b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", name)


cdef char *configured(run_t *run) noexcept nogil:
    """What /etc/lsf/oci.conf says of the runtime, NULL for nothing."""
    cdef growing_t text
    cdef const char *at
    cdef uint64_t size
    cdef char *found = NULL
    if is_error(load_file(run, b"/etc/lsf/oci.conf", &text)):
        return NULL
    at = text.at
    while at[0] != 0:
        size = 0
        while at[size] != 0 and at[size] != c'\n':
            size += 1
        if string_starts(at, b"runtime="):
            found = portion(run, at + 8, size - 8)
        at += size + (1 if at[size] != 0 else 0)
    return found


cdef const char *which_runtime(run_t *run, const char *given) noexcept nogil:
    """The runtime's file. Ends with a sentence where there is none."""
    cdef const char *name = base_name(run.argv[0])
    cdef const char *chosen = given
    cdef char *found
    if chosen == NULL and string_starts(name, b"lsf-oci-") and name[8] != 0:
        chosen = name + 8
    if chosen == NULL:
        chosen = environment(run.envp, b"LSF_OCI_RUNTIME")
    if chosen == NULL or chosen[0] == 0:
        chosen = configured(run)
    if chosen != NULL and chosen[0] != 0:
        found = find_runtime(run, chosen)
        if found == NULL or not can_be_run(found):
            refuse(run, chosen, b": no such runtime", NULL, NULL)
        if is_same(found, run.own):
            refuse(run, chosen, b": this is lsf-oci itself, which needs crun or runc", NULL, NULL)
        return found
    found = find_runtime(run, b"runc")
    if found == NULL:
        found = find_runtime(run, b"crun")
    if found == NULL:
        refuse(run, b"neither runc nor crun is in PATH, which lsf-oci needs; install one of them, or name one with --runtime", NULL, NULL, NULL)
    return found


# ---------------------------------------------------------------- create and run

cdef void load_json(run_t *run, const char *path, json_t *json) noexcept nogil:
    """A file's JSON. Ends with a sentence where it is none."""
    cdef char number[24]
    cdef growing_t text
    cdef long result = load_file(run, path, &text)
    if is_error(result):
        refuse(run, path, b": ", reason(result), NULL)
    if not json_parse(run, json, &text):
        append_number(number, 0, 24, json.at, 10)
        refuse(run, path, b": not JSON: byte ", number, b" is not as it must be")


cdef char *bundle_folder(run_t *run, const char *path) noexcept nogil:
    """The folder of --bundle, from the top on."""
    cdef char here[OCI_PATH]
    cdef char *folder
    cdef uint64_t size
    if path == NULL:
        path = b"."
    if path[0] == c'/' or is_error(linux_syscall2(LINUX_SYS_getcwd, <uint64_t> here, OCI_PATH)):
        folder = portion(run, path, string_length(path))
    elif string_equal(path, b"."):
        folder = portion(run, here, string_length(here))
    else:
        folder = beneath(run, here, path)
    size = string_length(folder)
    while size > 1 and folder[size - 1] == c'/':
        size -= 1
    folder[size] = 0
    return folder


cdef char *helper_path(run_t *run) noexcept nogil:
    """lsf-oci-config, which lies beside this program, or beside the name by which it is called."""
    cdef char *path = join(run, folder_of(run, run.argv[0]), b"/lsf-oci-config", NULL, NULL)
    if base_name(run.argv[0]) == run.argv[0] or not is_executable(path):
        path = join(run, folder_of(run, run.own), b"/lsf-oci-config", NULL, NULL)
    if not is_executable(path):
        refuse(run, path, b": not there; it is the part of lsf-oci for a configuration with a section for FreeBSD", NULL, NULL)
    return path


cdef void take_section_out(run_t *run, const char *path, const char *bundle, uint32_t count) noexcept nogil:
    """Have Python say the section for FreeBSD in Linux's words. It executes this program again (oci_run)."""
    cdef char **words = <char **> take(run, (count + 8) * sizeof(char *))
    cdef uint32_t i
    words[0] = helper_path(run)
    words[1] = <char *> run.own
    words[2] = <char *> path
    words[3] = <char *> bundle
    for i in range(count):
        words[4 + i] = run.argv[i]
    execute(run, words)


cdef void create(run_t *run, line_t *line, uint32_t count, int from_) noexcept nogil:
    """Lead the process of a bundle through the shim. from_: the descriptor of the configuration where its section for FreeBSD was taken
    out already, -1 where the bundle's own is read."""
    cdef bundle_t bundle
    cdef const char *file = line_value(line, 1, b"config", b"f")
    cdef char *path
    cdef long mode
    cdef growing_t text
    memset(&bundle, 0, sizeof(bundle_t))
    bundle.folder = bundle_folder(run, line_value(line, 1, b"bundle", b"b"))
    if file == NULL:
        file = b"config.json"
    path = beneath(run, bundle.folder, file)
    bundle.section = from_ >= 0
    mode = mode_at(path, 0)
    if is_error(mode):
        return                              # the runtime says so
    if (mode & LINUX_S_IFMT) != LINUX_S_IFREG:      # nobody may write to a pipe
        refuse(run, path, b": not a regular file", NULL, NULL)
    if bundle.section:
        if is_error(read_whole(run, from_, &text)) or not json_parse(run, &bundle.config, &text):
            refuse(run, path, b": what lsf-oci-config has made of it cannot be read", NULL, NULL)
        linux_syscall1(LINUX_SYS_close, from_)
    else:
        load_json(run, path, &bundle.config)
        if json_member(run, &bundle.config, 0, b"freebsd") and open_tree(run, &bundle, 0):
            take_section_out(run, path, bundle.folder, count)
    if json_is(&bundle.config, 0, JSON_OBJECT) and (bundle_lead(run, &bundle) or bundle.section):
        memset(&text, 0, sizeof(growing_t))
        put_text(run, &text, bundle.config.text)
        replace_file(run, path, &text)


# ---------------------------------------------------------------- exec

cdef bint shim_of(run_t *run, const char *bundle, json_t *config, args_t *args) noexcept nogil:
    """Whether the process of a container was led through the shim; args.shim is the first of its words."""
    cdef growing_t text
    cdef uint32_t process
    cdef char *path = join(run, bundle, b"/config.json", NULL, NULL)
    if bundle == NULL or not is_regular(path, 0) or is_error(load_file(run, path, &text)):
        return False
    if not json_parse(run, config, &text):
        return False
    process = json_member(run, config, 0, b"process")
    return process and args_read(run, config, json_member(run, config, process, b"args"), args) and args.shim


cdef char *lead_file(run_t *run, const char *path, json_t *config, args_t *own) noexcept nogil:
    """A file that says what process a container is to get, led through the shim: the name of one in memory, of which nothing is left,
    whoever ends how."""
    cdef char place[32]
    cdef json_t json
    cdef args_t args
    cdef growing_t text
    cdef uint32_t word = own.shim
    cdef int i
    cdef long fd
    load_json(run, path, &json)
    if not args_read(run, &json, json_list(run, &json, 0, b"args"), &args):
        refuse(run, path, b": args is not a list of strings that begins with a program", NULL, NULL)
    memset(&text, 0, sizeof(growing_t))
    for i in range(3):
        put_text(run, &text, b"," if i else b"")
        put_node(run, &text, config, word)
        word = config.nodes[word].after
    json_set(run, &json, 0, b"args", args_led(run, &json, &args, 0, text.at))
    memset(&text, 0, sizeof(growing_t))
    put_text(run, &text, json.text)
    fd = linux_syscall2(LINUX_SYS_memfd_create, <uint64_t> <const char *> b"lsf-process", 0)
    if is_error(fd) or is_error(write_whole(fd, &text)):
        refuse(run, path, b": there is no memory for it", NULL, NULL)
    descriptor_path(<int> fd, place)
    return portion(run, place, string_length(place))


cdef uint32_t without_shim(char **words, uint32_t count) noexcept nogil:
    """How many of the first words are the shim's already: three or none."""
    return 3 if count > 3 and is_place(words[0]) and string_equal(words[2], b"--") else 0


cdef char **exec_words(run_t *run, line_t *line, char **front, uint32_t fronts) noexcept nogil:
    """The command line by which a process is led through the shim which the container's own process was led through."""
    cdef json_t state, config
    cdef args_t args
    cdef growing_t text
    cdef char *value = NULL
    cdef char *said
    cdef uint32_t at, i, word, count = 0, named
    cdef char **words = line.words
    cdef char **made = <char **> take(run, (line.count + fronts + 8) * sizeof(char *))
    for i in range(fronts):
        made[i] = front[i]
    if line.rest < line.count:
        made[fronts] = b"state"
        made[fronts + 1] = words[line.rest]
        made[fronts + 2] = NULL
        if (output_of(run, made, &text) and json_parse(run, &state, &text)
                and shim_of(run, json_text(run, &state, 0, b"bundle"), &config, &args)):
            named = line_find(line, 1, b"process", &value)
            if not named:
                named = line_find(line, 1, b"p", &value)
            if named:
                said = lead_file(run, value, &config, &args)
                words[named] = join(run, portion(run, words[named], value - words[named]), said, NULL, NULL)
            elif line.rest + 1 < line.count:
                count = 3
    at = fronts
    for i in range(line.count):
        if count and i == line.rest + 1:
            word = args.shim
            for word in range(3):
                made[at + word] = json_string(run, &config, args.shim + word)
            at += 3
        if count and line.rest < i <= line.rest + without_shim(words + line.rest + 1, line.count - line.rest - 1):
            continue
        made[at] = words[i]
        at += 1
    made[at] = NULL
    return made


# ---------------------------------------------------------------- what else is LSF's

cdef void print_out(run_t *run, const growing_t *text) noexcept nogil:
    linux_syscall1(LINUX_SYS_exit_group, OCI_FAILED if is_error(write_whole(1, text)) else 0)


cdef void features(run_t *run, char **words, const char *runtime) noexcept nogil:
    """What the runtime says of itself, and that it is LSF which calls it."""
    cdef json_t json
    cdef growing_t text, quoted
    cdef uint32_t notes
    if not output_of(run, words, &text) or not json_parse(run, &json, &text) or not json_is(&json, 0, JSON_OBJECT):
        refuse(run, runtime, b" features: this runtime does not tell them", NULL, NULL)
    notes = json_member(run, &json, 0, b"annotations")
    if not notes:
        json_set(run, &json, 0, b"annotations", b"{}")
        notes = json_member(run, &json, 0, b"annotations")
    if json_is(&json, notes, JSON_OBJECT):
        memset(&quoted, 0, sizeof(growing_t))
        put_quoted(run, &quoted, runtime)
        json_set(run, &json, notes, b"lsf.runtime", quoted.at)
        memset(&quoted, 0, sizeof(growing_t))
        put_quoted(run, &quoted, LSF_VERSION)
        json_set(run, &json, json_member(run, &json, 0, b"annotations"), b"lsf.version", quoted.at)
    memset(&text, 0, sizeof(growing_t))
    put_text(run, &text, json.text)
    if text.at[text.size - 1] != c'\n':
        put_text(run, &text, b"\n")
    print_out(run, &text)


cdef void version(run_t *run, const char *runtime) noexcept nogil:
    cdef char *words[3]
    cdef growing_t text, all_
    words[0] = <char *> runtime
    words[1] = b"--version"
    words[2] = NULL
    if not output_of(run, words, &text):
        refuse(run, runtime, b": cannot be run", NULL, NULL)
    memset(&all_, 0, sizeof(growing_t))
    put_text(run, &all_, b"lsf-oci version ")
    put_text(run, &all_, LSF_VERSION)
    put_text(run, &all_, b"\n")
    put_bytes(run, &all_, text.at, text.size)
    print_out(run, &all_)


cdef void name_signal(char **words, uint32_t count) noexcept nogil:
    """kill: signals that only FreeBSD has, by the numbers at which Linux carries them (lsf/freebsd/tables/signals.py)."""
    cdef char *name = words[count - 1]
    if count < 2 or string_equal(words[count - 2], b"kill"):
        return
    if string_equal(name, b"INFO") or string_equal(name, b"SIGINFO"):
        words[count - 1] = b"35"
    elif string_equal(name, b"EMT") or string_equal(name, b"SIGEMT"):
        words[count - 1] = b"34"


# ---------------------------------------------------------------- the start

cdef void oci_run(run_t *run, uint32_t count) noexcept nogil:
    cdef line_t line, after
    cdef const char *name
    cdef uint64_t size
    cdef char *value = NULL
    cdef char *command
    cdef char **words = run.argv
    cdef char **made = <char **> take(run, (count + 8) * sizeof(char *))
    cdef uint32_t at = 1, next_, fronts = 1, all_, first = 1
    cdef int from_ = -1
    cdef int64_t number = 0
    cdef bint asked = False
    # What lsf-oci-config calls this with, and nobody else.
    if count > 2 and (string_equal(words[1], b"--lsf-config") or string_equal(words[1], b"--lsf-refuse")):
        first = at = 3
    line_take(&line, words, count, first, OCI_GLOBAL)
    run.log = line_value(&line, first, b"log", NULL)
    run.log_format = line_value(&line, first, b"log-format", NULL)
    if first == 3 and string_equal(words[1], b"--lsf-refuse"):
        refuse(run, words[2], NULL, NULL, NULL)
    if first == 3:
        parse_number(words[2], &number)
        from_ = <int> number
    value = line_value(&line, first, b"runtime", NULL)
    run.runtime = which_runtime(run, value)
    # The runtime's own options are all but --runtime.
    made[0] = <char *> run.runtime
    while at < line.rest:
        next_ = option_at(&line, at, &name, &size, &value)
        if not (size == 7 and memcmp(name, <const char *> b"runtime", 7) == 0):
            asked = asked or string_equal(words[at], b"--version") or string_equal(words[at], b"-v")
            while at < next_ and at < count:
                made[fronts] = words[at]
                fronts += 1
                at += 1
        at = next_
    all_ = fronts
    for at in range(line.rest, count):
        made[all_] = words[at]
        all_ += 1
    made[all_] = NULL
    command = words[line.rest] if line.rest < count else NULL
    if command == NULL:
        if asked:
            version(run, run.runtime)
        linux_syscall1(LINUX_SYS_exit_group, is_error(linux_syscall3(LINUX_SYS_write, 1, <uint64_t> OCI_HELP, string_length(OCI_HELP))))
    elif string_equal(command, b"features"):
        features(run, made, run.runtime)
    elif string_equal(command, b"kill"):
        name_signal(made, all_)
    elif string_equal(command, b"create") or string_equal(command, b"run"):
        line_take(&after, words + line.rest, count - line.rest, 1, OCI_CREATE)
        create(run, &after, count, from_)
    elif string_equal(command, b"exec"):
        line_take(&after, words + line.rest, count - line.rest, 1, OCI_EXEC)
        made = exec_words(run, &after, made, fronts)
    execute(run, made)


cdef void hold_standard() noexcept nogil:
    """Have something at descriptors 0, 1 and 2, as Go's runtime has: no pipe and no file of this program's gets their numbers."""
    cdef int fd
    for fd in range(3):
        if is_error(linux_syscall2(LINUX_SYS_fcntl, fd, LINUX_F_GETFD)):
            linux_syscall3(LINUX_SYS_open, <uint64_t> <const char *> b"/dev/null", LINUX_O_RDWR, 0)


cdef public void oci_start(uint64_t *stack) noexcept nogil:
    """Where the program begins: Linux's stack has the arguments and the environment."""
    cdef run_t run
    memset(&run, 0, sizeof(run_t))
    run.argv = <char **> (stack + 1)
    run.envp = run.argv + stack[0] + 1
    if stack[0] == 0:
        linux_syscall1(LINUX_SYS_exit_group, OCI_FAILED)
    hold_standard()
    run.own = link_target(&run, b"/proc/self/exe")
    if run.own == NULL:
        run.own = run.argv[0]
    oci_run(&run, <uint32_t> stack[0])
