"""greenlight init against chats by HTTP of a team's own: a message is posted, and a profile made of its answer."""

import tomllib
from pathlib import Path

import pytest
from greenlight_gate.targets.settings import load_target
from greenlight_gate.wire.profile import Profile

from support.tests.cli.own_http import TOKENS, own_chats
from support.tests.cli.process import greenlight

MESSAGE = '{"text": "{prompt}"}'
SIGN_IN = ("--sign-in", "token", "--user", "ada=ADA_TOKEN", "--user", "bo=BO_TOKEN")


@pytest.fixture(autouse=True)
def tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADA_TOKEN", TOKENS["ada"])
    monkeypatch.setenv("BO_TOKEN", TOKENS["bo"])


def profile_in(folder: Path) -> Profile:
    return Profile.from_toml((folder / "greenlight-profile.toml").read_text("utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "more", "transport", "codecs"),
    [
        ("/ask", SIGN_IN, "sse", ("sse-envelope",)), ("/lines", (), "ndjson", ("json",)),
        ("/say", ("--channel", "/events"), "channel", ("json",)),
    ],
)  # fmt: skip
def test_a_message_that_is_posted_leads_to_a_profile(
    tmp_path: Path, path: str, more: tuple[str, ...], transport: str, codecs: tuple[str, ...]
) -> None:
    message = MESSAGE if transport != "channel" else '{"text": "{prompt}", "tab": "{tab}"}'
    with own_chats() as origin:
        ran = greenlight(tmp_path, "init", f"{origin}{path}", "--yes", "--message", message, *more)

    assert ran.code == 0, ran.out + ran.err
    spec, target = profile_in(tmp_path).spec, load_target(str(tmp_path / "greenlight.toml"), {})
    assert (spec.connection.transport, spec.frame.codecs) == (transport, codecs)
    assert (target.url, spec.addresses["start"].path) == (origin, path)
    assert target.auth.obtain == ("token" if more == SIGN_IN else "none")
    assert target.prompts.with_tool is not None
    assert (target.prompts.with_tool.tools, target.capabilities.errors) == (("times",), True)
    assert "{canary}" in target.prompts.with_tool.contains


@pytest.mark.slow
def test_an_included_profile_that_reads_the_answer_is_taken_with_the_message(tmp_path: Path) -> None:
    message = '{"id": "x", "messages": [{"parts": [{"type": "text", "text": "{prompt}"}]}]}'
    with own_chats() as origin:
        ran = greenlight(tmp_path, "init", f"{origin}/my/chat", "--yes", "--message", message)

    assert "the profile ai-sdk reads them: greenlight-profile.toml is that profile with this message" in ran.out
    text = (tmp_path / "greenlight-profile.toml").read_text("utf-8")
    assert {call.path for call in profile_in(tmp_path).spec.addresses.values()} == {"/my/chat"}
    assert tomllib.loads(text)["send"]["start"]["id"] == "x"
    assert ran.code == 0, ran.out + ran.err


@pytest.mark.parametrize(
    ("path", "more", "says"),
    [
        (
            "/json",
            ("--message", MESSAGE),
            "expected a stream in answer to --message (text/event-stream or application/",
        ),
        (
            "/json",
            ("--message", MESSAGE),
            'got application/json: {"answer": "391"}; where the answers come on an event',
        ),
        ("/lines", ("--message", '{"q": "{prompt}"}'), 'got HTTP 422: {"error": "bad_request", "detail": "a text is'),
        ("/ask", ("--message", MESSAGE), "--sign-in: add it to the command, since init asks no questions without a"),
        ("/ask", ("--message", MESSAGE, "--sign-in", "none"), "got HTTP 401: {"),
        (
            "/lines",
            ("--message", '{"text": "{prompt}", "x": "{foo}"}'),
            "--message: {foo} has no value: {prompt}, {thread}",
        ),
        ("/lines", (), "with messages of its own, say which one asks: --message JSON"),
    ],
)
def test_what_is_no_stream_is_one_line_and_writes_nothing(
    tmp_path: Path, path: str, more: tuple[str, ...], says: str
) -> None:
    with own_chats() as origin:
        ran = greenlight(tmp_path, "init", f"{origin}{path}", "--yes", *more)

    assert (ran.code, says in ran.err, ran.err.count("\n")) == (3, True, 1), ran.err
    assert not (tmp_path / "greenlight.toml").exists()
