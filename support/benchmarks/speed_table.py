"""The table of speeds in the README: which machine measured it, medians, and how far the rounds were apart."""

import os
import platform
import re
import statistics
from pathlib import Path
from typing import NamedTuple

README = Path(__file__).parents[2] / "README.md"
# From the sentence that says what the figures are to the last row.
_TABLE = re.compile(r"Checked events per CPU-second .*\n\n(?:\|.*\n)+")
_CHECKS = {
    "Greenlight": "every rule", "k6": "run id and sequence", "Locust": "run id and sequence",
    "picows": "run id and sequence, with typed decoding: the floor for Python",
}  # fmt: skip


class Speeds(NamedTuple):
    """What was measured: checked events per CPU-second of each client in each round of so many seconds.

    `where` names the machine, `day` the day; `versions` has those of the clients that have one.
    """

    rates: dict[str, list[float]]
    seconds: float
    where: str
    day: str
    versions: dict[str, str]

    def ratio(self, client: str) -> float:
        """How many times as fast as this client the load engine was: the median of the rounds."""
        pairs = zip(self.rates["Greenlight"], self.rates[client], strict=True)
        return statistics.median(ours / theirs for ours, theirs in pairs)


def machine() -> str:
    """The processor and how many of them, as the system names it, and the Python."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text(encoding="utf-8", errors="replace") if cpuinfo.exists() else ""
    named = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    name = named[1].strip() if named else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}"


def table(speeds: Speeds) -> str:
    """The figures as Markdown."""
    rounds = len(speeds.rates["Greenlight"])
    lines = [
        f"Checked events per CPU-second ({speeds.where}; {speeds.day}, {rounds} rounds of {speeds.seconds:g} s; "
        "`python -m support.benchmarks.load_against_peers --readme` measures and writes this table):",
        "", "| client | checks | median | lowest to highest | Greenlight is |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for client, rates in speeds.rates.items():
        name = f"{client} {speeds.versions.get(client, '')}".strip()
        faster = "" if client == "Greenlight" else f"{speeds.ratio(client):.2f} times as fast"
        median, least, most = (f"{round(rate, -2):,.0f}" for rate in (statistics.median(rates), min(rates), max(rates)))
        lines.append(f"| {name} | {_CHECKS[client]} | {median} | {least} to {most} | {faster} |")
    return "\n".join(lines) + "\n"


def replaced(readme: str, new: str) -> str:
    """The README with another table. Raises ValueError if it has not exactly one."""
    changed, times = _TABLE.subn(lambda _: new, readme)
    if times != 1:
        raise ValueError(f"expected one table of speeds in the README, found {times}")
    return changed
