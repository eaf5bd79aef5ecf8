"""Former names in a profile: they still work, with a warning that gives the name of today."""

from typing import Any

_PLACEHOLDER, _NOW = "{person}", "{user_name}"


def renamed(data: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The tables of a profile with the names of today, and one warning for each former name that they contain."""
    warnings: dict[str, None] = {}
    today = _templates(data, warnings)
    for part in ("before", "after"):
        requests = today.get(part)
        for request in requests if isinstance(requests, list) else ():
            if isinstance(request, dict) and request.get("each") == "window":
                request["each"] = "tab"
                warnings[f'{part}: each = "window" is now called each = "tab"'] = None
    events = today.get("event")
    for event in events if isinstance(events, list) else ():
        if isinstance(event, dict) and (event.get("is"), event.get("collapse")) == ("agent_completed", "always"):
            event["is"] = "answer_part"
            del event["collapse"]
            warnings['event: is = "agent_completed" with collapse = "always" is now called is = "answer_part"'] = None
    return today, tuple(warnings)


def _templates(data: Any, warnings: dict[str, None]) -> Any:
    if isinstance(data, dict):
        return {key: _templates(value, warnings) for key, value in data.items()}
    if isinstance(data, list):
        return [_templates(value, warnings) for value in data]
    if isinstance(data, str) and _PLACEHOLDER in data:
        warnings[f"{_PLACEHOLDER} is now called {_NOW}"] = None
        return data.replace(_PLACEHOLDER, _NOW)
    return data
