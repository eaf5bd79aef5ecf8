"""The extras of the distribution that a command may need: which are missing, and the message for the user."""

from importlib.util import find_spec

DISTRIBUTION = "greenlight-gate"
MODULES = {
    "cluster": ("distributed",),
    "metrics": ("prometheus_client",),
    "otel": ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"),
    "protobuf": ("google.protobuf",),
    "sign": ("cryptography",),
    "stack": ("aiosqlite", "asyncpg", "cryptography", "greenlet", "redis", "sqlalchemy"),
}
"""What each extra installs, by the names that are imported."""


def missing(extra: str) -> str:
    """The end of a sentence that names the missing packages of the extra; empty if all are installed."""
    absent = [module for module in MODULES[extra] if not _is_there(module)]
    return f"needs {', '.join(absent)} of the extra [{extra}]: {install_command(extra)}" if absent else ""


def install_command(extra: str) -> str:
    """The command that installs an extra."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package that contains the module
        return False
