"""From the options of `greenlight init`, what a server shows and the answers of a user to the texts of the files."""

import argparse
import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.markup import escape

from greenlight_gate.cli.init_by_http import origin_and_path, recognised, recorded
from greenlight_gate.cli.init_files import FEATURES, OWN_FEATURE
from greenlight_gate.cli.init_questions import ANSWER, PROMPT, SECRET_VARIABLE, Questions, message_of, sign_in_of
from greenlight_gate.cli.init_recognition import included, opened_as, recognise, without_path_of
from greenlight_gate.cli.init_target import EMBEDDED, SignIn, TargetDraft, as_toml, name_of, target_text
from greenlight_gate.cli.init_trial import (
    PATIENT,
    PROFILE,
    SHORT,
    UNKNOWN,
    Trial,
    concluded,
    recordings,
    tried,
    unknown_profile,
)
from greenlight_gate.cli.options import HERE
from greenlight_gate.cli.recordings import captured
from greenlight_gate.events import FIVE
from greenlight_gate.findings import numbered
from greenlight_gate.session.compatibility import shows_token
from greenlight_gate.targets.model import SCHEMES, check_url
from greenlight_gate.targets.sections import Invalid
from greenlight_gate.targets.settings import Misconfigured, profile_text
from greenlight_gate.wire.by_http import content_type
from greenlight_gate.wire.capture import CaptureError
from greenlight_gate.wire.drafting import draft as drafted
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.spec import ProfileError, Spec

CAPTURE = "greenlight-capture.jsonl"
_MARK = "My reference: {canary}."


