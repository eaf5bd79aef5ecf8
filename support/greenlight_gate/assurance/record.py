"""Records which scenario fails with which defect, and which assertion of a step fails.

The search takes many minutes; whether the record is complete and current is checked quickly. An assertion for which a
whole search found nothing is not searched for again until its text changes.
"""

import concurrent.futures
import contextlib
import hashlib
import multiprocessing
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from greenlight_gate.assurance.assertions import Assertion, assertions
from greenlight_gate.assurance.bench import BenchResult
from greenlight_gate.assurance.pool import Job, Pool, init_worker, judge
from greenlight_gate.assurance.proofs import PROOFS, REPLICATED
from greenlight_gate.assurance.scenarios import ScenarioPlace, scenarios
from greenlight_gate.targets.settings import suite_root

PATH = Path(__file__).with_name("recorded.json")
_AT_ONCE = 4
# If no defect was found for an assertion in so many scenarios, the search stops.
_ENOUGH_SCENARIOS = 2
# Tried first: each breaks nearly every answer, and is detected at once.
_USUAL = (
    "tool_name_missing", "started_twice", "canned_answer", "thinking_missing", "tools_hidden", "completed_twice",
    "started_missing", "empty_answer", "tool_executing_missing", "tool_completed_missing", "out_of_order",
    "token_echoed_in_frame", "tool_failure_hidden", "failed_twice", "second_tool_never_completed",
    "closes_1011_at_start", "completed_missing", "accepted_but_never_runs", "slow_start", "silent_gap",
    "every_event_delayed", "burst_at_the_end",
)  # fmt: skip
# Scenarios that fail only with a certain defect or value.
_HINTS = {
    "functional/1: A question that needs a tool first receives agent_started, once": ("thought_before_the_start",),
    "functional/1: agent_started arrives within the start budget of the target": ("slow_start=1.3",),
    "integration/4: Two users ask at the same moment and each receives only their own answer": ("broadcast_to_all",),
    "integration/4: Five users ask for their own secrets and each receives only their own": ("broadcast_to_all",),
    "integration/5: A question in each of two tabs is answered in that tab": ("every_window_shows_everything",),
    "integration/5: The second tab restores the conversation and receives the answer": (
        "events_lost_across_reconnect", "half_open_after_reconnect",
    ),
    "performance/3: Latency with 25 users is at most 5 times that with one user": (
        "throughput_capped", "latency_grows_with_connections=15",
    ),
    "performance/3: With 10 users the answer rate is at least 70 percent of the question rate": (
        "throughput_capped=6",
    ),
    "performance/3: With 25 users the answer rate is at least 70 percent of the question rate": (
        "throughput_capped", "throughput_capped=16",
    ),
    "resilience/3: When the backend is killed, its runs end and its conversations continue": (
        "failure_without_a_word",
    ),
    "resilience/2: 25 users lose their connections at once and reconnect within 5 seconds": (
        "reconnect_refused_after=1",
    ),
    "resilience/4: A user who reads 1000 bytes per second does not slow down another user": ("throughput_capped=5",),
}  # fmt: skip
# Scenarios with many users also take long.
_CROWDED = (
    "tool_name_missing", "every_event_delayed", "canned_answer", "connections_capped", "drops_one_in",
    "shared_agent_mixes_answers", "broadcast_to_all", "throughput_capped", "memory_leak_per_connection",
    "closes_1011_at_start", "accepted_but_never_runs",
)  # fmt: skip


class ScenarioProof(msgspec.Struct, frozen=True):
    """A scenario, by the digest of its steps, and a defect (NAME or NAME=VALUE) with which it fails."""

    digest: str
    defect: str


class AssertionProof(msgspec.Struct, frozen=True):
    """An assertion, by the digest of its text, with the scenario and the defect with which it fails."""

    digest: str
    scenario: str
    defect: str


class RecordedProofs(msgspec.Struct, frozen=True):
    """The stored record. `scenarios` by short name, `assertions` by id.

    `in_vain`: assertions for which a whole search found no defect, by id, with the digest of their text.
    """

    scenarios: dict[str, ScenarioProof] = {}
    assertions: dict[str, AssertionProof] = {}
    in_vain: dict[str, str] = {}


def read(path: Path = PATH) -> RecordedProofs:
    """The record of the checkout, or of another file; an empty one if there is none."""
    return msgspec.json.decode(path.read_bytes(), type=RecordedProofs) if path.exists() else RecordedProofs()


def digest_of(place: ScenarioPlace) -> str:
    """A digest of the steps of a scenario, independent of its position."""
    return hashlib.sha256("\n".join(place.steps).encode()).hexdigest()[:12]


