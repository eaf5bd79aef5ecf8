"""The interface for steps: the World, the actions, and the words of parameters."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from behave.runner import Context

from greenlight_gate.bdd.actions.access import AccessAttempts
from greenlight_gate.bdd.actions.approvals import Approvals
from greenlight_gate.bdd.actions.asking_again import AskingAgain
from greenlight_gate.bdd.actions.backend_restarts import BackendRestarts
from greenlight_gate.bdd.actions.bad_input import BadInput
from greenlight_gate.bdd.actions.cut_matrix import CutMatrix
from greenlight_gate.bdd.actions.foreign_access import ForeignAccess
from greenlight_gate.bdd.actions.isolation import Privacy
from greenlight_gate.bdd.actions.liveness import Liveness
from greenlight_gate.bdd.actions.model_faults import ModelFaults
from greenlight_gate.bdd.actions.network import Network
from greenlight_gate.bdd.actions.replicas import Replicas
from greenlight_gate.bdd.actions.reverse_proxies import ReverseProxies
from greenlight_gate.bdd.actions.stops import Stops
from greenlight_gate.bdd.parameters import event_kind as event_kind_of
from greenlight_gate.bdd.parameters import question as question_in
from greenlight_gate.bdd.world.world import World

__all__ = [
    "access_attempts_of",
    "approvals_of",
    "asking_again_of",
    "cut_matrix_of",
    "event_kind_of",
    "foreign_access_of",
    "hostility_of",
    "liveness_of",
    "model_faults_of",
    "network_of",
    "privacy_of",
    "question_in",
    "replicas_of",
    "reverse_proxies_of",
    "rows_of",
    "stops_of",
    "trouble_of",
    "world_of",
]  # fmt: skip

T = TypeVar("T")


def world_of(context: Context) -> World:
    """The World of the running scenario."""
    world: World = context.world
    return world


def hostility_of(context: Context) -> BadInput:
    """The bad input of the running scenario."""
    return BadInput(world_of(context))


def privacy_of(context: Context) -> Privacy:
    """The isolation checks of the running scenario."""
    return Privacy(world_of(context))


def access_attempts_of(context: Context) -> AccessAttempts:
    """The access attempts of the running scenario."""
    return _kept(context, "walls", lambda: AccessAttempts(world_of(context)))


def foreign_access_of(context: Context) -> ForeignAccess:
    """The attempts of the running scenario to reach what is another user's."""
    return _kept(context, "foreign_access", lambda: ForeignAccess(world_of(context)))


def network_of(context: Context) -> Network:
    """The network of the running scenario."""
    return _kept(context, "network", lambda: Network(world_of(context)))


def cut_matrix_of(context: Context) -> CutMatrix:
    """The cut-point matrix of the running scenario."""
    return _kept(context, "cut_matrix", lambda: CutMatrix(world_of(context)))


def trouble_of(context: Context) -> BackendRestarts:
    """The backend restarts of the running scenario."""
    return BackendRestarts(world_of(context), network_of(context))


def replicas_of(context: Context) -> Replicas:
    """The replicas and services of the running scenario."""
    return _kept(context, "replicas", lambda: Replicas(world_of(context), network_of(context), privacy_of(context)))


def reverse_proxies_of(context: Context) -> ReverseProxies:
    """The reverse proxies of the running scenario."""
    return _kept(context, "reverse_proxies", lambda: ReverseProxies(world_of(context), network_of(context)))


def approvals_of(context: Context) -> Approvals:
    """The approvals of the running scenario."""
    return Approvals(world_of(context))


def asking_again_of(context: Context) -> AskingAgain:
    """The cut answers of the running scenario that are asked for again."""
    return _kept(context, "asking_again", lambda: AskingAgain(world_of(context), network_of(context)))


def stops_of(context: Context) -> Stops:
    """The stops of the running scenario."""
    return _kept(context, "stops", lambda: Stops(world_of(context)))


def model_faults_of(context: Context) -> ModelFaults:
    """The faults of the model in the running scenario."""
    return _kept(context, "model_faults", lambda: ModelFaults(world_of(context)))


def liveness_of(context: Context) -> Liveness:
    """The dead and slow connections of the running scenario."""
    return Liveness(world_of(context), network_of(context))


def _kept(context: Context, name: str, make: Callable[[], T]) -> T:
    """A value that the steps of one scenario share."""
    kept: T | None = getattr(context, name, None)
    if kept is None:
        kept = make()
        setattr(context, name, kept)
    return kept


def rows_of(context: Context) -> Iterable[Any]:
    """The rows of the step's table. Raises ValueError for a step without one."""
    if context.table is None:
        raise ValueError("this step needs a table")
    rows: Iterable[Any] = iter(context.table)
    return rows
