"""The memory and file descriptors of the process."""

import os
import resource
import sys
from pathlib import Path

# macOS refuses more, even if it reports the limit as unlimited.
_FILES_AT_MOST = 10_240 if sys.platform == "darwin" else 65_536
_STATM = Path("/proc/self/statm")
_DESCRIPTORS = next((path for path in (Path("/proc/self/fd"), Path("/dev/fd")) if path.is_dir()), None)


def process_vitals() -> dict[str, float]:
    """Return resident memory in bytes and the number of open file descriptors, under their Prometheus names."""
    return {
        "process_resident_memory_bytes": float(_resident_bytes()),
        # The listing itself has one descriptor open.
        "process_open_fds": float(len(os.listdir(_DESCRIPTORS)) - 1 if _DESCRIPTORS else 0),  # noqa: PTH208
    }


def allow_many_files() -> None:
    """Raise the limit of open files to what the system allows; the default is often 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_AT_MOST if hard == resource.RLIM_INFINITY else min(hard, _FILES_AT_MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _resident_bytes() -> int:
    if _STATM.exists():
        return int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    # Without /proc the standard library has only the peak; macOS counts it in bytes, others in KiB.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
