"""The settings of the backend from its environment, checked once at the start."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from greenlight_gate.backend.variation import Variation

API_VERSION = "2.1.0"
SERVICE_NAME = "reference-chat"
AUDIENCE = "chat"
# The length of a SHA-256 digest (RFC 7518 section 3.2).
LEAST_SECRET_CHARACTERS = 32


class SettingsError(Exception):
    """An invalid value in the environment or on the command line; the message is one line."""


@dataclass(frozen=True)
class Settings:
    """The settings of one backend process.

    Units stand last in each name. `users` maps a name, which is also the user id, to its password. `max_open_runs`
    limits the open runs of one connection; further requests get RATE_LIMITED. Without `resume`, no conversation can be
    restored: missed events are lost, and the backend reports it. With `runs_outlive_tokens`, a connection whose token
    expires during an answer ends after it; with `runs_end_with_connection`, a run is stopped when the connection of its
    request ends. `variation`: the variant of healthy behaviour.
    `replica` names this process among those that share `database_url` (SQLAlchemy's) and `redis_url`; `auth_url` is the
    origin of the service that signs the tokens. If these are empty, one process does everything.
    `websockets` names the package that reads and writes the frames. `model_url`: the base URL of the model that answers
    (Chat Completions), "" for answers without one; `model_answers`: `all` questions, or those that are `unknown` to the
    backend's own plan. A model that is silent for longer than `model_silence_s` has failed.
    """

    jwt_secret: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    pace_s: float = 0.002
    slow_tool_s: float = 0.5
    heartbeat_s: float = 20.0
    max_message_bytes: int = 65_536
    token_ttl_s: int = 3_600
    max_open_runs: int = 100
    resume: bool = True
    runs_outlive_tokens: bool = False
    runs_end_with_connection: bool = False
    replica: str = ""
    database_url: str = field(default="", repr=False)
    redis_url: str = field(default="", repr=False)
    auth_url: str = ""
    websockets: str = "wsproto"
    model_url: str = ""
    model_answers: str = "all"
    model_silence_s: float = 3.0
    variation: Variation = field(default_factory=Variation)


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Read the `CHAT_*` variables.

    Raises SettingsError when the secret is too short, a number is not one, a word is none of those that are allowed, or
    `CHAT_USERS` is not `name:password,name:password`.
    """
    secret = environment.get("CHAT_JWT_SECRET", "")
    if secret and len(secret) < LEAST_SECRET_CHARACTERS:
        raise SettingsError(
            f"CHAT_JWT_SECRET must have {LEAST_SECRET_CHARACTERS} characters or more, not {len(secret)}: a shorter one "
            "can be guessed from a token"
        )
    defaults = Settings(jwt_secret=secret) if secret else Settings()
    settings = Settings(
        jwt_secret=defaults.jwt_secret,
        users=_users(environment.get("CHAT_USERS", "")),
        pace_s=_number(environment, "CHAT_PACE_MS", defaults.pace_s * 1e3) / 1e3,
        slow_tool_s=_number(environment, "CHAT_SLOW_TOOL_MS", defaults.slow_tool_s * 1e3) / 1e3,
        heartbeat_s=_number(environment, "CHAT_HEARTBEAT_S", defaults.heartbeat_s),
        resume=_one_of(environment, "CHAT_RESUME", ("on", "off")) == "on",
        runs_outlive_tokens=_one_of(environment, "CHAT_RUNS_OUTLIVE_TOKENS", ("off", "on")) == "on",
        runs_end_with_connection=_one_of(environment, "CHAT_RUNS_END_WITH_CONNECTION", ("off", "on")) == "on",
        token_ttl_s=int(_number(environment, "CHAT_TOKEN_TTL_S", defaults.token_ttl_s)),
        replica=environment.get("CHAT_REPLICA", ""),
        database_url=environment.get("CHAT_DATABASE_URL", ""),
        redis_url=environment.get("CHAT_REDIS_URL", ""),
        auth_url=environment.get("CHAT_AUTH_URL", "").rstrip("/"),
        websockets=_one_of(environment, "CHAT_WEBSOCKETS", ("wsproto", "websockets")),
        model_url=_http_url(environment, "CHAT_MODEL_URL"),
        model_answers=_one_of(environment, "CHAT_MODEL_ANSWERS", ("all", "unknown")),
        model_silence_s=_number(environment, "CHAT_MODEL_SILENCE_S", defaults.model_silence_s),
    )
    return _varied(settings, environment.get("CHAT_VARY", ""))


def _varied(settings: Settings, seed: str) -> Settings:
    if not seed:
        return settings
    if not (seed.isascii() and seed.isdigit() and len(seed) < 10):
        raise SettingsError(f"CHAT_VARY must be a whole number below 1,000,000,000, not {seed!r}")
    variation = Variation.drawn(int(seed))
    return replace(settings, variation=variation, heartbeat_s=variation.heartbeat_s or settings.heartbeat_s)


def _users(text: str) -> dict[str, str]:
    users: dict[str, str] = {}
    for position, entry in enumerate(filter(None, (part.strip() for part in text.split(","))), start=1):
        name, colon, password = entry.partition(":")
        if not (name and colon and password):
            # The entry itself is not printed: it may be a password without its name.
            raise SettingsError(f"CHAT_USERS must be name:password,name:password; entry {position} is not")
        users[name] = password
    return users


def _http_url(environment: Mapping[str, str], name: str) -> str:
    text = environment.get(name, "")
    if text and not text.startswith(("http://", "https://")):
        raise SettingsError(f"{name} must be a URL that begins with http:// or https://, not {text!r}")
    return text


def _one_of(environment: Mapping[str, str], name: str, choices: tuple[str, str]) -> str:
    """The choice that a variable names, the first one if it is empty."""
    text = environment.get(name, "") or choices[0]
    if text not in choices:
        raise SettingsError(f"{name} must be {' or '.join(choices)}, not {text!r}")
    return text


def _number(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise SettingsError(f"{name} must be a number, not {text!r}") from None
    if not 0 <= value < 1e7:
        raise SettingsError(f"{name} must be between 0 and 10,000,000, not {text!r}")
    return value
