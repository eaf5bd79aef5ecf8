"""The runs of hostile cases wait most of their time: they are started together, and each test takes its own."""

import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from support.tests.cli.cases import Case, Met, meet

_AT_ONCE = 4
# For as long as a test waits for its case, which may stand in line behind others.
PATIENCE_S = 280.0
Meetings = dict[str, Future[Met]]


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> Iterator[None]:
    """What a shell starts in the background ignores Ctrl-C, and so would all that the tests start and interrupt."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def meetings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Meetings]:
    """What came of each case that is going to be tested in this session."""
    calls = [getattr(item, "callspec", None) for item in request.session.items]
    asked = [call.params.get("case") for call in calls if call is not None]
    # Several tests look at one run, in the order in which the cases are first asked for.
    cases = {case.name: case for case in asked if isinstance(case, Case)}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield {name: pool.submit(meet, case, tmp_path_factory.mktemp(name)) for name, case in cases.items()}
        pool.shutdown(cancel_futures=True)
