"""What is compiled says of the same traces what the sources say, to the byte."""

import hashlib
import random
import subprocess
import sys

import msgspec
import pytest

from support.native import described
from support.rules.trace_checker import TraceChecker
from support.tests.rules.talk import EPOCH_S, PROFILE
from support.tests.rules.test_reference import changed

TRACES = 500
# The sources are imported where nobody finds the compiled form any more.
_INTERPRETED = """
import sys
import support.native
sys.meta_path[:] = [each for each in sys.meta_path if not isinstance(each, support.native._Compiled)]
from support.tests.rules.test_compiled import judged
print(support.native.described().split()[0], *judged())
"""


def judged() -> tuple[int, str]:
    """How many findings broken traces have, and the digest of these and of how often each rule was broken."""
    found, findings = hashlib.sha256(), 0
    for seed in range(TRACES):
        talk, _ = changed(random.Random(seed))
        checker = TraceChecker(PROFILE, talk.budgets, EPOCH_S)
        for record in talk.records:
            checker.feed(record)
        checker.finish()
        findings += len(checker.findings)
        found.update(msgspec.json.encode([checker.findings, *(each.counts for each in checker.connections.values())]))
    return findings, found.hexdigest()


@pytest.mark.compiled
def test_the_sources_find_the_same_to_the_byte() -> None:
    assert described().startswith("compiled"), "python -m support.compile has not compiled these sources"
    findings, digest = judged()
    assert findings > TRACES
    said = subprocess.run([sys.executable, "-c", _INTERPRETED], check=True, capture_output=True, text=True).stdout
    assert said.split() == ["interpreted", str(findings), digest]
