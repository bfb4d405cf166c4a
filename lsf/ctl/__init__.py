"""The command lsfctl, and what it does that is no part of a start: doctor, demo, completion, binfmt."""
