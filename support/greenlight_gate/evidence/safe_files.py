"""How evidence is read, which may have come from anywhere: regular files inside its folder, in lines of bounded length.

What is refused is an OSError, whose `strerror` says why.
"""

import errno
import os
import stat
from collections.abc import Iterator
from functools import partial
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import BinaryIO

# Frames of 40 MB as JSON in a worst case; longer ones are truncated, and are then no JSON.
LONGEST_LINE_BYTES = 134_217_728


def inside(root: Path, name: str) -> Path:
    """The path of a file or folder below `root`. Raises OSError for one that leads elsewhere, be it by a link."""
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\0" in name or not pure.parts:
        raise OSError(errno.EINVAL, "its path leads out of the session folder", name)
    path = root
    for part in pure.parts:
        path /= part
        if stat.S_ISLNK(path.lstat().st_mode):
            raise OSError(errno.ELOOP, "it is a symbolic link", str(path))
    return path


def open_regular(path: Path) -> BufferedReader:
    """A file to read from. Raises OSError for a link, a pipe or a device, of which it never waits for a writer."""
    found = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return os.fdopen(found, "rb")


def bounded_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, none longer than `LONGEST_LINE_BYTES`."""
    return iter(partial(file.readline, LONGEST_LINE_BYTES), b"")


def read_whole(root: Path, name: str) -> bytes:
    """A small file below `root`. Raises OSError, also for more than one line may have."""
    with open_regular(inside(root, name)) as file:
        data = file.read(LONGEST_LINE_BYTES + 1)
    if len(data) > LONGEST_LINE_BYTES:
        raise OSError(errno.EFBIG, f"it has more than {LONGEST_LINE_BYTES} bytes", name)
    return data


def append_line(path: Path, line: bytes) -> None:
    """Appends a line whole or not at all, also where the disk is full in between. Raises OSError."""
    with path.open("ab", buffering=0) as file:
        begins, left = file.tell(), memoryview(line + b"\n")
        try:
            while left:
                left = left[file.write(left) :]
        except OSError:
            # The next line would go on where this one broke off, and neither could be read.
            file.truncate(begins)
            raise
