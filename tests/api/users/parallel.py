"""Runs several programs at once, by asyncio."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE

import lsf
from lsf.demo import PROGRAM


async def calls(number: int) -> bool:
    process = await asyncio.create_subprocess_exec(
        *lsf.command([PROGRAM, "time", str(number)], patch=False), stdout=PIPE
    )
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode == 0 and output.strip().isdigit()


async def main() -> int:
    print(*await asyncio.gather(*(calls(number) for number in (1, 10, 100))))
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
