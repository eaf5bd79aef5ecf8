"""A Jupyter server with several users: each signs in with name and password, and has the notebooks of their folder."""

import os
from pathlib import Path
from typing import Any

from jupyter_server.auth import Authorizer, User
from jupyter_server.auth.identity import PasswordIdentityProvider

c: Any = get_config()  # type: ignore[name-defined]  # noqa: F821


class Passwords(PasswordIdentityProvider):
    """The server's own sign-in, by a form and a signed cookie, with names."""

    def process_login_form(self, handler: Any) -> User | None:
        if handler.get_argument("password", default="") != os.environ["LIVE_PASSWORD"]:
            return None
        user = User(handler.get_argument("username"))
        Path(handler.serverapp.root_dir, user.username).mkdir(exist_ok=True)
        return user


class OwnNotebooks(Authorizer):
    """A notebook, and its kernel, belong to the user in whose folder it lies."""

    async def is_authorized(self, handler: Any, user: User, action: str, resource: str) -> bool:
        asked = {*handler.path_kwargs.values()}
        if resource == "sessions" and handler.request.method == "POST":
            return str(handler.get_json_body()["path"]).startswith(f"{user.username}/")
        for each in await handler.session_manager.list_sessions():
            if asked & {each["id"], each["kernel"]["id"]}:
                return bool(each["path"].startswith(f"{user.username}/"))
        return True


c.ServerApp.identity_provider_class = Passwords
c.ServerApp.authorizer_class = OwnNotebooks
# A client that is no browser: its cookie alone decides.
c.ServerApp.disable_check_xsrf = True
c.ServerApp.tornado_settings = {"ws_ping_interval": 3000, "ws_ping_timeout": 9000}
c.PasswordIdentityProvider.hashed_password = "not used"
c.PasswordIdentityProvider.token = ""
c.PasswordIdentityProvider.cookie_name = "jupyter-user"
