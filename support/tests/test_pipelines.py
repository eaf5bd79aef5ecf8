"""What pipelines take from this repository: the GitHub Action, the GitLab job, the container, the files of Kubernetes.

Their commands are read out of the YAML and run as the pipeline would run them; what they name has to exist.
"""

import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from greenlight_gate.cli.command_line import parser
from greenlight_gate.verdict.facts import Verdict

from support.tests.cli.process import ROOT, environ
from support.tests.needs import skip_without_program

SUPPORT = ROOT / "support"
ACTION = yaml.safe_load((SUPPORT / "action/action.yml").read_text(encoding="utf-8"))
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
GITLAB = (SUPPORT / "gitlab/greenlight.gitlab-ci.yml").read_text(encoding="utf-8")
CONTAINERFILE = (SUPPORT / "container/Containerfile").read_text(encoding="utf-8")
ROLLOUTS = list(yaml.safe_load_all((SUPPORT / "kubernetes/argo-rollouts.yaml").read_text(encoding="utf-8")))
_EXPRESSION = re.compile(r"\$\{\{ *([\w.-]+) *\}\}")
ONE = "--categories functional --tags '@functional and not @hostile' --jobs 4"


class Pipeline:
    """Runs the steps of the action in order, as a runner does: expressions, conditions, files for outputs and summary.

    Steps that use another action are not run: `uploaded` is what would be uploaded, by the name of the artifact.
    """

    def __init__(self, folder: Path, temp: Path, **inputs: str) -> None:
        self.folder, self.temp = folder, temp
        self.inputs = {name: str(each["default"]) for name, each in ACTION["inputs"].items()} | inputs
        self.outputs: dict[str, dict[str, str]] = {}
        self.uploaded: dict[str, list[Path]] = {}
        self.out = ""
        self.summary = folder / "summary.md"

    def run(self, *names: str) -> int:
        """Runs the named steps, or all. Returns the exit code of the first one that fails, or 0."""
        for step in STEPS:
            if (names and step["name"] not in names) or not self._holds(step.get("if", "")):
                continue
            if "uses" in step:
                self._use(step)
            elif code := self._shell(step):
                return code
        return 0

    def output(self, name: str) -> str:
        """An output of the action."""
        return self._filled(ACTION["outputs"][name]["value"])

    def _value(self, name: str) -> str:
        kind, _, rest = name.partition(".")
        if kind == "inputs":
            return self.inputs[rest]
        step, _, output = rest.partition(".outputs.")
        assert kind == "steps", name
        assert step in {each.get("id") for each in STEPS}, name
        return self.outputs.get(step, {}).get(output, "")

    def _filled(self, text: str) -> str:
        return _EXPRESSION.sub(lambda found: self._value(found[1]), str(text))

    def _holds(self, condition: str) -> bool:
        """Conditions of the form `A != '' && B != ''`."""
        parts = [part.strip() for part in condition.split("&&")] if condition else []
        assert all(part.endswith(" != ''") for part in parts), condition
        return all(self._value(part.removesuffix(" != ''")) for part in parts)

    def _use(self, step: dict[str, Any]) -> None:
        given = {name: self._filled(value) for name, value in step["with"].items()}
        if step["uses"].startswith("actions/upload-artifact@"):
            self.uploaded[given["name"]] = sorted((self.folder / given["path"]).rglob("*"))

    def _shell(self, step: dict[str, Any]) -> int:
        outputs = self.folder / "outputs.txt"
        outputs.write_text("", encoding="utf-8")
        variables = {name: self._filled(value) for name, value in step.get("env", {}).items()}
        own = {
            "RUNNER_TEMP": str(self.temp), "GITHUB_ACTION_PATH": str(SUPPORT / "action"), "GITHUB_ACTIONS": "true",
            "GITHUB_OUTPUT": str(outputs), "GITHUB_STEP_SUMMARY": str(self.summary),
        }  # fmt: skip
        ran = bash(step["run"], self.folder, {**own, **variables})
        self.out += ran.stdout + ran.stderr
        if "id" in step:
            lines = outputs.read_text(encoding="utf-8").splitlines()
            self.outputs[step["id"]] = dict(line.partition("=")[::2] for line in lines)
        return ran.returncode


