"""The way of `lsf PROGRAM`: from a command line to the guest's first instruction. Nothing that costs is imported here."""