class InitDialogue:
    """From the options and answers to the texts of the files. `unfinished`: why the drafted profile cannot be used."""

    def __init__(self, options: argparse.Namespace, questions: Questions, console: Console) -> None:
        self.options = options
        self.questions = questions
        self.console = console
        self.unfinished = ""
        self.sign_in: SignIn | None = None
        self.values = dict(_value(text, options.folder) for text in options.value)
        self.secrets: tuple[str, ...] = ()
        # What another suite has there is not to run here.
        others = {*(options.folder / FEATURES).rglob("*.feature")} - {options.folder / OWN_FEATURE}
        self.features = "" if others else f"{FEATURES}/"
        self.draft: TargetDraft

    def texts(self) -> dict[str, str]:
        """The files by name. Raises Misconfigured."""
        options = self.options
        url = options.url or self.questions.ask(
            "Url of the backend (wss:// or https://), or `embedded` for the bundled backend?", "URL"
        )
        if url == EMBEDDED:
            sign_in = SignIn("mint", "bearer", secret_env=SECRET_VARIABLE, audience="chat")
            self.draft = TargetDraft(
                url, options.name or EMBEDDED, reference=True, health="/health", api_version="2", clock="same-host",
                sign_in=sign_in, mark=_MARK, budgets={"half_open_s": 10, "token_leeway_s": 0},
                features=self.features,
            )  # fmt: skip
            return {HERE: target_text(self.draft)}
        return self._of_server(self._url(url))

    def _url(self, url: str) -> str:
        scheme, mark, rest = url.partition("://")
        wanted = scheme.lower()
        if not mark or wanted not in SCHEMES:
            raise Misconfigured(
                f"URL: expected one such as wss://chat.example/ws or https://chat.example, or `{EMBEDDED}`, but it "
                "does not begin with wss:// or https://"
            )
        url = f"{wanted}://{rest}"
        try:
            check_url(url)
        except Invalid as error:
            raise Misconfigured(f"URL: expected {error.expected}, or `{EMBEDDED}`, but {error.came}") from None
        if urlsplit(url).query:
            self._say(
                "!!", "what stands behind ? in the url is written to the file as it is: a token there is better left "
                "out, and sent by --send query"
            )  # fmt: skip
        return url

    def _of_server(self, url: str) -> dict[str, str]:
        options, questions = self.options, self.questions
        draft = TargetDraft(
            url, options.name or name_of(url), ca_file=from_folder(options.ca_file, options.folder),
            insecure=options.insecure, mark=_MARK,
            values=self.values, tools=(options.tool,) if options.tool else (),
        )  # fmt: skip
        found = asyncio.run(recognise(draft, options.folder))
        self._say("ok", f"a server listens at {url.partition('?')[0]}")
        for name in found.profiles:
            self._say("ok", f"it looks like {name}")
        draft = replace(draft, health=found.health, api_version=found.api_version, reference=found.is_reference)
        if options.sign_in is not None:
            self._sign_in(in_profile=False, guess=None)
        if not found.is_reference:
            ask = options.prompt or questions.ask("A prompt for which the backend uses a tool?", "--prompt", PROMPT)
            usual = ANSWER if ask == PROMPT else None
            contains = tuple(options.contains) or (
                questions.ask("What does the right answer contain?", "--contains", usual),
            )
            draft = replace(draft, ask=ask, contains=contains, mark="" if "{canary}" in ask else _MARK)
        by_http = SCHEMES[urlsplit(url).scheme]
        if by_http and options.message and not options.profile:
            return self._posted(replace(draft, reference=False))
        trial = self._best(draft, found.profiles)
        if trial is not None and trial.fits:
            return {HERE: self._finished(trial)}
        draft = replace(draft, reference=False)
        return self._posted(draft) if by_http and not options.capture else self._drafted(draft, trial)

    # Trying profiles -----------------------------------------------------------------------------------------

    def _best(self, draft: TargetDraft, recognised: Mapping[str, Mapping[str, str]]) -> Trial | None:
        """The trial of the profile that reads most; None where no connection was made with any."""
        best: Trial | None = None
        failures = []
        for name, spec, url in self._candidates(draft, recognised):
            candidate = replace(draft, profile=name, url=url, values=self._values(spec, recognised.get(name, {})))
            trial = self._tried(candidate, spec, PATIENT if name in recognised or self.options.profile else SHORT)
            if trial.fits:
                said = ", ".join(dict.fromkeys(str(kind) for kind in trial.kinds if kind in FIVE))
                self._say("ok", f"the profile {name} reads it: {said or trial.answer}")
                return trial
            failures.append(f"{name}: {trial.why or f'{trial.unmapped} of {trial.messages} messages are not read'}")
            self._say("--", f"the profile {failures[-1]}")
            if trial.connected and (best is None or trial.rank > best.rank):
                best = trial
        by_http = SCHEMES[urlsplit(draft.url).scheme]
        if best is None and not self.options.capture and not (by_http and self.questions.interactive):
            where = draft.url.partition("?")[0]
            raise Misconfigured(
                f"{where}: expected a chat over a WebSocket or by HTTP, but no connection was made ({failures[-1]})"
                f"{'; with messages of its own, say which one asks: --message JSON' if by_http else ''}"
            )
        return best

    def _candidates(
        self, draft: TargetDraft, recognised: Mapping[str, Mapping[str, str]]
    ) -> Iterator[tuple[str, Spec, str]]:
        """Profiles with the url for each: the one that is wanted, or those that are likely, the likeliest first."""
        if self.options.profile:
            wanted, text = profile_text(self.options.profile, Path())
            try:
                spec = Profile.from_toml(text).spec
            except ProfileError as error:
                raise Misconfigured(f"profile {wanted}: {error}") from error
            is_file = self.options.profile.endswith(".toml")
            name = from_folder(self.options.profile, self.options.folder) if is_file else self.options.profile
            yield name, spec, _url_for(draft.url, spec)
            return
        by_http = SCHEMES[urlsplit(draft.url).scheme]
        specs = {name: spec for name, spec in included().items() if by_http or not spec.connection.by_http}
        given = {*self.values}
        likely = [name for name in specs if name in recognised]
        likely += [name for name, spec in specs.items() if name not in likely and {*spec.needs} <= given]
        likely.sort(
            key=lambda name: (
                not specs[name].connection.by_http, name not in recognised, not ({*specs[name].needs} & given),
                specs[name].connection.by_channel, not name.startswith("agent-events"),
            )
        )  # fmt: skip
        for name in likely:
            spec = specs[name]
            url = _url_for(draft.url, spec)
            if by_http and not spec.connection.by_http:
                self._say("--", f"no profile by HTTP reads it: {draft.url.partition('?')[0]} is opened as {url}")
                by_http = False
            yield name, spec, url
            if not (spec.connection.path or spec.connection.by_http) and urlsplit(url).path in ("", "/"):
                yield name, spec, f"{url.rstrip('/')}/ws"

    def _values(self, spec: Spec, given: Mapping[str, str]) -> dict[str, str]:
        """What the profile needs: from options, from the server, or asked for."""
        for name, what in spec.needs.items():
            if name not in self.values:
                self.values[name] = given.get(name) or self.questions.ask(f"{name}: {what}?", f"--value {name}=VALUE")
        return {name: value for name, value in self.values.items() if name in spec.captured}

    def _tried(self, draft: TargetDraft, spec: Spec, budgets: Mapping[str, float]) -> Trial:
        in_profile = shows_token(Profile(spec))
        if self.sign_in is not None:
            return self._with_sign_in(draft, budgets, in_profile=in_profile)
        trial = tried(draft, self.options.folder, os.environ, budgets)
        if not trial.refused or trial.fits:
            return trial
        self._say("ok", f"the server wants users to sign in ({trial.why})")
        guess = "secret" if draft.reference and os.environ.get(SECRET_VARIABLE) else None
        self._sign_in(in_profile=in_profile, guess=guess)
        return self._with_sign_in(draft, budgets, in_profile=in_profile)

    def _sign_in(self, *, in_profile: bool, guess: str | None) -> None:
        if guess == "secret" and self.options.audience is None:
            self.options.audience = "chat"
        self.sign_in = sign_in_of(self.options, self.questions, in_profile=in_profile, guess=guess)

    def _with_sign_in(self, draft: TargetDraft, budgets: Mapping[str, float], *, in_profile: bool) -> Trial:
        assert self.sign_in is not None
        sign_in = self.sign_in
        if sign_in.obtain != "none" and not self.options.send:
            sign_in = replace(sign_in, send="profile" if in_profile else "bearer")
        return tried(replace(draft, sign_in=sign_in), self.options.folder, os.environ, budgets)

    # Concluding ----------------------------------------------------------------------------------------------

    def _finished(self, trial: Trial) -> str:
        """The target file of a profile that fits."""
        draft, questions = trial.draft, self.questions
        if draft.reference:
            clock = "same-host" if trial.capabilities.get("memory_probe") else "ping"
            self.draft = replace(draft, clock=clock, features=self.features)
            self._remember_secrets()
            return target_text(self.draft)
        missing = [
            text for text in draft.contains if text.replace("{canary}", "").lower() not in (trial.answer or "").lower()
        ]
        if missing:
            self._say("!!", f"the answer does not contain {missing[0]!r}: {(trial.answer or '')[:200]!r}")
        if not trial.tools and not draft.tools:
            tool = questions.ask("No tool was shown. Which one does this prompt need (empty for none)?", "--tool", "")
            draft = replace(draft, tools=(tool,) if tool else ())
            if not tool:
                self._say(
                    "!!", "no tool was shown: the prompt is written as without_tool; --tool NAME says which it needs"
                )
        self.draft = replace(concluded(replace(trial, draft=draft)), features=self.features)
        off = [name for name, able in self.draft.capabilities.items() if not able]
        if off:
            self._say("ok", f"not seen, and therefore declared as missing: {', '.join(off)}")
        self._remember_secrets()
        return target_text(self.draft)

    def _remember_secrets(self) -> None:
        sign_in = self.draft.sign_in
        named = [sign_in.secret_env, *(user.variable for user in sign_in.users)]
        named += [value.removeprefix("env:") for value in self.draft.values.values() if value.startswith("env:")]
        self.secrets = tuple(name for name in dict.fromkeys(named) if name)

    def _posted(self, draft: TargetDraft) -> dict[str, str]:
        """The files where a message is posted to the url: an included profile that reads its answer, or a draft."""
        options = self.options
        text = options.message or self.questions.ask(
            "No profile fits. Which JSON is posted to this url, with {prompt} in place of the question?", "--message"
        )
        message, url = message_of(text), draft.url
        draft = replace(draft, url=origin_and_path(url)[0], values={})
        by_http, first = recorded(url, message, options.channel, lambda profile: self._attempt(draft, profile))
        draft = replace(draft, sign_in=first.draft.sign_in)
        lines = recordings([first, self._attempt(draft, unknown_profile(message, by_http))])
        media = content_type(first.answered.headers) if first.answered is not None else ""
        self._say("ok", f"{numbered(first.messages, 'message')} in answer to --message ({by_http.transport}, {media})")
        name, profile = recognised(by_http, message, lines)
        if name:
            self._say("ok", f"the profile {name} reads them: {PROFILE} is that profile with this message")
            return self._with_profile(draft, profile, lines)
        return self._with_profile(draft, drafted(lines, by_http.start(message), by_http.channel), lines)

    def _attempt(self, draft: TargetDraft, profile: str) -> Trial:
        """A trial with a profile that is not written yet, signed in where the server wants it."""
        if self.sign_in is None:
            trial = tried(draft, self.options.folder, os.environ, PATIENT, profile)
            if not trial.refused:
                return trial
            self._say("ok", f"the server wants users to sign in ({trial.why or 'HTTP 401'})")
            self._sign_in(in_profile=False, guess=None)
        assert self.sign_in is not None
        return tried(replace(draft, sign_in=self.sign_in), self.options.folder, os.environ, PATIENT, profile)

    def _drafted(self, draft: TargetDraft, best: Trial | None) -> dict[str, str]:
        """The files where no profile fits: a profile drafted of what is recorded."""
        options = self.options
        by_http = SCHEMES[urlsplit(draft.url).scheme]
        url = origin_and_path(draft.url)[0] if by_http else opened_as(draft.url, by_http=False)
        known = best.draft.sign_in if best is not None else draft.sign_in
        draft = replace(draft, url=url, values={}, sign_in=self.sign_in or known)
        start = ""
        if options.capture is not None:
            lines = self._captured(options.capture)
        else:
            text = options.message or self.questions.ask(
                "No profile fits. Which JSON message asks, with {prompt} in place of the question?", "--message"
            )
            start = as_toml(message_of(text))
            asks = [
                tried(draft, options.folder, os.environ, PATIENT, unknown_profile(message_of(text))) for _ in range(2)
            ]
            lines = recordings(asks)
            self._say("ok", f"{sum(each.messages for each in asks)} messages recorded on 2 connections ({UNKNOWN})")
        try:
            profile = drafted(lines, start)
        except CaptureError as error:
            option = "--message" if options.capture is None else f"--capture {options.capture}"
            raise Misconfigured(f"{option}: no profile can be drafted: {error}") from error
        return self._with_profile(draft, profile, lines)

    def _with_profile(self, draft: TargetDraft, profile: str, lines: Sequence[bytes]) -> dict[str, str]:
        """The files with a profile of this target's own, and what it was made of."""
        options = self.options
        texts = {PROFILE: profile, CAPTURE: b"".join(line.rstrip() + b"\n" for line in lines).decode()}
        try:
            Profile.from_toml(profile)
            trial = tried(draft, options.folder, os.environ, PATIENT, profile)
        except ProfileError as error:
            self.unfinished, trial = str(error), Trial(draft)
        if trial.why and not self.unfinished:
            self._say("!!", f"the drafted profile: {trial.why}")
        texts[HERE] = self._finished(replace(trial, draft=replace(draft, profile=PROFILE)))
        return texts

    def _captured(self, path: Path) -> list[bytes]:
        try:
            return captured(path)
        except CaptureError as error:
            raise Misconfigured(f"{path}: {error}") from error

    def _say(self, mark: str, text: str) -> None:
        colour = {"ok": "green", "!!": "bold yellow"}.get(mark, "dim")
        self.console.print(f"[{colour}]{mark}[/]  {escape(text)}", highlight=False, soft_wrap=True)


def _url_for(url: str, spec: Spec) -> str:
    """Where a profile opens its connection, or sends its requests."""
    return without_path_of(opened_as(url, by_http=spec.connection.by_http), spec)


def from_folder(path: str, folder: Path) -> str:
    """A path that an option gives, which starts from the working folder, as a file in `folder` writes it."""
    return os.path.relpath(path, folder) if path and not Path(path).is_absolute() else path


def _value(text: str, folder: Path) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not mark or not name or not value:
        raise Misconfigured(f"--value: expected NAME=VALUE, got {name!r} without a value")
    kind, mark, path = value.partition(":")
    return name, f"file:{from_folder(path, folder)}" if kind == "file" and mark else value
