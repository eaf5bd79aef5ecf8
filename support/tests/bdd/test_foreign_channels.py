"""Attacks on channels of the bundled backend: by what the server itself has given another user."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from greenlight_gate.bdd.actions.access import AccessAttempts
from greenlight_gate.bdd.actions.foreign_access import ForeignAccess
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.world.world import World
from greenlight_gate.session.validation_session import SessionPlan
from greenlight_gate.trace import Opened, Responded, Sent

from support.tests.bdd.worlds import rules, world_of
from support.tests.cli.process import environ
from support.tests.wire.recorded import PROFILES

CHANNEL = (PROFILES / "agent-events-channel.toml").read_text()
RESTORE = CHANNEL[CHANNEL.index("[send.restore]") : CHANNEL.index("# The request takes the place of an earlier one")]
PROMISE = "endpoint_needs_token = true"


@contextmanager
def world(folder: Path, *defects: str, environment: str = "embedded-channel") -> Iterator[World]:
    plan = SessionPlan(environment=environment, defects=defects, output_dir=folder, environ=environ())
    with world_of(plan) as here:
        here.connect_all(["Ada", "Bashir"])
        yield here


def changed(folder: Path, part: str, into: str) -> str:
    """The target file of the bundled backend, by a profile in which a part is another one."""
    (folder / "profile.toml").write_text(CHANNEL.replace(part, into))
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
    with world(tmp_path / "reports", environment=changed(tmp_path, RESTORE, "")) as here:
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


@pytest.mark.parametrize("defects", [(), ("channel_address_in_place_of_a_token",)])
def test_a_message_goes_to_the_address_of_another_users_channel(tmp_path: Path, defects: tuple[str, ...]) -> None:
    with world(tmp_path, *defects) as here:
        access = ForeignAccess(here)
        access.send_to_channel_of("Ada", "Bashir")
        assert access.has_reached("Bashir") == bool(defects)
        assert rules(here) == ({"REFUSAL-2", "ISOLATION-2"} if defects else set())
        sent = [entry.record for entry in here.recorder.entries if isinstance(entry.record, Sent)]
        addresses = [here.tab(user).values["endpoint"] for user in ("Ada", "Bashir")]
        assert [(addresses[0] in each.text, addresses[1] in each.text) for each in sent if each.foreign] == [
            (True, False)
        ]


def test_an_address_that_may_be_enough_by_itself_is_not_tried(tmp_path: Path) -> None:
    with world(tmp_path / "reports", environment=changed(tmp_path, PROMISE, "")) as here:
        with pytest.raises(NotExercised, match="does not promise that messages to the address of a channel need"):
            ForeignAccess(here).send_to_channel_of("Ada", "Bashir")
        assert not here.questions


def resumed(here: World, kind: str) -> list[int]:
    """The statuses with which what Ada resumes with an invalid token was answered."""
    here.wait(here.ask("Ada", "without_tool"))
    attempts = AccessAttempts(here)
    attempts.resume_with("Ada", kind)
    assert attempts.turned_away("Ada") == (rules(here) == set())
    last = here.sessions["Ada"][-1].connection
    records = [entry.record for entry in here.recorder.entries if entry.record.connection == last]
    return [record.status for record in records if isinstance(record, Responded)]


@pytest.mark.parametrize("kind", ["no token", "a token signed with another key", "an expired token"])
@pytest.mark.parametrize(("environment", "statuses"), [("embedded-channel", [401, 401]), ("embedded-sse", [401])])
def test_what_is_resumed_with_an_invalid_token_is_refused(
    tmp_path: Path, environment: str, statuses: list[int], kind: str
) -> None:
    with world(tmp_path, environment=environment) as here:
        assert resumed(here, kind) == statuses
        assert rules(here) == set()


@pytest.mark.parametrize("environment", ["embedded-channel", "embedded-sse"])
def test_what_is_resumed_with_an_invalid_token_and_accepted_is_found(tmp_path: Path, environment: str) -> None:
    with world(tmp_path, "signature_not_checked_on_resume", environment=environment) as here:
        resumed(here, "a token signed with another key")
        assert rules(here) == {"REFUSAL-1"}


def test_a_message_to_a_given_address_with_an_invalid_token_that_is_accepted_is_found(tmp_path: Path) -> None:
    with world(tmp_path, "channel_address_in_place_of_a_token") as here:
        assert resumed(here, "a token signed with another key") == [401, 202]
        assert "REFUSAL-1" in rules(here)


def test_without_that_promise_only_the_channel_is_opened_with_an_invalid_token(tmp_path: Path) -> None:
    folder, lenient = tmp_path / "reports", changed(tmp_path, PROMISE, "")
    with world(folder, "channel_address_in_place_of_a_token", environment=lenient) as here:
        assert resumed(here, "no token") == [401]
        assert rules(here) == set()


def test_over_a_websocket_no_address_resumes_a_conversation(tmp_path: Path) -> None:
    with (
        world(tmp_path, environment="embedded") as here,
        pytest.raises(NotExercised, match="resumes conversations by messages on a connection that is open"),
    ):
        resumed(here, "no token")
