"""Attacks on channels of the bundled backend: by what the server itself has given another user."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from greenlight_gate.bdd.actions.foreign_access import ForeignAccess
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.world.world import World
from greenlight_gate.session.validation_session import SessionPlan
from greenlight_gate.trace import Opened

from support.tests.bdd.worlds import rules, world_of
from support.tests.cli.process import environ
from support.tests.wire.recorded import PROFILES

CHANNEL = (PROFILES / "agent-events-channel.toml").read_text()
RESTORE = CHANNEL[CHANNEL.index("[send.restore]") : CHANNEL.index("# The request takes the place of an earlier one")]


@contextmanager
def world(folder: Path, *defects: str, environment: str = "embedded-channel") -> Iterator[World]:
    plan = SessionPlan(environment=environment, defects=defects, output_dir=folder, environ=environ())
    with world_of(plan) as here:
        here.connect_all(["Ada", "Bashir"])
        yield here


def by_event_id_alone(folder: Path) -> str:
    """The target file of the bundled backend, by a profile whose channels are resumed and nothing is restored."""
    (folder / "profile.toml").write_text(CHANNEL.replace(RESTORE, ""))
    target = PROFILES.parents[1] / "targets" / "embedded-channel.toml"
    path = folder / "target.toml"
    path.write_text(target.read_text().replace('profile = "agent-events-channel"', 'profile = "profile.toml"'))
    return str(path)


@pytest.mark.parametrize("defects", [(), ("channel_resumed_by_any_user",)])
def test_the_rest_of_an_answer_is_asked_for_by_the_id_of_an_early_event(
    tmp_path: Path, defects: tuple[str, ...]
) -> None:
    with world(tmp_path, *defects) as here:
        access = ForeignAccess(here)
        access.resume_from_event_of("Ada", "Bashir")
        assert access.has_reached("Bashir") == bool(defects)
        assert rules(here) == ({"REFUSAL-2", "ISOLATION-2"} if defects else set())
        opened = [entry.record for entry in here.recorder.entries if isinstance(entry.record, Opened)]
        assert [record.user for record in opened if record.foreign] == ["Bashir"]


def test_what_an_owner_does_not_receive_again_either_is_not_tried(tmp_path: Path) -> None:
    with world(tmp_path, "events_lost_across_reconnect") as here:
        with pytest.raises(NotExercised, match="Ada receives nothing after the id of an early event"):
            ForeignAccess(here).resume_from_event_of("Ada", "Bashir")
        assert not any(getattr(entry.record, "foreign", "") for entry in here.recorder.entries)


def test_a_conversation_that_only_an_event_id_names_is_not_restored_by_others(tmp_path: Path) -> None:
    with world(tmp_path / "reports", environment=by_event_id_alone(tmp_path)) as here:
        here.wait(here.ask("Ada", "without_tool"))
        access = ForeignAccess(here)
        with pytest.raises(NotExercised, match="has no place for what is another user's"):
            access.ask_to_see_conversation_of("Ada", "Bashir")
        access.resume_from_event_of("Ada", "Bashir")
        assert not access.has_reached("Bashir")


def test_over_a_websocket_nothing_is_resumed_by_the_id_of_an_event(tmp_path: Path) -> None:
    with (
        world(tmp_path, environment="embedded") as here,
        pytest.raises(NotExercised, match="embedded resumes by no id of an event"),
    ):
        ForeignAccess(here).resume_from_event_of("Ada", "Bashir")
