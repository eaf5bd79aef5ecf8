"""What the page's viewer gets: which conversations, which records of them, and nothing that a report must not show."""

import base64
import json
import os
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
from greenlight_gate.evidence.attribution import Attributed
from greenlight_gate.evidence.judge import judge
from greenlight_gate.findings import Finding, Severity
from greenlight_gate.report.conversation_data import MOST_PACKED_BYTES, Conversations, pack
from greenlight_gate.rules.engine.canary import HALF, canary_word
from greenlight_gate.trace import Header, Received, Stalled, encode_header, encode_record

from support.tests.evidence.folders import ENDED, FINISHED, KEY, NAME, SELECTED, sealed, write
from support.tests.rules.talk import EPOCH_S, Talk, asked


def packed(folder: Path) -> Conversations:
    held = pack(judge(folder), folder)
    assert held is not None
    return held


def read(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed(folder).packed)))
    return found


def failed(talk: Talk) -> tuple[dict[str, Any], ...]:
    return SELECTED, {**FINISHED, "findings": len(talk.findings()), "outcome": "failed"}, ENDED


def thought(reasoning: str) -> Talk:
    return asked().started().event("agent_thinking", {"reasoning": reasoning, "step_number": 1})


def several(folder: Path, *talks: Talk, security: int = 0, **session: Any) -> Path:
    """A session with a scenario for each conversation; their traces are numbered. `security`: the number of one."""
    ledger: list[dict[str, Any]] = []
    for n, talk in enumerate(talks, 1):
        scenario, found = {"key": f"functional/a.feature:{n}"}, len(talk.findings())
        category = "security" if n == security else "functional"
        ledger.append({**SELECTED, **scenario, "name": f"Scenario {n}", "category": category})
        outcome = "failed" if found else "passed"
        ledger.append({**FINISHED, **scenario, "trace": f"traces/{n}.jsonl", "findings": found, "outcome": outcome})
    allure = [entry["key"] for entry in ledger if entry["entry"] == "finished"]
    write(folder, *ledger, {**ENDED, "allure": allure}, talk=talks[0], session=session)
    for n, talk in enumerate(talks, 1):
        lines = [encode_header(Header(f"functional/a.feature:{n}", EPOCH_S)), *map(encode_record, talk.records)]
        (folder / f"evidence/traces/{n}.jsonl").write_bytes(b"".join(lines))
    return sealed(folder)


def test_a_conversation_is_there_with_each_record_as_the_trace_has_it(tmp_path: Path) -> None:
    talk = asked().started().close("server", 1011)
    folder = write(tmp_path, *failed(talk), talk=talk)

    session = read(folder)

    (conversation,) = session.pop("conversations")
    frames = conversation.pop("frames")
    (finding, *_) = conversation.pop("findings")
    assert session == {
        "name": "validation_session_1767225600", "target": "by-hand", "began": EPOCH_S, "verdict": "BLOCKED",
        "left_out": 0,
    }  # fmt: skip
    assert conversation == {
        "trace": "traces/1.jsonl", "scenario": NAME, "category": "functional", "outcome": "failed",
        "connections": {"c1": "Ada"}, "left_out": 0, "torn": "", "untold": 0,
    }  # fmt: skip
    assert [frame[:2] for frame in frames] == [
        ["opened", "connected"], ["control", "ready"], ["sent", "-> start"], ["agent_started", "agent_started"],
        ["closed", "closed"],
    ]  # fmt: skip
    lines = (folder / "evidence/traces/1.jsonl").read_text("utf-8").splitlines()[1:]
    assert [frame[3] for frame in frames] == [json.loads(line) for line in lines]
    assert (finding["rule"], finding["user"], finding["records"]) == ("LIFECYCLE-2", "Ada", [3, 4, 5])


def test_those_with_findings_come_first_and_the_others_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    whole, broken = asked().answer().close(), asked().started().close("server", 1011)
    folder = several(tmp_path, *[whole] * 10, broken, whole)

    order = [each["trace"] for each in read(folder)["conversations"]]

    assert order == [f"traces/{n}.jsonl" for n in (11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12)]


def test_a_canary_bears_its_owners_name_wherever_it_stands(tmp_path: Path) -> None:
    word = canary_word('Ba"shir', "abcdefgh")
    talk = thought(word)
    talk.completed(result=f"There is rain, {' ' * 5_000}{word.upper()}.").close(reason=word)
    folder = write(tmp_path, *failed(talk), talk=talk)

    data = zlib.decompress(base64.b64decode(packed(folder).packed))

    assert word.encode() in (folder / "evidence/traces/1.jsonl").read_bytes()
    assert HALF not in data.lower()
    (conversation,) = json.loads(data)["conversations"]
    assert [frame[2] for frame in conversation["frames"][-3:]] == [
        'canary of Ba"shir', 'There is rain,', 'by client (1000) canary of Ba"shir',
    ]  # fmt: skip
    assert 'canary of Ba"shir' in conversation["frames"][-3][3]["text"]


