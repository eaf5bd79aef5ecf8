"""The manifest of the evidence: SHA-256 and size of each of its files, written as the run ends, checked before judging.

It shows what was changed, removed or added since. A manifest that was rewritten as well is shown by its signature
(`greenlight_gate.evidence.attestation`).
"""

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from greenlight_gate.evidence.safe_files import inside, open_regular
from greenlight_gate.findings import printable

MANIFEST = "manifest.json"


class FileDigest(msgspec.Struct, frozen=True):
    """The size of a file in bytes, and its SHA-256 in hexadecimal digits."""

    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """The files by their paths in the evidence folder, in order; the manifest itself is none of them."""

    files: dict[str, FileDigest]


def manifest_of(folder: Path) -> Manifest:
    """The manifest of an evidence folder as it now is. Raises OSError, also for what is no regular file."""
    return Manifest({name: _digest(folder / name) for name in sorted(_names(folder))})


def differences(folder: Path, manifest: Manifest) -> dict[str, str]:
    """What an evidence folder has otherwise than its manifest says, in words, by the path of each file."""
    names = sorted({*_names(folder), *manifest.files})
    said = {name: _difference(folder, name, manifest.files.get(name)) for name in names}
    return {printable(name): difference for name, difference in said.items() if difference}


def _difference(folder: Path, name: str, written: FileDigest | None) -> str:
    try:
        path = inside(folder.parent, f"{folder.name}/{name}" if not name.startswith("/") else name)
        if written is None:
            with open_regular(path):
                return "was added after the run"
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size != written.bytes:
                return f"is not what was written: it has {size} bytes, and had {written.bytes}"
            changed = hashlib.file_digest(file, "sha256").hexdigest() != written.sha256
            return "is not what was written" if changed else ""
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"


def _digest(path: Path) -> FileDigest:
    with open_regular(path) as file:
        # Read by chunks: a trace may have hundreds of MB.
        return FileDigest(os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest())


def _names(folder: Path, below: str = "") -> Iterator[str]:
    """The paths of all that is no folder, in an evidence folder. Links to folders are not followed, and are named."""
    with os.scandir(folder / below) as entries:
        for entry in entries:
            name = f"{below}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from _names(folder, f"{name}/")
            elif name != MANIFEST:
                yield name


def decoded(data: bytes) -> Manifest:
    """A manifest as it was written. Raises OSError for what is none."""
    try:
        return msgspec.json.decode(data, type=Manifest)
    except msgspec.MsgspecError as error:
        raise OSError(errno.EINVAL, f"it is not whole: {error}") from error
