"""What the guest tests ask for and LSF does not have yet: the one list, which only shrinks.

Key: `GUEST.CASE`, or `GUEST.CASE@ENGINE` for one engine. Value: the reason. A gap that works fails the suite
(strict xfail), so that its line is removed here.
"""

KNOWN_GAPS: dict[str, str] = {
    "hostile.every_descriptor_in_use": "execve opens the program, and so needs one free descriptor below RLIMIT_NOFILE",
    "proc_exec.busy": "Linux does not tell whether a file is open for writing somewhere",
    "proc_exec.linux_program@trap": "the seccomp filter stays over exec, and a Linux program has no handler for its traps",
    "proc_exec.linux_script@trap": "as proc_exec.linux_program",
    "files_open.executable_is_busy": "Linux denies writes to the text that it executes itself, not to what the shim maps",
}
