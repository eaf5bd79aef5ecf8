"""Every defect of resilience through the whole street, by the feature that is there for it; and the backend without.

The runs mostly wait for what does not come: several go on at a time, with budgets shorter than the usual ones.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from support.backend.defects import REGISTRY
from support.settings import suite_root
from support.tests.commands.process import Ran, judged

_AT_ONCE = 3
EMBEDDED = (suite_root() / "support/targets/embedded.toml").read_text("utf-8")
QUICK = EMBEDDED.replace("[budgets]\n", "[budgets]\nsilence_s = 2\nstart_s = 2\ntool_s = 2\n")


class Row(NamedTuple):
    """Which rule has to object, in which feature, and whether the finding has to name a cut of ours."""

    rule: str
    tags: str = "@lost_line"
    names_cut: bool = True


DEFECTS = {
    "events_lost_across_reconnect": Row("CONTINUITY-1"),
    "replay_buffer_drops_oldest": Row("CONTINUITY-1", "@coming_back"),
    "resume_unknown_but_says_ok": Row("CONTINUITY-1", "@coming_back"),
    "replay_duplicates": Row("CONTINUITY-2"),
    "replay_out_of_order": Row("CONTINUITY-2"),
    "closes_1011_at_start": Row("CONNECTION-1", names_cut=False),
    "accepted_then_closed_1000": Row("CONNECTION-1", names_cut=False),
    "events_before_ready_lost": Row("CONNECTION-1", "@backend_restarts", names_cut=False),
    "dies_mid_run_without_a_word": Row("LIFECYCLE-2", names_cut=False),
    "hangs_mid_run_socket_open": Row("LIFECYCLE-2", names_cut=False),
    "reconnect_refused_after": Row("CONNECTION-1"),
    "same_token_refused_within_1_s": Row("CONNECTION-1"),
    "half_open_after_reconnect": Row("CONTINUITY-1", "@coming_back"),
    "idle_cut_after": Row("CONNECTION-3", "@dead_lines", names_cut=False),
    "illegal_close_code": Row("CONNECTION-3", "@backend_restarts"),
}
Runs = dict[str, Future[Ran]]
pytestmark = pytest.mark.slow


def judge_quickly(folder: Path, *arguments: str) -> Ran:
    (folder / "quick.toml").write_text(QUICK, encoding="utf-8")
    return judged(folder, "--environment", "quick.toml", "--categories", "resilience", *arguments)


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    items = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    wanted = [params["lost_by"] for params in items if "lost_by" in params]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield {
            name: pool.submit(
                judge_quickly, tmp_path_factory.mktemp(name), "--tags", DEFECTS[name].tags, "--defect", name
            )
            for name in wanted
        }
        pool.shutdown(cancel_futures=True)


def test_every_defect_of_the_family_is_here() -> None:
    assert set(DEFECTS) == {name for name, found in REGISTRY.items() if found.family == "resilience"}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("lost_by", DEFECTS)
def test_a_defect_is_blocked_by_its_rule(runs: Runs, lost_by: str) -> None:
    ran, row = runs[lost_by].result(), DEFECTS[lost_by]
    assert (ran.code, ran.verdict) == (1, "BLOCKED"), ran.out + ran.err
    found = [finding for finding in ran.report["findings"] if finding["rule"] == row.rule]
    assert found, ran.rules
    assert row.rule in REGISTRY[lost_by].rules
    assert not row.names_cut or any("the line was cut by" in finding["actual"] for finding in found)
    assert "Traceback" not in ran.out + ran.err


def test_without_resume_the_truth_is_told(tmp_path: Path) -> None:
    (tmp_path / "none.toml").write_text(f"{EMBEDDED}\n[capabilities]\nresume = false\n", encoding="utf-8")
    ran = judged(tmp_path, "--environment", "none.toml", "--categories", "resilience", "--tags", "@lost_line")
    assert (ran.code, ran.verdict, ran.rules) == (0, "APPROVED", set()), ran.out + ran.err
    categories = ran.report["execution_results"]["categories"]["resilience"]
    assert categories == {"passed": 2, "failed": 0, "not_exercised": 2}
    assert {cell["became"] for cell in ran.report["execution_results"]["cut_matrix"]} == {"no resume here"}
    assert (ran.session / "monitoring/visualizations/cut_matrix.png").read_bytes().startswith(b"\x89PNG")
