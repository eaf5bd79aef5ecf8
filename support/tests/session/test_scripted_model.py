"""The scripted model of a session: served by the suite or elsewhere, and asked which calls have come."""

import asyncio
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import httpx2
import msgspec
import pytest
from greenlight_gate.model.calls import ServedCall
from greenlight_gate.model.script import load_script
from greenlight_gate.session.scripted_model import ModelGone, ScriptedModel
from greenlight_gate.targets.errors import Misconfigured

from support.tests.model.serving import DEADLINE_S, RunningModel, served


@pytest.fixture
def elsewhere() -> Iterator[RunningModel]:
    with served(load_script("reference")) as running:
        yield running


class OfAnotherClock(BaseHTTPRequestHandler):
    """A model whose clock is an hour behind: one call began 5 s ago by it and took 2 s, another one is under way."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        now_s = time.time() - 3600
        call = ServedCall(
            number=1, wire="/messages", model="m", stream=True, asked="", body="", tools=(), scripted=True, fault="",
            began_epoch_s=now_s - 5, input_tokens=1, took_s=2.0,
        )  # fmt: skip
        calls = [call, msgspec.structs.replace(call, number=2, took_s=None)]
        body = msgspec.json.encode({"calls": calls, "now_epoch_s": now_s})
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


def test_it_is_served_by_the_suite_and_knows_its_calls() -> None:
    model = ScriptedModel.of("reference", "")
    try:
        began = time.monotonic()
        body = {"messages": [{"role": "user", "content": "12*12"}]}
        httpx2.post(f"{model.url}/chat/completions", json=body, timeout=DEADLINE_S)
        ((call, began_at, ended_at, _),) = asyncio.run(model.calls(began))
        assert (call.asked, call.state, call.finish) == ("12*12", "finished", "tool_calls")
        assert ended_at is not None
        assert began - 1 < began_at < time.monotonic()
        assert began - 1 < ended_at < time.monotonic()
        asyncio.run(model.check())
    finally:
        model.stop()

    with pytest.raises(ModelGone, match="expected the calls of a scripted model at http"):
        asyncio.run(model.calls(0))


def test_the_clock_of_the_model_does_not_matter() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), OfAnotherClock) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        model = ScriptedModel.of("reference", f"http://127.0.0.1:{server.server_port}/some/path/v1")
        before = time.monotonic()
        first, second = asyncio.run(model.calls(before - 30))
        after = time.monotonic()
        server.shutdown()

    assert before - 5 <= first.began_at <= after - 5
    # What is not known of its end is in favour of the backend.
    assert first.ended_at is not None
    assert before - 3 <= first.ended_at <= first.began_at + 2
    assert first.began_at + 2 - first.ended_at == pytest.approx(first.error_s)
    assert second.ended_at is None
    (asked,) = OfAnotherClock.asked
    assert 31 <= float(asked.removeprefix("/some/path/calls?last_s=")) < 31 + after - before


def test_one_that_is_served_elsewhere_is_asked_there(elsewhere: RunningModel) -> None:
    model = ScriptedModel.of("reference", f"http://127.0.0.1:{elsewhere.port}/v1")
    asyncio.run(model.check())
    elsewhere.ask("/v1/messages", "Good morning!")

    assert [heard.call.wire for heard in asyncio.run(model.calls(time.monotonic() - 60))] == ["/messages"]
    model.stop()
    assert elsewhere.calls()


def test_another_script_than_that_of_the_target_is_a_mistake(elsewhere: RunningModel, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('[[answers]]\nwhen = "a"\nsteps = [{ say = "b" }]\n', encoding="utf-8")
    model = ScriptedModel.of(str(tmp_path / "own.toml"), f"http://127.0.0.1:{elsewhere.port}/v1")
    with pytest.raises(Misconfigured, match="but another one is played; start it with `greenlight model --script"):
        asyncio.run(model.check())


def test_what_is_no_scripted_model_is_a_mistake_in_the_target_file(elsewhere: RunningModel) -> None:
    with pytest.raises(Misconfigured, match="greenlight model --script"):
        asyncio.run(ScriptedModel.of("reference", "http://127.0.0.1:1/v1").check())
    with pytest.raises(Misconfigured, match="script of a model 'unheard' is unknown"):
        ScriptedModel.of("unheard", "")