def test_what_is_long_is_cut_and_says_so(tmp_path: Path) -> None:
    talk = thought("x" * 9_000)
    for _ in range(1_000):
        talk.thinking()
    talk.completed().close()
    folder = write(tmp_path, talk=talk)

    (conversation,) = read(folder)["conversations"]

    numbers = [frame[3]["n"] for frame in conversation["frames"]]
    assert numbers == [*range(1, 501), *range(len(talk.records) - 299, len(talk.records) + 1)]
    assert conversation["left_out"] == len(talk.records) - 800
    text = conversation["frames"][4][3]["text"]
    received = talk.records[4]
    assert isinstance(received, Received)
    assert received.text is not None
    assert text[:4000] == received.text[:4000]
    assert text[4000:] == f"... ({len(received.text) - 4000:,} characters more in the trace)"
    assert len(conversation["frames"][4][2]) == 240


def test_what_proves_a_finding_is_there_however_long_the_conversation(tmp_path: Path) -> None:
    talk = asked().started()
    for n in range(1_000):
        talk.thinking(**({"user": "user-bashir"} if n == 596 else {}))
    talk.completed().close()
    proof = min(n for finding in talk.findings() for n in finding.evidence if n > 500)
    folder = write(tmp_path, *failed(talk), talk=talk)

    (conversation,) = read(folder)["conversations"]

    numbers = {frame[3]["n"] for frame in conversation["frames"]}
    assert proof == 601
    assert {*range(595, 605)} <= numbers
    assert not {594, 605} & numbers


def test_what_has_no_room_is_counted(tmp_path: Path) -> None:
    talk = asked().started()
    for _ in range(200):
        talk.frame(json.dumps({"noise": os.urandom(1_500).hex()}))
    folder = several(tmp_path, *[talk.completed().close()] * 5)

    held = packed(folder)

    # Each of the five has its own bytes, but the window of the deflation is small: none is a repetition.
    assert 0 < held.left_out < 5
    assert held.traces == {f"traces/{n}.jsonl" for n in range(1, 6 - held.left_out)}
    assert len(held.packed) < 2 * MOST_PACKED_BYTES
    assert read(folder)["left_out"] == held.left_out


def test_of_thousands_of_findings_the_first_of_each_rule_are_there(tmp_path: Path) -> None:
    """They have no room of their own: a page of one conversation would grow with them without end."""
    folder = write(tmp_path)
    judgement = judge(folder)

    def broken(rule: str, times: int) -> list[Attributed]:
        return [
            Attributed(Finding(rule, Severity.NORMAL, "It is so.", "so", os.urandom(500).hex()), NAME, "traces/1.jsonl")
            for _ in range(times)
        ]

    many = (*broken("PAIRING-1", 5_000), *broken("CONTENT-3", 3))
    held = pack(msgspec.structs.replace(judgement, findings=many), folder)

    assert held is not None
    (conversation,) = json.loads(zlib.decompress(base64.b64decode(held.packed)))["conversations"]
    assert Counter(each["rule"] for each in conversation["findings"]) == {"PAIRING-1": 50, "CONTENT-3": 3}
    assert conversation["untold"] == 4_950
    assert len(held.packed) < MOST_PACKED_BYTES


def test_a_trace_that_is_not_whole_is_shown_as_far_as_it_goes(tmp_path: Path) -> None:
    folder = several(tmp_path, asked().answer().close(), asked().answer().close())
    trace = folder / "evidence/traces/2.jsonl"
    trace.write_bytes(trace.read_bytes()[:-20])
    sealed(folder)

    first, second = read(folder)["conversations"]

    assert (first["torn"], len(first["frames"])) == ("", 9)
    assert "truncated" in second["torn"]
    assert len(second["frames"]) == 8


def test_evidence_that_was_changed_is_not_shown(tmp_path: Path) -> None:
    folder = write(tmp_path)
    with (folder / "evidence/traces/1.jsonl").open("ab") as trace:
        trace.write(b"\n")

    assert pack(judge(folder), folder) is None


def test_what_the_suite_did_itself_is_marked_as_such(tmp_path: Path) -> None:
    talk = asked().started().add(Stalled, "", for_s=0.2).cut("reset").close("server", None)
    talk.frame("no JSON").frame({"type": "typing"})
    folder = write(tmp_path, *failed(talk), talk=talk)

    kinds = [frame[0] for frame in read(folder)["conversations"][0]["frames"]]

    assert kinds[3:] == ["agent_started", "suite", "suite", "closed", "other", "other"]
    assert read(folder)["conversations"][0]["scenario"] == NAME
    assert KEY not in read(folder)["conversations"][0]["scenario"]


def test_what_exposes_data_comes_before_what_is_only_wrong(tmp_path: Path) -> None:
    word = canary_word("Bashir", "abcdefgh")
    cut = asked().started().close("server", 1011)
    leaking = asked().started().thinking().completed(result=f"It is dry, {word}.").close()
    folder = several(tmp_path, cut, leaking)

    conversations = read(folder)["conversations"]

    assert [each["trace"] for each in conversations] == ["traces/2.jsonl", "traces/1.jsonl"]
    assert conversations[0]["findings"][0]["rule"] == "ISOLATION-1"