def bash(script: str, folder: Path, variables: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """A script as GitHub's runner starts it."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script], cwd=folder, env=environ(variables),
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip


def judge_step() -> ModuleType:
    spec = importlib.util.spec_from_file_location("judge_step", SUPPORT / "action/judge.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def temp(tmp_path: Path) -> Path:
    """The runner's folder after the step that installs: with this environment, which has the checkout installed."""
    folder = tmp_path / "runner"
    folder.mkdir()
    (folder / "greenlight").symlink_to(Path(sys.prefix), target_is_directory=True)
    return folder


def test_the_action_is_of_the_form_that_github_reads() -> None:
    assert set(ACTION) == {"name", "description", "inputs", "outputs", "runs"}
    assert all(set(each) == {"description", "default"} for each in ACTION["inputs"].values())
    used = set()
    for step in STEPS:
        assert ("run" in step) != ("uses" in step)
        assert ("run" in step) == (step.get("shell") == "bash")
        assert "uses" not in step or re.fullmatch(r"[\w./-]+@v\d+", step["uses"])
        # What a workflow gives reaches a script through its environment, where it is text and no command.
        assert "${{" not in step.get("run", "")
        used |= set(re.findall(r"inputs\.([\w-]+)", json.dumps(step)))
    assert used == set(ACTION["inputs"])
    named = set(re.findall(r'"([\w-]+)":', (SUPPORT / "action/judge.py").read_text("utf-8").split("outputs = {")[1]))
    assert {each["value"] for each in ACTION["outputs"].values()} <= {
        f"${{{{ steps.judge.outputs.{name} }}}}" for name in named
    }


def test_annotations_are_one_line_each_whatever_a_target_has_sent() -> None:
    lines = judge_step().annotations(
        "BLOCKED", "50 %\n::error::no",
        [{"rule": "ISOLATION-1: a, b", "what": "Ada received\r\n::set-env", "times": 2, "waived": 1}] * 20,
    )  # fmt: skip

    assert lines[0] == "::error title=Greenlight%3A BLOCKED::50 %25%0A::error::no"
    assert lines[1] == "::error title=ISOLATION-1%3A a%2C b::Ada received%0D%0A::set-env"
    assert len(lines) == 10
    assert judge_step().annotations("INCONCLUSIVE", "x", [])[0].startswith("::warning ")
    assert judge_step().annotations("APPROVED", "", [])[0].startswith("::notice ")
    waived = {"rule": "REFUSAL-3", "what": "no error", "times": 1, "waived": 1}
    assert judge_step().annotations("APPROVED", "", [waived]) == [
        "::notice title=Greenlight%3A APPROVED::only waived findings", "::notice title=REFUSAL-3::no error"
    ]  # fmt: skip
    assert judge_step().annotations("APPROVED", "", [], waived=True) == [
        "::notice title=Greenlight%3A APPROVED::only what is waived"
    ]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_action_installs_itself_and_lets_a_healthy_backend_pass(tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path, tmp_path, arguments=ONE)

    assert pipeline.run() == 0, pipeline.out
    assert (tmp_path / "greenlight/bin/greenlight").is_file()
    assert (pipeline.output("verdict"), pipeline.output("reason"), pipeline.output("exit-code")) == (
        "APPROVED",
        "",
        "0",
    )
    assert pipeline.output("scope") == "partial: functional"
    uploaded = {path.name for path in pipeline.uploaded["greenlight"]}
    assert uploaded >= {"verdict.html", "junit.xml", "ctrf-report.json", "session.json"}
    assert pipeline.summary.read_text(encoding="utf-8").startswith("## ✅ APPROVED")
    assert "::notice title=Greenlight%3A APPROVED::no findings" in pipeline.out.splitlines()


@pytest.mark.slow
def test_the_action_fails_the_job_of_a_defective_backend_and_says_why(tmp_path: Path, temp: Path) -> None:
    pipeline = Pipeline(tmp_path, temp, arguments=f"{ONE} --defect thinking_missing", artifact="evidence")

    assert pipeline.run("Judge", "Upload the session folder", "Decide") == 1, pipeline.out
    assert pipeline.output("verdict") == "BLOCKED"
    assert pipeline.output("reason").startswith("LIFECYCLE-")
    assert "verdict.html" in {path.name for path in pipeline.uploaded["evidence"]}
    lines = pipeline.out.splitlines()
    assert any(line.startswith("::error title=Greenlight%3A BLOCKED::LIFECYCLE-") for line in lines)
    assert any(line.startswith("::error title=LIFECYCLE-4::") for line in lines)
    # All that greenlight printed stands where the runner reads no commands.
    (begin,) = [number for number, line in enumerate(lines) if line.startswith("::stop-commands::")]
    (end,) = [number for number, line in enumerate(lines) if line == f"::{lines[begin].rpartition(':')[2]}::"]
    assert begin < lines.index("VALIDATION_RESULT=BLOCKED") < end


@pytest.mark.slow
def test_the_action_fails_the_job_of_a_mistake_and_uploads_nothing(tmp_path: Path, temp: Path) -> None:
    pipeline = Pipeline(tmp_path, temp, environment="no.toml")

    assert pipeline.run("Judge", "Upload the session folder", "Decide") == 3, pipeline.out
    assert (pipeline.output("verdict"), pipeline.output("session")) == ("MISCONFIGURED", "")
    assert "no.toml" in pipeline.output("reason")
    assert pipeline.uploaded == {}


def gitlab_script(**inputs: str) -> tuple[str, dict[str, str]]:
    """The script of the job and its variables, with these inputs."""
    spec, job = yaml.safe_load_all(GITLAB)
    known = {name: str(each.get("default")) for name, each in spec["spec"]["inputs"].items()} | inputs
    job = job["greenlight"]
    filled = {
        name: re.sub(r"\$\[\[ inputs\.([\w-]+) \]\]", lambda found: known[found[1]], str(value))
        for name, value in job["variables"].items()
    }
    assert "[[" not in "".join(filled.values())
    return "\n".join(job["script"]), filled


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code"),
    [(ONE, 0), (f"{ONE} --defect thinking_missing", 1), ("--categories functional --tags @no.such.tag", 20)],
    ids=["approved", "blocked", "inconclusive"],
)
def test_the_job_of_gitlab_ends_as_the_verdict_says(tmp_path: Path, arguments: str, code: int) -> None:
    script, variables = gitlab_script(arguments=arguments, **{"allow-inconclusive": "true"})
    path = f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}"

    ran = bash(script, tmp_path, {**variables, "PATH": path})
    strict = gitlab_script()[1]["GREENLIGHT_MAY_BE_INCONCLUSIVE"]

    assert ran.returncode == code, ran.stdout + ran.stderr
    assert list(yaml.safe_load_all(GITLAB))[1]["greenlight"]["allow_failure"]["exit_codes"] == 20
    assert strict == "False"
    assert list(tmp_path.glob("websocket_validation_reports/validation_session_*/junit.xml"))


