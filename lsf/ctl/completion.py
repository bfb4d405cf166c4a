"""Completion of the commands `lsf` and `lsfctl` in bash, zsh and fish: `lsfctl completion SHELL` prints the script.

Both commands are described once, as a tree of `Command`s: lsf from its table of options, lsfctl from its parser.
Nothing is started when a key is pressed: the names of roots come from the store's folders.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
from collections.abc import Callable, Iterator

from lsf.roots import SYSTEM_STORE
from lsf.start import usage
from lsf.start.options import ALIASES, ENGINES, OPTIONS, VIEWS

# What a value is: words to choose from, or one of these.
FILE, FOLDER, ROOT, TEXT = "file", "folder", "root", "text"
Values = tuple[str, ...] | str


@dataclasses.dataclass
class Option:
    """An option: its names, one line of help, and what its value is; None: it takes none."""

    names: tuple[str, ...]
    help: str
    values: Values | None


@dataclasses.dataclass
class Command:
    """A command or a command of one."""

    name: str
    help: str
    options: list[Option]
    arguments: Values | None = None
    commands: list[Command] = dataclasses.field(default_factory=list)
    ends_at_argument: bool = False  # what follows the first argument belongs to another program

    def walk(self, path: str = "") -> Iterator[tuple[str, Command]]:
        """Itself and all below it, each with its path, "lsfctl root install"."""
        path = f"{path} {self.name}".strip()
        yield path, self
        for command in self.commands:
            yield from command.walk(path)


_LSF_VALUES: dict[str, Values] = {
    "--root": ROOT,
    "--view": VIEWS,
    "--engine": tuple(ENGINES),
    "--bind": FILE,
    "--chdir": FOLDER,
    "--truss": FILE,
    "--ktrace": FILE,
}


def _lsf() -> Command:
    texts = dict(re.findall(r"^  (?:-h, )?(-[-\w]+)\S*(?: [A-Z]\S*)?  +(.*?)(?:  +LSF_.*)?$", usage.HELP, re.MULTILINE))
    aliases = {target: alias for alias, target in ALIASES.items()}
    options = []
    for name, (_, _, takes) in OPTIONS.items():
        names = (name, aliases[name]) if name in aliases else (name,)
        options.append(Option(names, texts[name], _LSF_VALUES.get(name, TEXT) if takes != "no" else None))
    return Command("lsf", "run a FreeBSD program", options, FILE, ends_at_argument=True)


_METAVARS: dict[str, Values] = {
    "FILE": FILE,
    "FILE|DIR": FILE,
    "DIR": FOLDER,
    "NAME|DIR": ROOT,
    "PROGRAM": FILE,
    "DIRS": FOLDER,
    "SRC:DST": FILE,
}


def _values(action: argparse.Action, path: str) -> Values | None:
    if action.choices is not None:
        return tuple(map(str, action.choices))
    if action.nargs == 0:
        return None
    if path == "lsfctl run" and action.metavar == "IMAGE":
        return ROOT
    if path in ("lsfctl root path", "lsfctl root remove", "lsfctl root verify", "lsfctl root update"):
        return ROOT
    return _METAVARS.get(str(action.metavar), TEXT)


def _from_parser(parser: argparse.ArgumentParser, name: str, text: str, path: str = "") -> Command:
    command = Command(name, text, [])
    path = f"{path} {name}".strip()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            command.commands = [
                _from_parser(sub, sub_name, helps.get(sub_name, ""), path) for sub_name, sub in action.choices.items()
            ]
        elif action.option_strings:
            option = Option(tuple(action.option_strings), (action.help or "").partition(" (")[0], _values(action, path))
            command.options.append(option)
        elif action.nargs == argparse.REMAINDER:
            command.ends_at_argument = True
        else:
            command.arguments = _values(action, path)
    return command


def commands(parser: argparse.ArgumentParser) -> list[Command]:
    """Both commands; parser: lsfctl's."""
    return [_lsf(), _from_parser(parser, "lsfctl", "tells about LSF and manages it")]


# ---------------------------------------------------------------- bash

_STORE = "${LSF_ROOTS:-${XDG_DATA_HOME:-$HOME/.local/share}/lsf/roots}"
_SYSTEM = "${LSF_ROOTS:-" + SYSTEM_STORE + "}"

