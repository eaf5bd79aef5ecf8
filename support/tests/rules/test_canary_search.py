"""Each encoding and each split in which a canary may hide is found, and nothing else is taken for one."""

import base64
import codecs
import gzip
import html
import json
import random
import string
import zlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock
from urllib.parse import quote

import pytest
from greenlight_gate.rules.engine import canary_search
from greenlight_gate.rules.engine.canary import HALF, MARKER, canary_word
from greenlight_gate.rules.engine.text_decoding import MOST_LAYERS, layers, unpacked
from greenlight_gate.trace import Other

from support.tests.hypothesis_profiles import examples
from support.tests.rules.talk import ANSWER, Talk, asked

BASHIRS = canary_word("Bashir", "abcdefgh")

NOTE = f"Bashir's word is {BASHIRS}, ok?"
FRAMES = examples(10_000)


def nested(text: str, depth: int) -> str:
    for _ in range(depth):
        text = json.dumps({"inner": text})
    return text


def packed(before: str) -> str:
    return base64.b64encode(f"{before}{NOTE}".encode()).decode()


def everywhere(escape: str) -> str:
    return "".join(escape % ord(char) for char in BASHIRS)


# How it is written -> (how it is called, the text).
DISGUISES: dict[str, tuple[str, str]] = {
    "plain": ("plain", NOTE),
    "in JSON in JSON": ("plain", nested(NOTE, 4)),
    "in capitals": ("in other letter case", NOTE.upper()),
    "in mixed case": ("in other letter case", "".join(c.upper() if i % 2 else c for i, c in enumerate(NOTE))),
    "percent-encoded": ("percent-encoded", "".join(f"%{ord(char):02x}" for char in NOTE)),
    "percent-encoded, some of it": ("percent-encoded", NOTE.replace("y", "%79")),
    "percent-encoded twice": ("percent-encoded", quote("".join(f"%{ord(char):02X}" for char in NOTE))),
    "base64, at 0": ("base64", packed("")),
    "base64, at 1": ("base64", packed("x")),
    "base64, at 2": ("base64", packed("xx")),
    "base64 without padding": ("base64", packed("").rstrip("=")),
    "base64url, at 1": ("base64", base64.urlsafe_b64encode(f"~{NOTE}~?~?".encode()).decode()),
    "base64url, at 2": ("base64", base64.urlsafe_b64encode(f"~~{NOTE}~?~?".encode()).decode()),
    "base64url": ("base64", base64.urlsafe_b64encode(f"??>>~~{NOTE}~?~?".encode()).decode()),
    "base64 of JSON": ("base64", base64.b64encode(json.dumps({"a": NOTE}).encode()).decode()),
    "hex": ("hex", NOTE.encode().hex()),
    "hex in capitals": ("hex", NOTE.encode().hex().upper()),
    "hex at an odd place": ("hex", "f" + NOTE.encode().hex()),
    "unicode escapes": ("unicode escapes", everywhere("\\u%04x")),
    "unicode escapes in capitals": ("unicode escapes", everywhere("\\u%04X")),
    "unicode escapes, deep in JSON": ("unicode escapes", nested(everywhere("\\u%04x"), 4)),
    "JavaScript escapes": ("unicode escapes", everywhere("\\u{%x}")),
    "byte escapes": ("unicode escapes", everywhere("\\x%02x")),
    "HTML, decimal": ("HTML entities", everywhere("&#%d;")),
    "HTML, hexadecimal": ("HTML entities", everywhere("&#x%x;")),
    "HTML, twice": ("HTML entities", html.escape(everywhere("&#%d;"))),
    "zero-width spaces": ("zero-width characters", "\u200b".join(BASHIRS)),
    "soft hyphens and joiners": ("zero-width characters", "\u00ad\u200d\ufeff".join(BASHIRS)),
    "zero-width entities": ("HTML entities", "&zwj;&shy;".join(BASHIRS)),
    "percent-encoded zero width": ("percent-encoded and zero-width characters", quote("\u200b".join(BASHIRS))),
    "HTML, percent-encoded": ("percent-encoded and HTML entities", quote(everywhere("&#%d;"))),
    "base64, percent-encoded": ("base64", quote(packed("x"))),
    "base64 in base64, at 1": ("base64 in base64", base64.b64encode(f"~{packed('x')}".encode()).decode()),
    "base64 in hex": ("base64 in hex", packed("xx").encode().hex()),
    "integers": ("integers", json.dumps(list(NOTE.encode()))),
    "integers without spaces": ("integers", json.dumps([*range(90, 120), *map(ord, NOTE)], separators=(",", ":"))),
    "a Node Buffer": ("integers", json.dumps({"type": "Buffer", "data": [*NOTE.encode()]})),
    "zlib in base64": ("compressed and in base64", base64.b64encode(zlib.compress(NOTE.encode())).decode()),
    "gzip in base64url": ("compressed and in base64", base64.urlsafe_b64encode(gzip.compress(NOTE.encode())).decode()),
    "full-width letters": ("full-width forms", "".join(chr(ord(char) + 0xFEE0) for char in BASHIRS)),
    "full-width capitals": ("full-width forms", "".join(chr(ord(char) + 0xFEC0) for char in BASHIRS)),
    "quoted-printable, broken": ("quoted-printable", f"{NOTE[:22]}=\r\n{NOTE[22:28]}=\n{NOTE[28:]}"),
    "quoted-printable letters": ("quoted-printable", NOTE.replace("y", "=79")),
    "cut off at its left": ("plain, cut off at its left", BASHIRS[2:]),
    "cut off at the half": ("plain, cut off at its left", BASHIRS[6:]),
}  # fmt: skip
# How a frame may bring it.
WAYS: dict[str, Callable[[str], bytes]] = {
    "as it is": lambda text: json.dumps({"type": "note", "a": [{"b": text}]}, ensure_ascii=False).encode(),
    "in ASCII": lambda text: json.dumps({"type": "note", "a": [{"b": text}]}).encode(),
    "as a name": lambda text: json.dumps({"type": "note", text: [{text: None}]}).encode(),
    "at a depth": lambda text: ('{"type":"note","a":' + '[{"b":' * 40 + json.dumps(text) + "}]" * 40 + "}").encode(),
    "as no JSON": lambda text: text.encode(),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_disguise_is_found(way: str) -> None:
    for disguise, (how, text) in DISGUISES.items():
        frame = WAYS[way](text)
        sightings = canary_search.search(frame).sightings

        assert [found.owner for found in sightings] == ["Bashir"], disguise
        assert canary_search.suspicious(frame), disguise
        assert canary_search.suspicious(b'{"another":"frame"}' * 7 + frame), disguise
        called = sightings[0].how
        assert how == called.removeprefix("unicode escapes and ") or called.startswith(how), disguise


@pytest.mark.parametrize("disguise", DISGUISES)
def test_short_texts_are_as_suspicious_as_long_ones(disguise: str) -> None:
    text = DISGUISES[disguise][1].encode()
    pieces = [text[first:end] for first in range(0, len(text), 7) for end in range(first, len(text))]
    suspicious = [piece for piece in pieces if canary_search.suspicious(piece)]

    assert suspicious
    with mock.patch.object(canary_search, "_SHORT", -1):
        assert suspicious == [piece for piece in pieces if canary_search.suspicious(piece)]


@pytest.mark.parametrize("disguise", DISGUISES)
def test_each_disguise_is_a_finding_at_somebody_elses_and_none_at_ones_own(disguise: str) -> None:
    how, text = DISGUISES[disguise]
    whole = asked().started().thinking().executing().tool_done(result=text).completed().whole()
    own = Talk().open("Bashir", user_id="user-ada").ask().started().thinking().executing().tool_done(result=text)

    assert [(rule, expected, evidence) for rule, expected, _, evidence in whole] == [
        ("ISOLATION-1", "no canary of another user", (7,))
    ]
    assert whole[0][2] in (
        f"canary of Bashir, {how}, in tool_completed",
        f"canary of Bashir, unicode escapes and {how}, in tool_completed",
    )
    assert own.completed().whole() == []


@pytest.mark.parametrize(
    ("where", "bring"),
    [
        ("a ping frame", lambda text: Talk().open().add(Other, "c1", what="ping", text=text)),
        ("a pong frame", lambda text: Talk().open().add(Other, "c1", what="pong", data=b"\xff" + text.encode())),
        ("a close frame", lambda text: Talk().open().add(Other, "c1", what="close", text=text)),
        ("part of a message", lambda text: Talk().open().add(Other, "c1", what="part", text=text)),
        ("the reason of the close", lambda text: Talk().open().close("server", 1000, reason=text)),
        ("the handshake", lambda text: Talk().open(headers=("Date: today", f"X-Note: {text}"))),
        ("the handshake", lambda text: Talk().open(subprotocol=text)),
        ("the answer to the handshake", lambda text: refused(body=text)),
        ("the answer to the handshake", lambda text: refused(headers=(f"X-Note: {text}",))),
    ],
)
def test_each_disguise_is_found_in_what_is_no_message(where: str, bring: Callable[[str], Talk]) -> None:
    for disguise, (_, text) in DISGUISES.items():
        found = [finding.actual for finding in bring(text).findings() if finding.rule == "ISOLATION-1"]

        assert [each.startswith("canary of Bashir, ") for each in found] == [True], disguise
        assert found[0].endswith(f", in {where}"), disguise


def refused(**values: Any) -> Talk:
    return Talk().close("server", None, during="handshake", user="Ada", status=403, **values)


SPLITS = {**DISGUISES}
del SPLITS["in JSON in JSON"], SPLITS["unicode escapes, deep in JSON"]
# Numbers are found in one frame only.
del SPLITS["integers"], SPLITS["integers without spaces"], SPLITS["a Node Buffer"]


@pytest.mark.parametrize("part", [0.3, 0.5, 0.7])
def test_each_disguise_is_found_when_it_is_split_over_two_frames(part: float) -> None:
    for disguise, (_, text) in SPLITS.items():
        cut = int(len(text) * part)
        talk = asked().started().event("agent_thinking", {"reasoning": text[:cut]})
        talk.event("agent_thinking", {"reasoning": text[cut:]}).executing().tool_done().completed()
        found = talk.whole()

        assert [rule for rule, _, _, _ in found] == ["ISOLATION-1"], disguise
        assert found[0][2].startswith("canary of Bashir, "), disguise
        assert set(found[0][3]) <= {5, 6}, disguise


@pytest.mark.parametrize("cut", range(len(BASHIRS) + 1))
def test_a_cut_at_any_place_is_found(cut: int) -> None:
    talk = Talk().open().frame({"type": "pong", "a": f"x {BASHIRS[:cut]}"}).frame({"b": f"{BASHIRS[cut:]} y", "c": 1})

    assert [f.actual[:16] for f in talk.findings() if f.rule == "ISOLATION-1"] == ["canary of Bashir"]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("disguise", ["plain", "base64, at 1", "hex", "unicode escapes", "zero-width spaces"])
def test_token_streams_are_read_as_one_text_beside_another_run(disguise: str, size: int) -> None:
    word = {"plain": BASHIRS, "base64, at 1": packed("x").split("=")[0]}.get(disguise, DISGUISES[disguise][1])
    word = word if disguise != "hex" else BASHIRS.encode().hex()
    talk = Talk().open().ask("q1").ask("q2", thread="t2").started().started("r2", request="q2", thread="t2")
    for at in range(0, len(word), size):
        talk.event("agent_thinking", {"reasoning": word[at : at + size]})
        talk.thinking("r2", request="q2", thread="t2")
    talk.executing().tool_done().completed()
    talk.executing("r2", request="q2", thread="t2").tool_done("r2", request="q2", thread="t2")
    (finding,) = talk.completed("r2", request="q2", thread="t2").whole()

    assert finding[0] == "ISOLATION-1"
    assert finding[2].startswith("canary of Bashir, ")
    assert all(number % 2 for number in finding[3][1:]) or len(finding[3]) <= 2


def near_misses() -> list[str]:
    marker = MARKER.decode()
    changed = [marker[:at] + "a" + marker[at + 1 :] for at in range(1, len(marker))]
    changed = [text for text in changed if text != marker]
    return [*changed, marker[:-1], marker[1:], marker[::-1], HALF.decode(), codecs.encode(marker, "rot13")]


def clean_text(dice: random.Random) -> str:
    size = dice.randrange(400)
    kind = dice.randrange(9)
    noise = dice.randbytes(size)
    return (
        base64.b64encode(noise).decode(),
        noise.hex(),
        "".join(dice.choices("abcdefghij xyzABC,.%&#;\\/\"'", k=size)),
        "".join(chr(dice.choice((dice.randrange(32, 0x2FF), dice.randrange(0x2000, 0x2070)))) for _ in range(size)),
        "".join(f"\\u{byte:04x}" for byte in noise[:99]),
        quote(noise),
        html.escape("".join(dice.choices(string.printable, k=size))),
        f"{dice.choice(near_misses())} {noise.hex()}",
        base64.b64encode(f"{dice.choice(near_misses())}.".encode() + noise).decode(),
    )[kind]


def clean_frames(number: int) -> Iterator[dict[str, Any]]:
    dice = random.Random(20260101)
    for _ in range(number):
        yield {"type": "pong", "a": [clean_text(dice), {"b": nested(clean_text(dice), dice.randrange(4))}]}


# What it runs is counted in the others, and counting takes three times as long as it does itself.
@pytest.mark.no_cover
def test_clean_frames_raise_no_alarm() -> None:
    checked = 0
    for frame in clean_frames(FRAMES):
        checked += 1
        assert canary_search.search(json.dumps(frame, ensure_ascii=checked % 2 == 0).encode()).sightings == ()
    assert checked == FRAMES


@pytest.mark.slow
def test_clean_frames_on_one_connection_raise_no_alarm() -> None:
    # Each is read together with those before it, which takes twenty times as long.
    number = FRAMES // 4
    talk = Talk().open()
    for frame in clean_frames(number):
        talk.frame(frame)
    talk.frame({"type": "pong", "a": BASHIRS})

    # The same eyes see what is there.
    assert [f.evidence for f in talk.findings() if f.rule == "ISOLATION-1"] == [(number + 3,)]


@pytest.mark.parametrize(
    "text",
    ["%" * 10**6, "&#" * 500_000, "\\" * 10**6, "&amp;" * 200_000, "%25" * 333_333, "\\u" * 500_000, "\u200b" * 333_333,
     CORE * (10**6 // len(CORE)) if (CORE := "FqaXF5d") else "", HALF.decode() * 166_666, HALF.hex() * 83_333,
     "97,106,105,113,121,118," * 40_000, "113," * 250_000, "=6" * 500_000, "eJw" * 333_333, "VWG" * 333_333,
     "eJwAAAAAAAAAAAAA," * 60_000, "aj" * 500_000, "X" * 10**6, "\uff41" * 333_333, "YWppcXl2" * 125_000,
     "\\u0025" * 166_666, MARKER.decode() * 83_333, '"' * 10**6, "\\\"" * 500_000],
)  # fmt: skip
def test_hostile_texts_take_time_in_proportion(text: str) -> None:
    data = text.encode()
    read = list(layers(data))
    inner = sum(len(piece) for layer in read for piece, _ in unpacked(layer.text, layer.text.lower()))

    assert len(read) <= MOST_LAYERS
    assert all(len(layer.text) <= len(data) for layer in read)
    assert inner <= 12 * sum(len(layer.text) for layer in read)
    assert all(sighting.owner for sighting in canary_search.search(data).sightings)
    assert len(canary_search.across(data, data)) <= 1


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("part", [0.3, 0.5, 0.7, 1])
def test_the_own_canary_is_no_accusation_whole_or_cut_off(disguise: str, part: float) -> None:
    text = DISGUISES[disguise][1][: int(len(DISGUISES[disguise][1]) * part)]
    talk = Talk().open("Bashir", user_id="user-ada").ask().started().thinking().executing().tool_done(result=text)

    assert talk.completed(result=f"{ANSWER} {BASHIRS[:16]}").whole() == []
