"""The [auth] table of a target file: where credentials come from, and how they are shown."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from greenlight_gate.targets.sections import Invalid, Text, Variable
from greenlight_gate.wire.http_call import HttpCall

# What the requests of a login may be filled in with from the start.
_AT_LOGIN = frozenset(
    {"username", "password", "user", "user_name", "uuid", "now", "now_s", "now_ms", "counter"}
)  # fmt: skip


class Auth(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[auth]: where a credential comes from (`obtain`) and how it is shown to the backend (`send`).

    obtain: `mint` signs a JWT with the secret in `secret_env`; `login` posts each persona's name and password to
    `login_url`, whose answer holds `access_token`, or sets the cookie that is sent; or it makes the requests of `login`
    in turn, filled in with {username}, {password} and what earlier ones captured (`token`, and maybe `expires_in`);
    `refresh` renews a login. Both are signed out at `logout_url`, or by the
    request `logout`. Where logins have a `secret_env` too (a secret, or a private key as PEM), what could be forged
    with it is tried: expired tokens, and those for another audience. `token` takes a ready token from each persona's
    `token_env`, or one for all users from `token_env`; `hook` asks a package of your own (entry point group
    `greenlight.credentials`) for the headers of the upgrade; `none` shows nothing. `claims` are added to a minted
    token, with {user} filled in.
    send: `bearer` header, `subprotocol` (`jwt-auth` and `jwt.<base64url>`), `query` (`query_name`), `first_message`
    (the table of that name is the first frame, with {token} filled in wherever it stands), `cookie` (`cookie_name`,
    beside the other cookies of the login), `profile` (the profile says where {token} belongs), `headers` (of a hook),
    or `none`.
    """

    obtain: Literal["mint", "login", "token", "hook", "none"] = "none"
    send: Literal["bearer", "subprotocol", "query", "first_message", "cookie", "profile", "headers", "none"] = "none"
    secret_env: Variable = ""
    hook: str = ""
    claims: dict[str, Any] = {}
    audience: str = ""
    algorithm: Literal["HS256", "HS384", "HS512", "EdDSA"] = "HS256"
    lifetime_s: Annotated[int, Meta(ge=1, le=2_592_000)] = 3600
    login_url: Annotated[
        str, Meta(pattern="^(/|https?://)", description="a path that begins with / or an http(s) URL")
    ] = "/auth/token"
    login_form: Literal["form", "json"] = "form"
    login: tuple[HttpCall, ...] = ()
    refresh: HttpCall | None = None
    logout_url: Annotated[
        str, Meta(pattern="^(/|https?://)", description="a path that begins with / or an http(s) URL")
    ] = "/auth/logout"
    logout: HttpCall | None = None
    token_env: Variable = ""
    query_name: Text = "token"
    cookie_name: Annotated[str, Meta(pattern=r"^[!#-+\-.0-9A-Z^-z|~]*$", description="the name of a cookie")] = ""
    first_message: dict[str, Any] = field(default_factory=lambda: {"type": "authenticate", "token": "{token}"})

    def __post_init__(self) -> None:
        """Refuse combinations with which no user could connect."""
        if (self.obtain == "none") != (self.send == "none"):
            raise Invalid(
                "send",
                'both or neither of obtain and send to be "none"',
                f"obtain is {self.obtain!r}, send {self.send!r}",
            )
        if len({self.obtain == "hook", self.send == "headers", bool(self.hook)}) > 1:
            raise Invalid(
                "hook", 'obtain = "hook", send = "headers" and the name of a hook together', f"it is {self.hook!r}"
            )
        if self.obtain == "mint" and not self.secret_env:
            raise Invalid(
                "secret_env", "the variable that holds the signing secret (obtain is 'mint')", "none is named"
            )
        if self.send == "first_message" and "{token}" not in str(self.first_message):
            raise Invalid("first_message", "a table with {token} in one of its values", "there is none")
        if (self.send == "cookie") != bool(self.cookie_name):
            raise Invalid("cookie_name", 'both send = "cookie" and the name of the cookie, or neither', "one came")
        self._check_calls()

    @property
    def login_calls(self) -> tuple[HttpCall, ...]:
        """The requests by which a user signs in."""
        if self.login:
            return self.login
        fields = {"username": "{username}", "password": "{password}"}
        body: dict[str, Any] = {"form": fields} if self.login_form == "form" else {"json": fields}
        if self.send == "cookie":
            # Forms of a page are answered with the next page, or with the way to it.
            return (HttpCall(path=self.login_url, status=(200, 201, 204, 302, 303), **body),)
        return (HttpCall(path=self.login_url, status=(200, 201), capture={"token": "access_token"}, **body),)

    def _check_calls(self) -> None:
        """Refuse requests that cannot be filled in, or do not give a token."""
        if self.obtain != "login" and (self.login or self.refresh or self.logout):
            raise Invalid("obtain", '"login" where there are requests for it', f"it is {self.obtain!r}")
        known = set(_AT_LOGIN)
        calls = [(f"login[{index}]", call) for index, call in enumerate(self.login)]
        for where, call in (*calls, ("refresh", self.refresh), ("logout", self.logout)):
            if call is None:
                continue
            if not call.path.startswith(("/", "http://", "https://")):
                raise Invalid(f"{where}.path", "a path that begins with /, or a full URL", f"it is {call.path!r}")
            if call.json is not None and call.form is not None:
                raise Invalid(f"{where}.form", "either json or form", "both came")
            more = {"token"} if where in ("refresh", "logout") else set()
            unknown = sorted(set(call.names) - known - more)
            if unknown:
                names = ", ".join(sorted(known | more))
                raise Invalid(where, f"values that are known then ({names})", f"it holds {{{unknown[0]}}}")
            taken = sorted(set(call.capture) & _AT_LOGIN)
            if taken:
                raise Invalid(
                    f"{where}.capture", "names that mean nothing else", f"{taken[0]} is one of the login's own"
                )
            known |= set(call.capture)
        if self.login and self.send != "cookie" and not any("token" in call.capture for call in self.login):
            raise Invalid("login", 'a request that captures the "token"', "there is none")