_BASH_HEAD = f"""# Completion of lsf and lsfctl in bash. `lsfctl completion bash` printed it: put
#     eval "$(lsfctl completion bash)"
# into ~/.bashrc.

_lsf_roots() {{
    local conf
    for conf in "{_STORE}"/*/root.conf "{_SYSTEM}"/*/root.conf; do
        [[ -e $conf ]] && conf=${{conf%/root.conf}} && echo "${{conf##*/}}"
    done
}}

_lsf_values() {{ # KIND CURRENT
    case $1 in
    file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$2") ;;
    folder) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$2") ;;
    root)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -W "$(_lsf_roots)" -- "$2"; compgen -d -- "$2") ;;
    text) ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2") ;;
    esac
}}

# Walks the words before the cursor. $1, $2, $3 are functions: of a path and a word, whether it leads on; of a path and
# an option, what its value is ("" for none); of a path, its options, and what its arguments are.
_lsf_complete() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} path=${{COMP_WORDS[0]##*/}} i=1 word kind
    COMPREPLY=()
    while ((i < COMP_CWORD)); do
        word=${{COMP_WORDS[i]}}
        if [[ $word == -- ]]; then
            _lsf_values "$($3 "$path" arguments)" "$current"
            return
        elif [[ $word == -* ]]; then
            kind=$($2 "$path" "$word")
            if [[ ${{COMP_WORDS[i + 1]}} == = ]]; then
                if ((i + 2 >= COMP_CWORD)); then
                    ((i + 1 == COMP_CWORD)) && current=
                    _lsf_values "$kind" "$current"
                    return
                fi
                i=$((i + 2))
            elif [[ -n $kind && $word != --truss ]]; then
                if ((i + 1 == COMP_CWORD)); then
                    _lsf_values "$kind" "$current"
                    return
                fi
                i=$((i + 1))
            fi
        elif $1 "$path" "$word"; then
            path="$path $word"
        elif [[ $path == lsf || $path == "lsfctl run" ]]; then
            _lsf_values file "$current" # a program's own
            return
        fi
        i=$((i + 1))
    done
    if [[ $current == -* ]]; then
        _lsf_values "$($3 "$path" options)" "$current"
    else
        _lsf_values "$($3 "$path" arguments)" "$current"
    fi
}}
"""


def _bash_values(values: Values | None) -> str:
    return "" if values is None else values if isinstance(values, str) else " ".join(values)


def bash(trees: list[Command]) -> str:
    """The script for bash."""
    every = [pair for tree in trees for pair in tree.walk()]
    paths = "|".join(f'"{path}"' for path, _ in every if " " in path)
    lines = [
        _BASH_HEAD,
        "_lsf_leads_on() {",
        f'    case "$1 $2" in {paths}) return 0 ;; esac',
        "    return 1",
        "}",
        "",
        "_lsf_kind() {",
        '    case "$1 $2" in',
    ]
    for path, command in every:
        for option in command.options:
            if option.values is not None:
                names = "|".join(f'"{path} {name}"' for name in option.names)
                lines.append(f"    {names}) echo '{_bash_values(option.values)}' ;;")
    lines += ["    esac", "}", "", "_lsf_words() {", '    case "$1 $2" in']
    for path, command in every:
        options = " ".join(name for option in command.options for name in option.names)
        arguments = " ".join(sub.name for sub in command.commands) or _bash_values(command.arguments) or "text"
        lines += [f"    \"{path} options\") echo '{options}' ;;", f"    \"{path} arguments\") echo '{arguments}' ;;"]
    lines += ["    esac", "}", "", "_lsf_start() { _lsf_complete _lsf_leads_on _lsf_kind _lsf_words; }"]
    lines += [f"complete -F _lsf_start {tree.name}" for tree in trees]
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------- zsh

_ZSH_HEAD = f"""#compdef lsf lsfctl
# Completion of lsf and lsfctl in zsh. `lsfctl completion zsh` printed it: keep it as _lsf in a folder of $fpath, or put
#     eval "$(lsfctl completion zsh)"
# into ~/.zshrc, after compinit.

_lsf_root() {{
    local -a names
    names=({_STORE}/*/root.conf(N:h:t) {_SYSTEM}/*/root.conf(N:h:t))
    _alternative 'roots:root:compadd -a names' 'folders:folder:_files -/'
}}
"""


def _zsh_text(text: str) -> str:
    """Text within brackets of a specification, in single quotes."""
    return re.sub(r"([\[\]:\\])", r"\\\1", text).replace("'", "'\\''")


def _zsh_action(values: Values) -> str:
    if isinstance(values, str):
        return {FILE: "_files", FOLDER: "_files -/", ROOT: "_lsf_root", TEXT: " "}[values]
    return f"({' '.join(values)})"