def test_the_container_takes_what_exists_and_runs_without_root_rights() -> None:
    build, final = CONTAINERFILE.split("\nFROM ")[0], CONTAINERFILE.split("\nFROM ")[2]
    ignore = (SUPPORT / "container/Containerfile.dockerignore").read_text("utf-8").splitlines()
    copied = [
        word for line in re.findall(r"^COPY (?!--)(.+)$", CONTAINERFILE, re.MULTILINE) for word in line.split()[:-1]
    ]
    assert len(copied) >= 6
    assert build
    for word in copied:
        assert (ROOT / word).exists(), word
        assert f"!{word}" in ignore, word
    assert re.search(r"^USER (\d+)$", final, re.MULTILINE)
    assert final.rstrip().endswith('ENTRYPOINT ["greenlight"]\nCMD ["--help"]')
    lock = (SUPPORT / "requirements.lock").read_text(encoding="utf-8")
    (script,) = re.findall(r"sed -E '(.+)' support/requirements.lock", CONTAINERFILE)
    versions = subprocess.run(["sed", "-E", script], input=lock, capture_output=True, text=True, check=True).stdout
    # A constraint is a name with a version, without extras and hashes.
    kept = [line for line in versions.splitlines() if not line.startswith("#")]
    assert [line for line in kept if not re.fullmatch(r"[\w.-]+==[\w.]+( ; .+)?", line)] == []
    assert len(kept) == len(re.findall(r"^[\w.-]+(?:\[.+\])?==", lock, re.MULTILINE))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_container_is_built_and_judges(tmp_path: Path) -> None:
    if not shutil.which("docker") or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        skip_without_program("Docker", "no engine answers `docker info`")
    file = str(SUPPORT / "container/Containerfile")
    subprocess.run(["docker", "build", "-q", "-f", file, "-t", "greenlight-under-test", ROOT], check=True, timeout=600)

    ran = subprocess.run(
        ["docker", "run", "--rm", "greenlight-under-test", "run", "--ci-mode", "--categories", "functional"],
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout.splitlines()[0]) == (0, "VALIDATION_RESULT=APPROVED"), ran.stderr


