"""Target files: what they say, and what a user is told who got one wrong."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from greenlight_gate.events import EventKind
from greenlight_gate.targets import settings as reader
from greenlight_gate.targets.errors import convert
from greenlight_gate.targets.model import CAPABILITIES, NEEDS, PROMPTS, Target
from greenlight_gate.targets.sections import Invalid, Persona, Prompt, Prompts
from greenlight_gate.targets.settings import (
    Misconfigured,
    environments,
    load_target,
    profile_text,
    suite_root,
    target_and_notice,
)
from greenlight_gate.trace import Expect
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.tests.hypothesis_profiles import examples

MINIMAL = """
name = "mine"
url = "ws://127.0.0.1:9000/ws"
[prompts.without_tool]
ask = "Hello?"
"""
CANARY = "canaryofadaqwertzuiop"


def write(folder: Path, text: str, name: str = "mine.toml") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def load(folder: Path, text: str, **environ: str) -> Target:
    return load_target(write(folder, text), environ)


def complaint(folder: Path, text: str, **environ: str) -> str:
    with pytest.raises(Misconfigured) as caught:
        load(folder, text, **environ)
    said = str(caught.value)
    assert "\n" not in said
    return said


# What ships --------------------------------------------------------------------------------------------------


def test_the_environments_that_ship() -> None:
    assert environments() == ["embedded", "embedded-channel", "embedded-sse", "local", "staging"]


@pytest.mark.parametrize("name", ["embedded", "embedded-channel", "embedded-sse", "local", "staging"])
def test_every_environment_that_ships_can_ask_everything(name: str) -> None:
    target = load_target(name, {})
    assert target.name == name
    lacking = {
        "embedded": ["replicas", "services"], "local": ["model"],
        "staging": ["early_stop", "replicas", "services", "model"],
        "embedded-channel": ["replicas", "services", "websocket"],
        "embedded-sse": ["ping", "replicas", "services", "websocket"],
    }  # fmt: skip
    assert [need for need in NEEDS if target.lacks(need)] == lacking[name]
    assert all(target.question(prompt, CANARY) for prompt in PROMPTS)


def test_the_embedded_backend_is_started_and_may_be_burdened() -> None:
    target = load_target("embedded", {})
    assert (target.start, target.clock, target.limits.allow_stress) == ("embedded", "same-host", True)
    assert target.origin == "http://127.0.0.1:0"
    assert target.at("ws://127.0.0.1:4711/ws").origin == "http://127.0.0.1:4711"


def test_staging_is_started_by_nobody_and_spared() -> None:
    target = load_target("staging", {})
    assert (target.start, target.clock, target.limits.allow_stress) == ("none", "ping", False)
    assert (target.url, target.origin) == ("wss://chat.staging.example/ws", "https://chat.staging.example")


@pytest.mark.parametrize("name", ["embedded", "embedded-channel", "embedded-sse", "local", "staging"])
def test_comments_in_a_shipped_file_show_keys_that_exist(name: str) -> None:
    text = (Path(reader.__file__).parent / f"{name}.toml").read_text(encoding="utf-8")
    shown = re.findall(r"^#     (\S.*)$", text, flags=re.MULTILINE)
    # The requests of a login are one example.
    for table in re.split(
        r"\n(?=\[{1,2}(?!\[|auth))",
        "\n".join(line for line in shown if re.match(r"\[|\w+ = ", line)),
    ):
        if not table.startswith("["):
            continue
        sample = tomllib.loads(table)
        if personas := sample.get("personas"):
            msgspec.convert(personas, list[Persona])
        elif gaps := sample.get("accepted_gaps"):
            assert set(gaps) <= set(NEEDS)
        else:
            if "auth" in sample:
                sample["auth"] = {"obtain": "login", "send": "bearer", **sample["auth"]}
                sample["personas"] = [{"name": "Ada", "user": "ada", "password_env": "ADA_PASSWORD"}]
            sample.setdefault("prompts", {"with_tool": {"ask": "?", "tools": ["x"]}})
            msgspec.convert({"name": "x", "url": "ws://x/ws", **sample}, Target)


def test_the_suite_root_is_the_checkout_or_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (suite_root() / "pyproject.toml").is_file()
    monkeypatch.setattr(reader, "_PACKAGE", tmp_path / "support" / "greenlight_gate")
    assert suite_root() == tmp_path
    (tmp_path / "support" / "greenlight_gate" / "_suite").mkdir(parents=True)
    assert suite_root() == tmp_path / "support" / "greenlight_gate" / "_suite"


def test_a_target_says_how_a_request_that_its_agent_refuses_ends(tmp_path: Path) -> None:
    prompt = '[prompts.failing_agent]\nask = "Give up."\n'
    assert load(tmp_path, MINIMAL + prompt).expectation("failing_agent").end == "agent_failed"
    answered = load(tmp_path, MINIMAL + prompt + 'ends = "agent_completed"\ncontains = ["sorry"]\n')
    assert answered.expectation("failing_agent").end == "agent_completed"
    assert answered.expectation("without_tool").end == "agent_completed"


# What a file may leave out, and what it may say ---------------------------------------------------------------


def test_defaults(tmp_path: Path) -> None:
    target = load(tmp_path, MINIMAL)
    assert (target.start, target.profile, target.health, target.api_version) == ("none", "agent-events", "/health", "2")
    assert (target.clock, target.warm_up_runs, target.auth.obtain, target.auth.send) == ("unknown", 0, "none", "none")
    assert [persona.name for persona in target.personas] == [
        "Ada",
        "Bashir",
        "Chiara",
        "Dayo",
        "Emeka",
        "Farah",
        "Goran",
        "Hana",
    ]
    assert target.personas[0].user == "u-ada"
    assert msgspec.to_builtins(target.thresholds) == {
        "latency_ms_avg": 100.0,
        "latency_ms_p95": None,
        "latency_ms_p99": None,
        "success_percent": 95.0,
        "memory_mb_growth": 500.0,
        "failed_runs_percent": None,
    }
    assert msgspec.to_builtins(target.budgets) == {
        "handshake_s": 5.0,
        "start_s": 5.0,
        "silence_s": 5.0,
        "tool_s": 60.0,
        "run_s": 300.0,
        "grace_s": 0.25,
        "ping_s": 2.0,
        "stop_s": 2.0,
        "tool_end_s": 2.0,
        "refusal_s": 2.0,
        "clock_skew_s": 300.0,
        "recover_s": 5.0,
        "half_open_s": 60.0,
        "token_leeway_s": None,
    }
    assert msgspec.to_builtins(target.limits) == {
        "max_connections": 50,
        "max_concurrent_runs": 0,
        "allow_stress": False,
        "accepts_message_bytes": 0,
        "max_frame_bytes": 1_048_576,
        "max_run_events": 20_000,
        "max_run_bytes": 16_777_216,
        "max_connection_frames": 50_000,
        "max_connection_bytes": 33_554_432,
    }


def test_paths_start_from_the_target_file(tmp_path: Path) -> None:
    write(tmp_path, '[without_tool]\nask = "Shared?"\n', "asks.toml")
    text = 'name = "mine"\nurl = "wss://chat.example/ws"\nprofile = "p/own.toml"\nprompts = "asks.toml"\n'
    model = '[model]\nscript = "says.toml"\nurl = "http://127.0.0.1:8790/v1"\n'
    target = load(tmp_path, text + '[tls]\nca_file = "ca.pem"\n' + model)
    assert target.model is not None
    assert target.model.script == str(tmp_path / "says.toml")
    assert target.question("without_tool", "") == "Shared?"
    assert target.tls.ca_file == str(tmp_path / "ca.pem")
    assert target.profile == str(tmp_path / "p" / "own.toml")


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert load_target(str(path), {}).name == "mine"


# The url from the environment ---------------------------------------------------------------------------------


def test_the_url_of_the_environment_wins_and_nothing_is_started() -> None:
    target = load_target("embedded", {"WEBSOCKET_TEST_URL": " wss://chat.my.org/live "})
    assert (target.url, target.start, target.model) == ("wss://chat.my.org/live", "none", None)
    assert target.resolve(target.health) == "https://chat.my.org/health"
    assert target.resolve(target.auth.login_url) == "https://chat.my.org/auth/token"


def test_what_was_said_of_our_own_backend_is_not_said_of_another_machine() -> None:
    far = load_target("embedded", {"WEBSOCKET_TEST_URL": "wss://chat.my.org/ws"})
    assert (far.clock, far.limits.allow_stress, far.limits.max_connections) == ("ping", False, 50)
    near = load_target("embedded", {"WEBSOCKET_TEST_URL": "ws://[::1]:9/ws"})
    assert (near.clock, near.limits.allow_stress) == ("same-host", True)


def test_what_a_file_allows_its_url_is_not_allowed_to_another_one(tmp_path: Path) -> None:
    for allowed, most in ((7, 7), (9_000, 50)):
        text = MINIMAL + f"[limits]\nallow_stress = true\nmax_connections = {allowed}\nmax_frame_bytes = 5000\n"
        target = load(tmp_path, text, WEBSOCKET_TEST_URL="wss://chat.my.org/ws")
        limits = target.limits
        assert (limits.allow_stress, limits.max_connections, limits.max_frame_bytes) == (False, most, 5000)


def test_a_replaced_url_is_named_with_the_permissions_that_go_with_it() -> None:
    far = {"WEBSOCKET_TEST_URL": "wss://chat.my.org/ws?key=secret"}

    assert target_and_notice("embedded", far)[1] == (
        "WEBSOCKET_TEST_URL replaces the url of embedded: wss://chat.my.org/ws is judged; permissions of the file that "
        "are taken away, since another machine is judged: allow_stress = true, max_connections = 20000 (now 50)"
    )
    assert target_and_notice("staging", far)[1] == (
        "WEBSOCKET_TEST_URL replaces the url of staging: wss://chat.my.org/ws is judged"
    )
    near = target_and_notice("embedded", {"WEBSOCKET_TEST_URL": "ws://127.0.0.1:9/ws"})[1]
    assert near == "WEBSOCKET_TEST_URL replaces the url of embedded: ws://127.0.0.1:9/ws is judged"
    assert target_and_notice("embedded", {})[1] == ""


def test_what_a_target_asks_less_of_is_named(tmp_path: Path) -> None:
    strict = load(tmp_path, MINIMAL + "[thresholds]\nlatency_ms_avg = 50\nsuccess_percent = 99\n")
    loose = load(
        tmp_path,
        MINIMAL + "[thresholds]\nlatency_ms_avg = 900\nsuccess_percent = 50\n[budgets]\nsilence_s = 30\n"
        '[[personas]]\nname = "Ada"\nuser = "u"\n',
    )
    assert not [said for said in strict.weak if "without contains" not in said]
    assert [said for said in loose.weak if "without contains" not in said] == [
        "thresholds.latency_ms_avg = 900 (usual 100)", "thresholds.success_percent = 50 (usual 95)",
        "budgets.silence_s = 30 (usual 5)", "a single user",
    ]  # fmt: skip
    assert "prompts.without_tool without contains" in loose.weak
    assert not [said for said in load_target("embedded").weak if "contains" in said or "user" in said]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://chat.my.org/ws", "write ws:// for http://"),
        ("https://chat.my.org/ws", "write wss:// for https://"),
        ("ftp://chat.my.org/ws", "its scheme is 'ftp'"),
        ("chat.my.org", "its scheme is ''"),
        ("ws://", "names no host"),
        ("ws://ho st/ws", "white space"),
        ("ws://host:99999/ws", "cannot be read"),
        ("ws://[::1/ws", "cannot be read"),
        ("ws://host:0/ws", "a real port"),
        ("ws://ada:hunter2hunter2@host/ws", "a user or a password"),
        ("ws://host/ws#x", "a fragment"),
    ],
)
def test_a_bad_url_of_the_environment(url: str, told: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        load_target("embedded", {"WEBSOCKET_TEST_URL": url})
    assert "WEBSOCKET_TEST_URL" in str(caught.value)
    assert told in str(caught.value)
    assert "hunter2" not in str(caught.value)


# Mistakes in a file -------------------------------------------------------------------------------------------

LOGIN = '[auth]\nobtain = "login"\nsend = "bearer"\n'
MISTAKES = [
    # (what is added to a valid file, the key path, what was expected, what came or is near)
    ('[auth]\nsend = "bearr"', "auth.send", '"subprotocol"', "the nearest is 'bearer'"),
    ('[auth]\nobtain = "oauth"', "auth.obtain", '"mint"', "'oauth' came"),
    ("[auth]\nobtain = 3", "auth.obtain", '"mint"', "3 came"),
    ('[auth]\nsecert_env = "X"', "auth.secert_env", "known keys", "the nearest is 'secret_env'"),
    ('[auth]\nobtain = "mint"\nsend = "bearer"', "auth.secret_env", "the signing secret", "none is named"),
    ('[auth]\nobtain = "none"\nsend = "bearer"', "auth.send", "both or neither", "send 'bearer'"),
    ('[auth]\nalgorithm = "RS256"', "auth.algorithm", '"HS512"', "the nearest is 'HS256'"),
    ("[auth]\nlifetime_s = 0", "auth.lifetime_s", "a whole number of at least 1", "0 came"),
    ("[auth]\nlifetime_s = 1.5", "auth.lifetime_s", "a whole number", "1.5 came"),
    ('[auth]\nlogin_url = "auth/token"', "auth.login_url", "a path that begins with /", "'auth/token' came"),
    (
        '[auth]\nobtain = "none"\nsend = "first_message"\nfirst_message = { a = 1 }',
        "auth.send",
        "both or neither",
        "first_message",
    ),
    ("[auth]\nfirst_message = 3", "auth.first_message", "a table", "3 came"),
    ('[auth]\nquery_name = ""', "auth.query_name", "not empty", "'' came"),
    (LOGIN, "personas[0].password_env", "this user's password", "Ada has none"),
    ('[[personas]]\nuser = "u"', "personas[0].name", "1 to 40 letters", "it is missing"),
    ('[[personas]]\nname = "a\\nb"', "personas[0].name", "1 to 40 letters", "came"),
    ('[[personas]]\nname = "Ada"\n[[personas]]\nname = "Ada"', "personas[1].name", "of its own", "personas[0]"),
    (
        '[[personas]]\nname = "Ada"\nuser = "u"\n[[personas]]\nname = "Bo"\nuser = "u"',
        "personas[1].user",
        "of its own",
        "personas[0]",
    ),
    ('[[personas]]\nname = "Ada"\nusr = "u"', "personas[0].usr", "known keys", "the nearest is 'user'"),
    ("[personas]\nname = 1", "personas", "a list", "a table came"),
    ("[prompts.with_tools]\nask = '?'", "prompts.with_tools", "known keys", "the nearest is 'with_tool'"),
    ("[prompts.with_tool]\nask = '?'", "prompts.with_tool.tools", "at least 1 tool", "0 came"),
    (
        "[prompts.parallel_tools]\nask = '?'\ntools = ['a']",
        "prompts.parallel_tools.tools",
        "at least 2 tool",
        "1 came",
    ),
    ("[prompts.helper]\ncontains = []", "prompts.helper.ask", "not empty", "it is missing"),
    ("[prompts.helper]\nask = ''", "prompts.helper.ask", "not empty", "'' came"),
    ("[prompts.helper]\nask = '?'\ncontains = 'x'", "prompts.helper.contains", "a list", "'x' came"),
    ("[prompts.helper]\nask = '?'\ncontains = ['x', 3]", "prompts.helper.contains[1]", "not empty", "3 came"),
    ("[prompts.helper]\nask = '?'\ncontains = [['x', '']]", "prompts.helper.contains[0][1]", "not empty", "''"),
    ("[prompts.helper]\nask = '?'\ncontains = [[]]", "prompts.helper.contains[0]", "not empty", "a list of 0"),
    ("[prompts.helper]\nask = '?'\nthinking = 'no'", "prompts.helper.thinking", "true or false", "'no' came"),
    ("[prompts.remember]\nask = '?'", "prompts.remember.ask", "{canary}", "it does not"),
    ("[prompts.recall]\nask = '?'\ncontains = ['x']", "prompts.recall.contains", "{canary}", "none does"),
    ("[capabilities]\nresum = true", "capabilities.resum", "known keys", "the nearest is 'resume'"),
    ("[capabilities]\nresume = 1", "capabilities.resume", "true or false", "1 came"),
    ("[accepted_gaps]\nresume = 'why'", "accepted_gaps.resume", "lacks", "set capabilities.resume = false"),
    (
        "[accepted_gaps]\nhelpr = 'why'",
        "accepted_gaps.helpr",
        "the names that staging.toml explains",
        "nearest is 'helper'",
    ),
    ("[accepted_gaps]\nhelper = ' '", "accepted_gaps.helper", "the reason", "it is empty"),
    ("[accepted_gaps]\nhelper = 'x'\nrecall = true", "accepted_gaps.recall", "a text", "true came"),
    ("[thresholds]\nsuccess_percent = 101", "thresholds.success_percent", "at most 100", "101 came"),
    ("[thresholds]\nlatency_ms_avg = -1.0", "thresholds.latency_ms_avg", "a number above 0", "-1.0 came"),
    ("[thresholds]\nlatency_ms_p95 = 'x'", "thresholds.latency_ms_p95", "a number above 0", "'x' came"),
    ("[thresholds]\nlatency_ms = 3", "thresholds.latency_ms", "known keys", "nearest is 'latency_ms_"),
    ("[budgets]\nrun_s = nan", "budgets.run_s", "a number above 0", "nan came"),
    ("[budgets]\nrun_s = inf", "budgets.run_s", "at most 86400", "inf came"),
    ("[budgets]\nstart_s = 0", "budgets.start_s", "a number above 0", "0 came"),
    ("[budgets]\nstart_s = 1979-05-27", "budgets.start_s", "a number above 0", "1979-05-27 came"),
    (f"[budgets]\nstart_s = {10**400}", "budgets.start_s", "a number above 0", "more than 64 bits came"),
    ("[budgets]\nstart = 3", "budgets.start", "known keys", "the nearest is 'start_s'"),
    ("[limits]\nmax_connections = 0", "limits.max_connections", "of at least 1", "0 came"),
    ("[limits]\nmax_frame_bytes = 10", "limits.max_frame_bytes", "of at least 1024", "10 came"),
    ("[tls]\nverify = false", "tls.verify", "known keys", "known are ca_file, insecure_skip_verification"),
    (
        '[tls]\nca_file = "a"\ninsecure_skip_verification = true',
        "tls.insecure_skip_verification",
        "false where ca_file",
        "it is true",
    ),
    ("[tls]\nca_file = 1", "tls.ca_file", "a text", "1 came"),
    ('[model]\nscript = "reference"', "model.url", "where the model is served", "start is 'none'"),
    ('[model]\nscript = "a"\nurl = "ws://b"', "model.url", "an http(s) URL", "'ws://b' came"),
    ('[model]\nurl = "http://b"', "model.script", "", "it is missing"),
    ("[colour]", "colour", "known keys", "known are name, url"),
]


@pytest.mark.parametrize(("added", "key", "expected", "came"), MISTAKES)
def test_a_mistake_is_told_with_file_key_expectation_and_next_step(
    tmp_path: Path, added: str, key: str, expected: str, came: str
) -> None:
    said = complaint(tmp_path, MINIMAL + added + "\n")
    _file, found, rest = said.partition("mine.toml: ")
    assert found, said
    assert rest.startswith(f"{key}: expected "), said
    told_expected, _, told_came = rest.partition(", but ")
    assert expected in told_expected, said
    assert came in told_came, said


ROOT_MISTAKES = [
    ('url = "ws://h/ws"\nprompts = "reference"', "name", "1 to 40 letters", "missing"),
    ('name = "x"\nprompts = "reference"', "url", "a text", "missing"),
    ('name = "x"\nurl = "ws://h/ws"', "prompts", "a table", "missing"),
    ('name = "x"\nurl = "http://h/ws"\n[prompts.helper]\nask="?"', "url", "a WebSocket URL", "write ws://"),
    ('name = "x"\nurl = "ws://h:0/ws"\n[prompts.helper]\nask="?"', "url", "a real port", "it is 0"),
    ('name = "x"\nurl = 5\n[prompts.helper]\nask="?"', "url", "a text", "5 came"),
    ('name = "x"\nurl = "ws://h/ws"\n[prompts]', "prompts", "at least one prompt", "none"),
    (
        'name = "x"\nurl = "ws://h/ws"\n[prompts.approval]\nask = "Send it"\ntools = ["email"]',
        "prompts",
        "at least one prompt that can be asked by itself",
        "there is only approval",
    ),
    ('name = "x"\nurl = "ws://h/ws"\nstart = "docker"\nprompts = "reference"', "start", '"embedded"', "'docker'"),
    ('name = "x"\nurl = "ws://h/ws"\nhealth = "x"\nprompts = "reference"', "health", "begins with /", "'x' came"),
    ('name = "x"\nurl = "ws://h/ws"\napi_version = 2\nprompts = "reference"', "api_version", "a major", "2 came"),
    ('name = "x"\nurl = "ws://h/ws"\napi_version = "2.1"\nprompts = "reference"', "api_version", "a major", "'2.1'"),
    ('name = "x"\nurl = "ws://h/ws"\nclock = "ntp"\nprompts = "reference"', "clock", '"same-host"', "'ntp' came"),
    ('name = "x"\nurl = "ws://h/ws"\nwarm_up_runs = -1\nprompts = "reference"', "warm_up_runs", "at least 0", "-1"),
    ('name = "x"\nurl = "ws://h/ws"\npersonas = []\nprompts = "reference"', "personas", "not empty", "a list of 0"),
    (
        'name = "x"\nurl = "ws://h/ws"\nclock = "ping"\nprompts = "reference"\n[capabilities]\nping = false',
        "clock",
        '"unknown" where',
        'it is "ping"',
    ),
]


@pytest.mark.parametrize(("text", "key", "expected", "came"), ROOT_MISTAKES)
def test_a_mistake_at_the_root(tmp_path: Path, text: str, key: str, expected: str, came: str) -> None:
    said = complaint(tmp_path, text)
    assert f"mine.toml: {key}: expected " in said
    assert expected in said
    assert came in said.partition(", but ")[2]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('name = "x"\nurl = \n', "line 2, column 7"),
        ('name = "x', "line 1, column 10"),
        ("[auth\n", "line 1, column 6"),
        ('name = "x"\nname = "y"\n', "line 2, column"),
        ("a = 1\n[a.b]\n", "line 2, column"),
    ],
)
def test_a_syntax_error_is_told_with_line_and_column(tmp_path: Path, text: str, place: str) -> None:
    said = complaint(tmp_path, text)
    assert f"mine.toml: {place}" in said
    assert "expected TOML" in said


def test_a_key_with_a_line_break_makes_no_second_line(tmp_path: Path) -> None:
    assert "mine.toml: limits.a b: expected" in complaint(tmp_path, MINIMAL + '[limits]\n"a\\nb" = 1')


def test_files_that_are_no_text_or_too_large_or_too_deep(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b'name = "x"\nurl = "\xff"\n')
    with pytest.raises(Misconfigured, match=r"mine.toml: line 2: expected UTF-8"):
        load_target(str(tmp_path / "mine.toml"), {})
    assert "expected a file of at most 1048576 bytes" in complaint(tmp_path, "#" * 1_100_000)
    assert "nested too deeply" in complaint(tmp_path, "x = " + "[" * 20_000)
    assert "too long" in complaint(tmp_path, "x = " + "9" * 5_000)
    with pytest.raises(Misconfigured, match="is a folder"):
        load_target(str(tmp_path) + "/", {})


def test_a_mistake_in_a_shared_set_of_prompts_names_that_file(tmp_path: Path) -> None:
    write(tmp_path, "[helper]\naks = '?'\n", "asks.toml")
    said = complaint(tmp_path, 'name = "x"\nurl = "ws://h/ws"\nprompts = "asks.toml"')
    assert "asks.toml: 2 mistakes: helper.aks: expected " in said
    said = complaint(tmp_path, 'name = "x"\nurl = "ws://h/ws"\nprompts = "referense"')
    assert "mine.toml: prompts: set of prompts 'referense' is unknown: expected one of reference" in said


def test_a_secret_in_place_of_a_variable_name_is_not_repeated(tmp_path: Path) -> None:
    said = complaint(tmp_path, MINIMAL + '[auth]\nsecret_env = "hunter2-is-secret"')
    assert "auth.secret_env: expected the name of an environment variable" in said
    assert "hunter2" not in said


def test_an_unknown_environment_lists_what_there_is_the_nearest_first() -> None:
    with pytest.raises(Misconfigured, match=r"'stagging' is unknown: expected one of staging, .*local"):
        load_target("stagging", {})
    with pytest.raises(Misconfigured, match=r"nowhere/stagin.toml does not exist; known: staging"):
        load_target("nowhere/stagin.toml", {})
    with pytest.raises(Misconfigured, match="expected one of"):
        load_target("", {})


def test_a_profile_by_name_and_by_path(tmp_path: Path) -> None:
    name, text = profile_text("agent-events", tmp_path)
    assert name == "agent-events"
    assert tomllib.loads(text)["name"] == "agent-events"
    write(tmp_path, "# mine", "own.toml")
    assert profile_text("own.toml", tmp_path) == ("own", "# mine")
    assert profile_text(str(tmp_path / "own.toml"), Path("elsewhere")) == ("own", "# mine")
    with pytest.raises(Misconfigured, match=r"profile 'agent-event' is unknown: expected one of agent-events"):
        profile_text("agent-event", tmp_path)


# What follows from a target -----------------------------------------------------------------------------------


def test_expectations_of_the_reference_prompts() -> None:
    target = load_target("embedded", {})
    assert target.expectation("failing_tool") == Expect(
        prompt="What is the weather on Mars?",
        thinking=True,
        tools=1,
        failing_tool=True,
        contains=(("could not", "unavailable", "failed"),),
    )
    assert target.expectation("two_tools").contains == (("391",), ("lunch",))
    assert target.expectation("parallel_tools").parallel
    assert target.expectation("parallel_tools").tools == 2
    assert target.expectation("long_running").paced
    failing = [name for name in PROMPTS if target.expectation(name, CANARY).end is EventKind.FAILED]
    assert failing == ["failing_agent", "moderated"]
    for name in ("parallel", "paced", "failing_tool"):
        assert sum(getattr(target.expectation(prompt, CANARY), name) for prompt in PROMPTS) == 1


def test_the_canary_is_filled_in_on_both_sides() -> None:
    target = load_target("embedded", {})
    assert target.question("remember", CANARY) == f"Please remember that my secret word is {CANARY}."
    assert target.expectation("recall", CANARY).contains == ((CANARY,),)
    with pytest.raises(ValueError, match="canary"):
        target.expectation("recall")


def test_what_is_asked_for_and_is_not_there(tmp_path: Path) -> None:
    target = load(tmp_path, MINIMAL)
    with pytest.raises(ValueError, match=r"no \[prompts.helper\]"):
        target.question("helper", "")
    with pytest.raises(ValueError, match="nearest is 'helper'"):
        target.expectation("helpr")
    with pytest.raises(ValueError, match="nearest is 'resume'"):
        target.lacks("resumed")
    with pytest.raises(ValueError, match="nearest is 'Ada'"):
        target.persona("Adda")
    assert target.persona("Hana").user == "u-hana"


def test_what_a_target_lacks_and_who_answers_for_it(tmp_path: Path) -> None:
    gaps = '[capabilities]\nsub_agents = false\n[accepted_gaps]\nauthentication = "an intranet demo"\n'
    target = load(tmp_path, MINIMAL + gaps)
    assert target.lacks("without_tool") is None
    assert target.lacks("with_tool") == "mine has no [prompts.with_tool]"
    assert target.lacks("sub_agents") == "mine declares capabilities.sub_agents = false"
    assert target.lacks("server_clock") == 'mine declares clock = "unknown"'
    assert target.lacks("isolation") is None
    assert target.lacks("model") == "mine has no [model]: no scripted model that fails when it is asked to"
    assert load_target("embedded", {}).lacks("model") is None
    assert target.lacks("authentication") == (
        'mine asks nobody who they are (auth.obtain = "none"); accepted: an intranet demo'
    )
    alone = load(tmp_path, MINIMAL + '[[personas]]\nname = "Ada"')
    assert alone.lacks("isolation") == "mine has a single persona"


NO_TOOLS = """
[prompts.with_tool]
ask = "Hello again?"
[accepted_gaps]
tool_executing = "functions run in the user's app"
tool_completed = "the same"
"""


def test_an_agent_that_runs_no_tools_is_asked_without_any(tmp_path: Path) -> None:
    target = load(tmp_path, MINIMAL + NO_TOOLS)
    expect = target.expectation("with_tool")
    assert (expect.tools, expect.hidden) == (0, ("tool_executing", "tool_completed"))
    assert target.lacks("with_tool") is None


def test_one_of_two_gaps_is_not_enough_to_be_asked_without_tools(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"prompts\.with_tool\.tools: expected at least 1 tool"):
        load(tmp_path, MINIMAL + NO_TOOLS.replace('tool_completed = "the same"', ""))


def test_isolation_is_accepted_where_no_answer_could_show_a_secret(tmp_path: Path) -> None:
    gaps = '[accepted_gaps]\nisolation = "a demo without a memory"\n'
    target = load(tmp_path, MINIMAL + gaps)
    assert (target.secret_prompt, target.accepted_gaps) == ("", {"isolation": "a demo without a memory"})
    whole = load_target("embedded", {})
    assert whole.secret_prompt == "recall"
    with pytest.raises(ValueError, match=r"accepted_gaps.isolation"):
        msgspec.structs.replace(whole, accepted_gaps={"isolation": "why"})


def test_the_prompt_that_shows_a_secret(tmp_path: Path) -> None:
    secret = '\n[prompts.with_tool]\nask = "Say {canary}"\ncontains = ["{canary}"]\ntools = ["echo"]\n'
    assert load(tmp_path, MINIMAL + secret).secret_prompt == "with_tool"


def test_a_helper_needs_sub_agents() -> None:
    target = load_target("embedded", {})
    without = msgspec.structs.replace(
        target, capabilities=msgspec.structs.replace(target.capabilities, sub_agents=False)
    )
    assert without.lacks("helper") == "embedded declares capabilities.sub_agents = false"


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_every_capability_can_be_lacked(capability: str) -> None:
    target = load_target("embedded", {})
    lesser = msgspec.structs.replace(target.capabilities, **{capability: False})
    assert msgspec.structs.replace(target, capabilities=lesser).lacks(capability)


def test_users_are_made_up_only_where_nobody_needs_an_account(tmp_path: Path) -> None:
    assert [user.name for user in load_target("embedded", {}).users(9)][7:] == ["Hana", "User 9"]
    text = MINIMAL + LOGIN + '[[personas]]\nname = "Ada"\nuser = "ada"\npassword_env = "ADA_PASSWORD"'
    assert [user.name for user in load(tmp_path, text).users(9)] == ["Ada"]


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("ws://127.0.0.1/ws", True),
        ("ws://[::1]:1/ws", True),
        ("ws://localhost:1/ws", True),
        ("ws://10.0.0.1/ws", False),
        ("ws://localhost.example/ws", False),
    ],
)
def test_loopback(url: str, loopback: bool) -> None:
    prompts = Prompts(helper=Prompt(ask="?"))
    assert Target(name="x", url=url, prompts=prompts).is_loopback is loopback


def test_a_target_made_by_hand_is_checked_as_well() -> None:
    with pytest.raises(Invalid, match="expected a WebSocket URL"):
        Target(name="x", url="http://x", prompts=Prompts(helper=Prompt(ask="?")))


# Whatever stands in a file, the answer is a target or one line -------------------------------------------------

KEYS = st.sampled_from(
    [*Target.__struct_fields__, *PROMPTS, *CAPABILITIES, "ask", "contains", "tools", "obtain", "send", "x` - at `$.url"]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("reference") | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def told(attempt: Callable[[], Target]) -> str | None:
    try:
        assert isinstance(attempt(), Target)
    except Misconfigured as error:
        return str(error)
    return None


@settings(max_examples=examples(300), suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_any_table_is_a_target_or_a_line(table: dict[str, Any]) -> None:
    base = {"name": "x", "url": "ws://h/ws", "prompts": {"helper": {"ask": "?"}}}
    said = told(lambda: convert({**base, **table}, Target, "any.toml"))
    assert said is None or (said.startswith("any.toml: ") and ": expected " in said and "\n" not in said)


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 8000), junk=st.text(max_size=3), cut=st.integers(0, 40))
def test_any_damage_to_a_file_is_read_or_told(tmp_path: Path, position: int, junk: str, cut: int) -> None:
    text = (Path(reader.__file__).parent / "staging.toml").read_text(encoding="utf-8")
    damaged = text[:position] + junk + text[position + cut :]
    path = tmp_path / "damaged.toml"
    path.write_bytes(damaged.encode("utf-8", "surrogatepass"))
    said = told(lambda: load_target(str(path), {}))
    assert said is None or ("damaged.toml" in said and "\n" not in said)
