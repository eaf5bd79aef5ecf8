"""What the assurance features speak of: a release of somebody's backend, and what the suite has to say of it."""

from collections.abc import Mapping, Sequence

from greenlight_gate.assurance.bench import BenchResult
from greenlight_gate.assurance.pool import Job, Pool
from greenlight_gate.assurance.proofs import PROOFS, Proof
from greenlight_gate.backend.defects import REGISTRY

_NOTICES: Mapping[str, str] = {found.notice: name for name, found in REGISTRY.items()}
# Its answers are what was asked for, and nothing in them is what people have told it: a leak could not be seen.
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
    """A feature speaks of a backend that cannot be had; the features are to be made again."""


class Release:
    """A release that is judged; `judged` is what came of each session, once there was one."""

    def __init__(self, pool: Pool, services: str = "") -> None:
        self._pool = pool
        self._services = services
        self._jobs: Sequence[Job] = ()
        self.judged: list[BenchResult] = []

    def of_which_people_say(self, notice: str) -> None:
        """It has the defect that people notice like this."""
        if notice not in _NOTICES:
            raise NoSuchBackendError(
                f"no defect shows like this: {notice} (python -m greenlight_gate.assurance features)"
            )
        self._jobs = [job_of(PROOFS[_NOTICES[notice]], self._services)]

    def healthy(self) -> None:
        """It has no defect."""
        self._jobs = healthy_jobs()

    def that_shows_nobody_their_own(self) -> None:
        """It never shows people what they have told it."""
        self._jobs = [forgetful_job()]

    def judge(self) -> None:
        """Have it judged by all scenarios that concern it."""
        self.judged = [self._pool.result(job) for job in self._jobs]

    @property
    def verdicts(self) -> set[str]:
        """What was said of it, each verdict once."""
        return {each.verdict for each in self.judged}

    @property
    def objections(self) -> set[str]:
        """The rules that objected, and the criteria that were not met."""
        return {objection for each in self.judged for objection in each.objections}

    @property
    def reasons(self) -> str:
        """Why each verdict is what it is."""
        return "\n".join(each.reason for each in self.judged)

    @property
    def faults(self) -> list[str]:
        """What the suite itself did wrong."""
        return [fault for each in self.judged for fault in each.faults]


def job_of(proof: Proof, services: str = "", *, without: str = "", value: str = "") -> Job:
    """The session that proves a defect, at its default or another value."""
    return Job(
        (f"{proof.defect}={value}" if value else proof.defect,), proof.scenarios, dict(proof.budgets), without=without,
        crowded=proof.crowded, services=services if proof.replicated else "",
    )  # fmt: skip


def healthy_jobs() -> list[Job]:
    """Every scenario that proves a defect, against a backend that has none."""
    names = list(dict.fromkeys(name for proof in PROOFS.values() if not proof.replicated for name in proof.scenarios))
    crowded = [name for name in names if name.startswith(("performance", "stress"))]
    others = [name for name in names if name not in crowded]
    # The machine is its own, too: what is slow here is slow by itself.
    return [Job((), tuple(group), crowded=True) for group in (others, crowded)]


def forgetful_job() -> Job:
    """People whose secrets are never shown to themselves, so that nothing can be said of what others see of them."""
    return Job((), _PRIVACY, prompts=_FORGETFUL)


def jobs_of(defects: Sequence[str], services: str) -> list[Job]:
    """All sessions that features about these defects, and about none, have need of."""
    proofs = [PROOFS[name] for name in defects]
    return [job_of(proof, services) for proof in proofs if services or not proof.replicated]
