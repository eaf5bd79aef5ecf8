"""greenlight init: from the url of a backend to the files that judge it."""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

from rich.markup import escape

from greenlight_gate.cli.commands import SUMMARIES
from greenlight_gate.cli.doctor import doctor
from greenlight_gate.cli.init_dialogue import CAPTURE, InitDialogue
from greenlight_gate.cli.init_files import (
    FEATURES,
    GITHUB,
    GITLAB,
    OWN_FEATURE,
    github_workflow,
    gitlab_pipeline,
    own_feature,
    refuse_existing,
    write_all,
)
from greenlight_gate.cli.init_questions import PROMPT, SENDS, WAYS, Questions
from greenlight_gate.cli.init_trial import PROFILE
from greenlight_gate.cli.options import HERE, command_of, folder
from greenlight_gate.cli.views.terminal import Terminal


def add(commands: Any) -> None:
    """Adds the command."""
    init = command_of(
        commands, "init", SUMMARIES["init"],
        "greenlight init wss://chat.example/ws",
        "exit codes: 0 written, and doctor reports no problems; 1 written, and there is a problem; 3 misconfigured, "
        "nothing written; 130 interrupted, nothing written",
    )  # fmt: skip
    init.add_argument(
        "url", nargs="?", default="", metavar="URL",
        help="where the WebSocket is opened, or the origin of a chat by HTTP (https://), or `embedded` for the bundled "
        "backend (example: wss://chat.example/ws)",
    )  # fmt: skip
    init.add_argument(
        "--folder", type=folder, default=Path(), metavar="DIR",
        help="where the files are written (default: the working folder; example: --folder acceptance)",
    )  # fmt: skip
    init.add_argument(
        "--yes", action="store_true",
        help="ask nothing: take options and defaults (example: greenlight init ws://127.0.0.1:8000/ws --yes)",
    )  # fmt: skip
    init.add_argument(
        "--force", action="store_true", help="replace files that are there (example: greenlight init URL --force)"
    )
    init.add_argument(
        "--name", metavar="NAME", help="name of the target in reports (default: its host; example: --name staging)"
    )
    init.add_argument(
        "--workflow", choices=("github", "gitlab", "none"),
        help=f"write a pipeline as well: {GITHUB} or {GITLAB} (default: none; example: --workflow github)",
    )  # fmt: skip
    _wire(init.add_argument_group("messages"))
    _access(init.add_argument_group("signing in"))


def _wire(wire: Any) -> None:
    wire.add_argument(
        "--profile", metavar="NAME|FILE.toml",
        help="the wire profile (default: those that are included are tried; example: --profile agno)",
    )  # fmt: skip
    wire.add_argument(
        "--value", action="append", default=[], metavar="NAME=VALUE",
        help="a value that the profile needs: text, env:VARIABLE or file:PATH; may be repeated "
        "(example: --value workflow_id=support)",
    )  # fmt: skip
    wire.add_argument(
        "--prompt", metavar="TEXT",
        help=f"a prompt that needs a tool (default: {PROMPT}; example: --prompt 'How many orders are open?')",
    )  # fmt: skip
    wire.add_argument(
        "--contains", action="append", default=[], metavar="TEXT",
        help="what its answer contains; may be repeated (example: --contains 7)",
    )  # fmt: skip
    wire.add_argument(
        "--tool", metavar="NAME",
        help="the tool that it needs, if the backend does not show it (example: --tool order_search)",
    )  # fmt: skip
    wire.add_argument(
        "--message", metavar="JSON",
        help="where no profile fits: the message that asks, with {prompt} in it, and {thread} where it names a "
        "conversation; by HTTP it is posted to URL. What comes is recorded, and a profile "
        """drafted of it (example: --message '{"type": "ask", "text": "{prompt}"}')""",
    )  # fmt: skip
    wire.add_argument(
        "--channel", default="", metavar="PATH",
        help="with --message, by HTTP: the GET whose answer is the event stream that stays open, on which answers come "
        "(example: --channel /events)",
    )  # fmt: skip
    wire.add_argument(
        "--capture", type=Path, metavar="FILE",
        help="where no profile fits: recorded frames (.jsonl) or a browser's export (.har), to draft a profile of "
        "(example: --capture chat.har)",
    )  # fmt: skip