def job_for(name: str, place: ScenarioPlace, defect: str, services: str = "") -> Job:
    """The session that runs a scenario with a defect ("": none); some need a stack or a backend of the suite."""
    proof = PROOFS[defect.partition("=")[0]] if defect else None
    budgets = dict(proof.budgets) if proof is not None else {}
    stack = services if "needs.replicas" in place.tags else ""
    own = "backend_restarts" in place.tags
    return Job(
        (defect,) if defect else (), (name,), budgets, crowded=_crowded(name), services=stack, started=own,
        send=proof.send if proof is not None else "bearer", transport=_transport_of(name),
        promise=proof.promise if proof is not None else "",
    )  # fmt: skip


def try_again(services: str, tell: Callable[[str, bool], None]) -> list[str]:
    """Run each recorded scenario with its defect; return those that pass. Without `services`, some are skipped."""
    known = scenarios(suite_root() / "features")
    jobs = {
        name: job_for(name, known[name], fails.defect, services) for name, fails in read().scenarios.items()
        if services or "needs.replicas" not in known[name].tags
    }  # fmt: skip
    passed = []
    with contextlib.closing(Pool(list(jobs.values()))) as pool:
        for name, job in jobs.items():
            judged = pool.result(job)
            failed = "failed" in judged.outcomes.values() and not judged.faults
            passed += [] if failed else [name]
            tell(name, failed)
    return passed


class ProofSearch:
    """Searches for missing entries of the record, and stores them. `tell` receives a line for each result.

    `services`: the folder of a stack, "" if there can be none. `again`: also for recorded entries, and for those that
    were searched for in vain. `path`: the record. `within_s`: when the search ends at the latest.
    """

    def __init__(
        self, tell: Callable[[str], None], services: str = "", *, again: bool = False, path: Path = PATH,
        within_s: float = 3600.0,
    ) -> None:  # fmt: skip
        self.known = scenarios(suite_root() / "features")
        self.assertions = assertions(suite_root() / "steps")
        self._tell = tell
        self._services = services
        self._lock = threading.Lock()
        self._abandoned: Counter[str] = Counter()
        self._path = path
        self._within_s = within_s
        self._ended = threading.Event()
        self._again = again
        before = read(path)
        self._scenarios = {
            name: fails for name, fails in before.scenarios.items()
            if name in self.known and fails.digest == digest_of(self.known[name])
        }  # fmt: skip
        self._assertions = {
            id_: objects for id_, objects in before.assertions.items()
            if id_ in self.assertions and objects.digest == self.assertions[id_].digest
            and objects.scenario in self.known
        }  # fmt: skip
        self._in_vain = {
            id_: digest for id_, digest in before.in_vain.items()
            if id_ in self.assertions and digest == self.assertions[id_].digest
        }  # fmt: skip

    @property
    def ended_early(self) -> bool:
        """Whether the time was over, or the search was interrupted, before all was tried."""
        return self._ended.is_set()

    def run(self, *beginnings: str) -> RecordedProofs:
        """Search in the scenarios whose names begin like this, write the record, and return it.

        Also what was found before the time was over, or before the search was interrupted (KeyboardInterrupt), is
        written.
        """
        if self._again:
            self._forget(beginnings or ("",))
        stack = [name for name, place in self.known.items() if "needs.replicas" in place.tags]
        crowded = [name for name in self.known if _crowded(name)]
        quick = [name for name in self.known if name not in stack and name not in crowded]
        groups = ((quick, _AT_ONCE), (crowded, 1), (stack if self._services else [], 1))
        until = time.monotonic() + self._within_s
        try:
            for names, at_once in groups:
                if not self.ended_early:
                    some = [name for name in names if name.startswith(beginnings or "")]
                    self._search_all(some, at_once, until)
            if not self.ended_early:
                self._in_vain |= {
                    id_: self.assertions[id_].digest for id_ in self._abandoned if id_ not in self._assertions
                }
        finally:
            record = RecordedProofs(
                dict(sorted(self._scenarios.items())),
                dict(sorted(self._assertions.items())),
                dict(sorted((id_, digest) for id_, digest in self._in_vain.items() if id_ not in self._assertions)),
            )
            self._path.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")
        return record

    def _forget(self, beginnings: tuple[str, ...]) -> None:
        """Forgets what is recorded of these scenarios; of all, also what was searched for in vain."""
        self._scenarios = {name: each for name, each in self._scenarios.items() if not name.startswith(beginnings)}
        self._assertions = {
            id_: each for id_, each in self._assertions.items() if not each.scenario.startswith(beginnings)
        }  # fmt: skip
        self._in_vain = self._in_vain if any(beginnings) else {}

    def _search_all(self, names: Sequence[str], at_once: int, until: float) -> None:
        """Search in all of these scenarios. If it cannot end in time, or is interrupted, the sessions are ended."""
        context = multiprocessing.get_context("spawn")
        with (
            concurrent.futures.ProcessPoolExecutor(at_once, context, init_worker) as benches,
            concurrent.futures.ThreadPoolExecutor(at_once) as threads,
        ):
            searches = [threads.submit(self._search, name, benches) for name in names]
            try:
                for search in concurrent.futures.as_completed(searches, max(until - time.monotonic(), 0)):
                    search.result()
            except TimeoutError:
                self._end(threads)
            except BaseException:
                self._end(threads)
                raise

    def _end(self, threads: concurrent.futures.Executor) -> None:
        self._ended.set()
        threads.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()

    def _search(self, name: str, benches: concurrent.futures.Executor) -> None:
        if name in self._scenarios and not self._open(self.assertions.values()):
            return
        healthy = self._judge(name, "", benches)
        if healthy is None:
            return
        used = [each for each in self.assertions.values() if each.id.rpartition(".")[0] in healthy.steps]
        for defect in _candidates(name, replicated="needs.replicas" in self.known[name].tags):
            if name in self._scenarios and not self._open(used):
                break
            judged = self._judge(name, defect, benches)
            if self.ended_early:
                return
            if judged is not None:
                self._keep(name, defect, judged)
        self._abandoned.update(each.id for each in self._open(used))
        if name not in self._scenarios:
            self._tell(f"never fails: {name}")

    def _open(self, wanted: Iterable[Assertion]) -> list[Assertion]:
        return [
            each for each in wanted
            if each.id not in self._assertions and each.id not in self._in_vain
            and self._abandoned[each.id] < _ENOUGH_SCENARIOS
        ]  # fmt: skip

    def _judge(self, name: str, defect: str, benches: concurrent.futures.Executor) -> BenchResult | None:
        try:
            return benches.submit(judge, job_for(name, self.known[name], defect, self._services)).result()
        except (RuntimeError, OSError) as error:
            if not self.ended_early:
                self._tell(f"could not be judged: {name} with {defect or 'no defect'}: {error}")
            return None

    def _keep(self, name: str, defect: str, judged: BenchResult) -> None:
        with self._lock:
            if "failed" in judged.outcomes.values() and not judged.faults and name not in self._scenarios:
                self._scenarios[name] = ScenarioProof(digest_of(self.known[name]), defect)
                self._tell(f"fails: {name} under {defect}")
            for id_ in judged.assertions:
                if id_ not in self._assertions:
                    self._assertions[id_] = AssertionProof(self.assertions[id_].digest, name, defect)
                    self._tell(f"fails: {id_} in '{name}' under {defect}")


