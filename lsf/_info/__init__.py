"""Reads FreeBSD programs: what they are (elf.py) and where their libraries are (rtld.py). `lsfctl info` shows it."""