def containers() -> list[dict[str, Any]]:
    """The containers that judge: of the Job, and of the analysis."""
    job = yaml.safe_load((SUPPORT / "kubernetes/job.yaml").read_text(encoding="utf-8"))
    analysis = ROLLOUTS[0]["spec"]["metrics"][0]["provider"]["job"]
    found = []
    for spec in (job["spec"], analysis["spec"]):
        pod = spec["template"]["spec"]
        assert (spec["backoffLimit"], pod["restartPolicy"], pod["securityContext"]["runAsNonRoot"]) == (
            0,
            "Never",
            True,
        )
        mounted = {mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}
        found.append(pod["containers"][0])
    return found


def test_pods_have_no_rights_and_their_commands_exist() -> None:
    job, analysis = containers()

    for container in (job, analysis):
        security = container["securityContext"]
        assert (security["allowPrivilegeEscalation"], security["readOnlyRootFilesystem"]) == (False, True)
        # The user of the image, whose working folder is mounted.
        assert "USER 10001" in CONTAINERFILE
        assert "/work" in {mount["mountPath"] for mount in container["volumeMounts"]}
    assert parser().parse_args(job["args"]).environment == "/target/mine.toml"


def test_inconclusive_is_neither_success_nor_failure_of_an_analysis() -> None:
    metric = ROLLOUTS[0]["spec"]["metrics"][1]
    equals = re.compile(r'result == "(\w+)"')
    success, failure = (equals.fullmatch(metric[name]) for name in ("successCondition", "failureCondition"))

    assert success is not None
    assert failure is not None
    assert {verdict.value for verdict in Verdict} - {success[1], failure[1]} == {"INCONCLUSIVE"}
    assert (success[1], failure[1]) == ("APPROVED", "BLOCKED")
    assert (metric["count"], metric["failureLimit"], metric["inconclusiveLimit"]) == (1, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("defect", "verdict"), [("", "APPROVED"), ("thinking_missing", "BLOCKED")], ids=["healthy", "defective"]
)
def test_the_pod_of_an_analysis_serves_the_verdict_where_the_web_provider_reads_it(
    tmp_path: Path, defect: str, verdict: str
) -> None:
    """The script of the pod, and the request of the provider, with the embedded backend as the target."""
    web = ROLLOUTS[0]["spec"]["metrics"][1]["provider"]["web"]
    container = containers()[1]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (script,) = container["args"]
    options = "--categories functional" + (f" --defect {defect}" if defect else "")
    script = script.replace('--environment "$TARGET"', f'--environment "$TARGET" {options}')
    variables = {each["name"]: each["value"] for each in container["env"]}
    variables |= {
        "TARGET": "embedded", "RELEASE": "abc", "PORT": str(port), "SERVE_S": "60",
        "PATH": f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    url = web["url"].replace("{{args.release}}", "abc").replace("greenlight-report:8080", f"127.0.0.1:{port}")

    with subprocess.Popen(
        [*container["command"], script], cwd=tmp_path, env=environ(variables), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as pod:  # fmt: skip
        try:
            document = served(url, pod)
        finally:
            subprocess.run(["kill", "--", f"-{pod.pid}"], check=False)

    for name in web["jsonPath"].strip("{}").removeprefix("$.").split("."):
        document = document[name]
    assert document == verdict


def served(url: str, pod: "subprocess.Popen[bytes]") -> Any:
    """What is served there, once it is."""
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline and pod.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return json.loads(response.read())
        except (urllib.error.URLError, ConnectionError):
            pod_wait(pod)
    raise AssertionError(f"{url}: nothing is served, and the pod ended with {pod.poll()}")


def pod_wait(pod: "subprocess.Popen[bytes]") -> None:
    """Waits a moment for the end of the pod."""
    try:
        pod.wait(0.2)
    except subprocess.TimeoutExpired:
        return