def _transport_of(name: str) -> str:
    """The transport of the defects that prove a scenario, if it is one by HTTP: then the scenario needs it."""
    transports = {proof.transport for proof in PROOFS.values() if name in proof.scenarios}
    return "websocket" if "websocket" in transports else min(transports, default="websocket")


def _crowded(name: str) -> bool:
    return name.startswith(("performance", "stress"))


def _candidates(name: str, *, replicated: bool) -> Sequence[str]:
    """The defects to try, the likeliest first: that the scenario proves, of its feature, the usual, of its family."""
    category, feature = name.partition("/")[0], name.partition(":")[0]
    ours = [*_HINTS.get(name, ()), *(d for d, proof in PROOFS.items() if name in proof.scenarios)]
    if replicated:
        # A stack takes long to start.
        few = ("tool_name_missing", "canned_answer", "completed_missing", "foreign_resume_accepted")
        return list(dict.fromkeys([*ours, *REPLICATED, *few]))
    if _crowded(name):
        return list(dict.fromkeys([*ours, *_CROWDED]))
    near = [d for d, proof in PROOFS.items() if any(each.partition(":")[0] == feature for each in proof.scenarios)]
    family = [d for d, proof in PROOFS.items() if any(each.startswith(category) for each in proof.scenarios)]
    tried = dict.fromkeys([*ours, *near, *_USUAL, *family])
    usual = [d for d in tried if d not in PROOFS or not (PROOFS[d].replicated or PROOFS[d].crowded)]
    return list(dict.fromkeys([*_HINTS.get(name, ()), *usual]))
