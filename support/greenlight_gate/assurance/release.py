"""A release of a backend, and the verdict of the suite on it, for the steps of the assurance features."""

from collections.abc import Mapping, Sequence

from greenlight_gate.assurance.bench import BenchResult
from greenlight_gate.assurance.pool import Job, Pool
from greenlight_gate.assurance.proofs import HTTP_DEFECTS, PROOFS, Proof
from greenlight_gate.backend.defects import REGISTRY

_NOTICES: Mapping[str, str] = {found.notice: name for name, found in REGISTRY.items()}
# The answers are right, but never contain the users' secrets: a leak could not be detected.
_FORGETFUL = """
[with_tool]
ask = "What is 17*23?"
contains = ["391"]
tools = ["calculator"]
[remember]
ask = "Good morning! Who are you? (My word is {canary}.)"
contains = ["reference assistant"]
[recall]
ask = "What is 17*23?"
contains = [["391", "{canary}"]]
tools = ["calculator"]
"""
_PRIVACY = ("security/1: Users who ask at the same moment receive only their own secret",)


class NoSuchBackendError(Exception):
    """A feature names an unknown defect; the features have to be generated again."""


class Release:
    """A release that is judged; `judged` are the results of its sessions."""

    def __init__(self, pool: Pool, services: str = "") -> None:
        self._pool = pool
        self._services = services
        self._jobs: Sequence[Job] = ()
        self.judged: list[BenchResult] = []

    def of_which_users_say(self, notice: str) -> None:
        """Give it the defect with this notice."""
        if notice not in _NOTICES:
            raise NoSuchBackendError(
                f"no defect has this notice: {notice} (python -m greenlight_gate.assurance features)"
            )
        self._jobs = [job_of(PROOFS[_NOTICES[notice]], self._services)]

    def healthy(self) -> None:
        """Give it no defect."""
        self._jobs = healthy_jobs()

    def that_shows_nobody_their_own(self) -> None:
        """Make it never show users what they have told it."""
        self._jobs = [forgetful_job()]

    def judge(self) -> None:
        """Judge it by all its scenarios."""
        self.judged = [self._pool.result(job) for job in self._jobs]

    @property
    def verdicts(self) -> set[str]:
        """The verdicts, each once."""
        return {each.verdict for each in self.judged}

    @property
    def objections(self) -> set[str]:
        """The rules with findings, and the criteria that were not met."""
        return {objection for each in self.judged for objection in each.objections}

    @property
    def reasons(self) -> str:
        """The reasons of the verdicts."""
        return "\n".join(each.reason for each in self.judged)

    @property
    def faults(self) -> list[str]:
        """The faults of the suite itself."""
        return [fault for each in self.judged for fault in each.faults]


def job_of(proof: Proof, services: str = "", *, without: str = "", value: str = "") -> Job:
    """The session that proves a defect, with its default or another value."""
    return Job(
        (f"{proof.defect}={value}" if value else proof.defect,), proof.scenarios, dict(proof.budgets), without=without,
        crowded=proof.crowded, services=services if proof.replicated else "", send=proof.send, promise=proof.promise,
        transport=proof.transport,
    )  # fmt: skip


def healthy_jobs() -> list[Job]:
    """Every scenario that proves a defect, against a backend without any."""
    proofs = [proof for proof in PROOFS.values() if not proof.replicated]
    names = list(dict.fromkeys(name for proof in proofs for name in proof.scenarios))
    by_http = {
        transport: tuple(dict.fromkeys(
            name for proof in proofs if proof.transport == transport and not proof.promise for name in proof.scenarios
        ))
        for transport in HTTP_DEFECTS
    }  # fmt: skip
    crowded = [name for name in names if name.startswith(("performance", "stress"))]
    others = [name for name in names if name not in crowded]
    promised = [
        Job((), proof.scenarios, promise=proof.promise, transport=proof.transport)
        for proof in PROOFS.values()
        if proof.promise
    ]
    # It has the machine to itself: other sessions must not slow it down.
    return [
        *(Job((), tuple(group), crowded=True) for group in (others, crowded)),
        *promised,
        # On a backend of its own: one that had a defect may remember what it mixed up.
        *(Job((), names, transport=transport, crowded=True) for transport, names in by_http.items()),
    ]


def forgetful_job() -> Job:
    """A session in which users never receive their own secrets, so that isolation is unknown."""
    return Job((), _PRIVACY, prompts=_FORGETFUL)


def jobs_of(defects: Sequence[str], services: str) -> list[Job]:
    """All sessions that the features with these defects, and without any, need."""
    proofs = [PROOFS[name] for name in defects]
    return [job_of(proof, services) for proof in proofs if services or not proof.replicated]