def _access(access: Any) -> None:
    access.add_argument(
        "--sign-in", choices=WAYS, metavar="WAY",
        help="none; secret: the suite signs tokens with the backend's secret; token: ready tokens; login: names and "
        "passwords (default: none, where that is accepted; example: --sign-in secret)",
    )  # fmt: skip
    access.add_argument(
        "--send", choices=SENDS, metavar="WAY",
        help=f"how the token is sent: {', '.join(SENDS)} (default: as the profile says, or bearer; "
        "example: --send query)",
    )  # fmt: skip
    access.add_argument(
        "--cookie-name", default="", metavar="NAME",
        help="with --send cookie: the cookie that a login sets (example: --cookie-name session)",
    )  # fmt: skip
    access.add_argument(
        "--secret-env", metavar="VARIABLE",
        help="secret: the variable that holds it (example: --secret-env CHAT_JWT_SECRET)",
    )  # fmt: skip
    access.add_argument("--audience", metavar="TEXT", help="secret: the audience of a token (example: --audience chat)")
    access.add_argument(
        "--claims", default="", metavar="JSON",
        help="""secret: what else a token says (example: --claims '{"scopes": ["chat"]}')""",
    )  # fmt: skip
    access.add_argument(
        "--user", action="append", default=[], metavar="USER=VARIABLE",
        help="token, login: a user, and the variable with the token or password; may be repeated "
        "(example: --user ada@my.org=ADA_TOKEN)",
    )  # fmt: skip
    access.add_argument(
        "--login-url", default="", metavar="PATH", help="login: where it is posted (example: --login-url /auth/token)"
    )
    access.add_argument(
        "--ca-file", default="", metavar="FILE",
        help="certificate of a private authority, as PEM (example: --ca-file ca.pem)",
    )  # fmt: skip
    access.add_argument(
        "--insecure", action="store_true",
        help="verify no certificate; nothing is APPROVED then (example: greenlight init wss://test.lan/ws --insecure)",
    )  # fmt: skip


def init(options: argparse.Namespace) -> int:
    """Writes the files and runs doctor on them. Returns doctor's exit code. Raises Misconfigured, with no file."""
    began = time.monotonic()
    console = Terminal()
    questions = Questions(console, interactive=sys.stdin.isatty() and not options.yes)
    workflow = {"github": GITHUB, "gitlab": GITLAB}
    pipelines = [workflow[options.workflow]] if options.workflow in workflow else []
    refuse_existing(options.folder, (HERE, PROFILE, OWN_FEATURE, *pipelines), force=options.force)
    known = InitDialogue(options, questions, console)
    texts = known.texts()
    if known.draft.features:
        texts[OWN_FEATURE] = own_feature(tool=known.draft.reference or bool(known.draft.tools))
    else:
        console.print(f"--  {FEATURES}/ has other features and is left as it is: no [suite] is written", markup=False)
    chosen = options.workflow or questions.choose(
        "Shall a pipeline be written?", "--workflow", ("none", "github", "gitlab"), "none"
    )
    if chosen in workflow:
        refuse_existing(options.folder, (workflow[chosen],), force=options.force)
        make = github_workflow if chosen == "github" else gitlab_pipeline
        texts[workflow[chosen]] = make(known.secrets)
    write_all(options.folder, texts)
    for name in texts:
        console.print(f"written: {escape(str(options.folder / name))}", highlight=False, soft_wrap=True)
    took = f"{questions.asked} answers, {time.monotonic() - began:.0f} s"
    if known.unfinished:
        console.print(
            f"\n{took}. Next: complete {PROFILE} ({escape(known.unfinished)}), then greenlight profile check {PROFILE} "
            f"{CAPTURE}", highlight=False, soft_wrap=True,
        )  # fmt: skip
        return 1
    console.print(f"{took}. greenlight doctor looks at it:\n", highlight=False)
    os.chdir(options.folder)
    return doctor(argparse.Namespace(environment=HERE, record=None, wait=0.0))
