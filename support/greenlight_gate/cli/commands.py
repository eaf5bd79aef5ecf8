"""The commands of `greenlight`, in the order in which its help shows them, each with one line."""

SUMMARIES = {
    "init": "set up a target: try a backend, and write the files with which it is judged",
    "run": "judge a backend: run the scenarios, store the evidence, print the verdict",
    "verdict": "judge the evidence of a session folder again, offline",
    "serve": "run the embedded reference backend in the foreground, as an external target",
    "model": "serve a scripted model, which answers your backend by a file and fails on request",
    "doctor": "check a target step by step: DNS, TCP, TLS, health, sign-in, handshake, one run with each frame as read",
    "profile": "check a wire profile against recorded frames, draft one from them, or take frames from a browser's HAR",
    "feature": "draft a Gherkin feature from a recorded conversation",
    "steps": "list the steps that scenarios can use, or write a page of them that can be searched",
    "load": "connect many virtual users at once and check every event of each of them",
    "monitor": "watch a backend all day: a short round at each interval, failure patterns, alerts, a folder a day",
    "history": "list past sessions, their trend, and which findings are new, fixed or still present",
    "schema": "print the JSON schemas of the report and the monitoring files",
    "completion": "print a script with which bash, fish or zsh completes commands, options and values",
    "services": "start, stop and inspect the services of a target (default: those of `local`)",
}