def zsh(trees: list[Command]) -> str:
    """The script for zsh."""
    lines = [_ZSH_HEAD]
    for tree in trees:
        for path, command in tree.walk():
            lines += [f"_{path.replace(' ', '_')}() {{", "    local context state line", "    local -a commands"]
            if command.commands:
                lines += ["    commands=("]
                lines += [f"        '{sub.name}:{_zsh_text(sub.help)}'" for sub in command.commands]
                lines += ["    )"]
            lines.append(
                "    _arguments -S -A '-*' \\"
                if command.ends_at_argument or command.commands
                else "    _arguments -S \\"
            )
            for option in command.options:
                for name in option.names:
                    takes = "" if option.values is None else "=" if name.startswith("--") else "+"
                    value = "" if option.values is None else f":value:{_zsh_action(option.values)}"
                    if name == "--truss":
                        takes, value = "=-", "::file:_files"
                    lines.append(f"        '*{name}{takes}[{_zsh_text(option.help)}]{value}' \\")
            if command.commands:
                lines += [
                    "        '1:command:->command' '*::argument:->argument'",
                    "    case $state in",
                    "    command) _describe command commands ;;",
                    "    argument)",
                    "        case $line[1] in",
                ]
                lines += [f"        {sub.name}) _{path.replace(' ', '_')}_{sub.name} ;;" for sub in command.commands]
                lines += ["        esac ;;", "    esac"]
            elif command.ends_at_argument:
                lines.append(f"        '1:program:{_zsh_action(command.arguments or FILE)}' '*::argument:_files'")
            else:
                # A message alone as the action would hide the options.
                action = "_default" if command.arguments in (None, TEXT) else _zsh_action(command.arguments)
                lines.append(f"        '*:argument:{action}'")
            lines += ["}", ""]
    lines += [
        "if [[ $funcstack[1] == _lsf ]]; then",
        '    [[ $service == lsfctl ]] && _lsfctl "$@" || _lsf "$@"',
        "else",
        "    compdef _lsf lsf",
        "    compdef _lsfctl lsfctl",
        "fi",
    ]
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------- fish

_FISH_HEAD = """# Completion of lsf and lsfctl in fish. `lsfctl completion fish` printed it: keep it as
# ~/.config/fish/conf.d/lsf.fish.

function __lsf_roots
    set -l store $LSF_ROOTS
    if test -z "$store"
        set store ~/.local/share/lsf/roots
        test -n "$XDG_DATA_HOME"; and set store $XDG_DATA_HOME/lsf/roots
        set store $store /var/lib/lsf/roots
    end
    for conf in $store/*/root.conf
        basename (dirname $conf)
    end
end

# Whether the words before the cursor, without options and their values, are exactly these; the options that take a
# value follow a --.
function __lsf_at
    set -l path $argv
    set -l taking
    if set -l i (contains -i -- -- $argv)
        set path $argv[1..(math $i - 1)]
        set taking $argv[(math $i + 1)..-1]
    end
    set -l words
    set -l skip no
    for word in (commandline -opc)
        if test $skip = yes
            set skip no
        else if string match -q -- '-*' $word
            contains -- $word $taking; and set skip yes
        else
            set -a words (basename -- $word)
        end
    end
    test "$words" = "$path"
end
"""


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _fish_values(values: Values) -> str:
    if isinstance(values, str):
        return {
            FILE: "-r -F",
            FOLDER: "-x -a '(__fish_complete_directories)'",
            TEXT: "-x",
            ROOT: "-x -a '(__lsf_roots) (__fish_complete_directories)'",
        }[values]
    return f"-x -a {_fish_quoted(' '.join(values))}"


def fish(trees: list[Command]) -> str:
    """The script for fish."""
    lines = [_FISH_HEAD]
    for tree in trees:
        every = list(tree.walk())
        taking = sorted(
            {
                name
                for _, command in every
                for option in command.options
                if option.values is not None
                for name in option.names
                if name != "--truss"
            }
        )
        for path, command in every:
            at = f"-n {_fish_quoted(f'__lsf_at {path} -- ' + ' '.join(taking))}"
            for option in command.options:
                names = " ".join(
                    f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names
                )
                values = "" if option.values is None or "--truss" in option.names else " " + _fish_values(option.values)
                lines.append(f"complete -c {tree.name} {at} {names}{values} -d {_fish_quoted(option.help)}")
            for sub in command.commands:
                lines.append(f"complete -c {tree.name} {at} -f -a {sub.name} -d {_fish_quoted(sub.help)}")
            if command.arguments is not None and command.arguments != FILE:
                lines.append(
                    f"complete -c {tree.name} {at} -f {_fish_values(command.arguments).removeprefix('-x')}".rstrip()
                )
    return "\n".join(lines) + "\n"


SHELLS: dict[str, Callable[[list[Command]], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
