"""How much a session examined, in words: a part of the categories, of their scenarios, or of what the target can do."""

from collections import Counter
from collections.abc import Container, Mapping, Sequence

from greenlight_gate.categories import CATEGORIES, OWN, categories_with
from greenlight_gate.findings import numbered

FULL, PARTIAL, LOAD = "full", "partial", "load"
# What some products do and others do not, and no rule says that a backend has to: its scenarios are exercised where the
# target has it, and missed by nobody where it has not. Users of a backend without resume ask again after a lost
# connection, which has scenarios of its own.
OPTIONAL = frozenset(
    {
        "approval", "unanswered_approval", "edited", "moderated", "early_stop", "logout", "replicas", "services",
        "one_run_per_request", "resume", "resume_in_run", "model", "model_calls", "http", "unbuffered",
        "endpoint_needs_token",
    }
)  # fmt: skip
_MOST_REASONS = 3
_MOST_NEEDS = 5


def narrowed(selected: Mapping[str, int], available: Mapping[str, int]) -> list[str]:
    """The categories of which not all scenarios were selected: "1 of 25 functional scenarios".

    A target's own scenarios are counted also where none was wanted; then they are a category that was left out.
    """
    return [
        f"{selected.get(category, 0)} of {numbered(count, f'{category} scenario')}"
        for category, count in available.items()
        if selected.get(category, 0) < count and (category != OWN or OWN in selected)
    ]


def selection_of(tags: str, selected: Mapping[str, int], available: Mapping[str, int]) -> str:
    """What narrowed the categories of a session, in words; "" where it did not come to select any scenario."""
    parts = narrowed(selected, available) if selected else []
    return ", ".join([*([f"tagged {tags}"] if tags else []), *parts])


def scope_of(
    wanted: Sequence[str], tags: str, selected: Mapping[str, int], available: Mapping[str, int], *, is_load: bool
) -> str:
    """`load`, `partial` where a category or a scenario of one was left out, or `full`."""
    if is_load:
        return LOAD
    every = categories_with(available)
    left_out = tags or narrowed(selected, available) or any(category not in wanted for category in every)
    return PARTIAL if left_out else FULL


def headline(wanted: Sequence[str], parts: Sequence[str], every: Sequence[str] = CATEGORIES) -> str:
    """What an approval of a part begins with. `every`: all categories of the session."""
    passed = f"The {' and '.join(wanted)} {'category' if len(wanted) == 1 else 'categories'} passed"
    passed = f"{'; '.join(parts)} passed" if parts else passed
    others = [category for category in every if category not in wanted]
    were = "was" if len(others) == 1 else "were"
    rest = f": {', '.join(others)} {were} not run" if others else ""
    return f"{passed}. This is not a release decision{rest}. "


def unexercised(reasons: Sequence[tuple[str, str]], *, listed: str = "") -> str:
    """How many scenarios of which category were not exercised, and why: pairs of category and reason.

    The most frequent reasons are named; `listed`: where all of them stand, if that is to be said. Security
    stands first: what is not tried there is missed by nobody until it is too late.
    """
    counted = Counter(reason for _, reason in reasons)
    named = [reason for reason, _ in counted.most_common(_MOST_REASONS)]
    by_category = {reason: Counter(category for category, each in reasons if each == reason) for reason in named}
    named.sort(key=lambda reason: "security" not in by_category[reason])
    shown = [f"{_of_categories(by_category[reason])} ({reason})" for reason in named]
    others = Counter(category for category, reason in reasons if reason not in by_category)
    if others:
        why = numbered(len(counted) - len(named), "other reason")
        shown.append(f"and {_of_categories(others)} for {why}{f' ({listed})' if listed else ''}")
    return ", ".join(shown)


def _of_categories(counts: Counter[str]) -> str:
    """How many of each category, security first: "2 of security and 3 of stress"."""
    ordered = sorted(counts.items(), key=lambda each: (each[0] != "security", -each[1], each[0]))
    *first, last = [f"{count} of {category}" for category, count in ordered]
    return f"{', '.join(first)} and {last}" if first else last


def too_few(
    selected: Mapping[str, int], missing: Sequence[tuple[str, str, str]], accepted: Container[str]
) -> str:  # fmt: skip
    """The categories of which fewer than half of the scenarios were exercised or accepted, in words; "" for none.

    `selected`: how many scenarios each category has; `missing`: category, reason and need of those not exercised;
    `accepted`: the needs of which the target file says why they are missing. What lacks an optional ability only is no
    part of the category for such a target, and counts on neither side.
    """
    thin, open_reasons, open_needs = [], [], Counter[str]()
    for category, selected_count in selected.items():
        every_need = [(reason, need) for each, reason, need in missing if each == category]
        needs = [(reason, need) for reason, need in every_need if need not in OPTIONAL]
        count = selected_count - len(every_need) + len(needs)
        open_ = [(reason, need) for reason, need in needs if need not in accepted]
        if 2 * len(open_) > count:
            thin.append(f"{count - len(needs)} of {count} {category}")
            open_reasons += [(category, reason) for reason, _ in open_]
            open_needs.update(need for _, need in open_ if need)
    if not thin:
        return ""
    *first, last = thin
    which = f"{', '.join(first)} and {last}" if first else last
    half = "fewer than half of each" if first else "fewer than half"
    return (
        f"{which} scenarios were exercised, {half}, and accepted_gaps gives no reason for {unexercised(open_reasons)}"
        f"{_how_to_accept(open_needs)}"
    )


def _how_to_accept(needs: Counter[str]) -> str:
    most = sorted(need for need, _ in needs.most_common(_MOST_NEEDS))
    more = f", and {len(needs) - len(most)} more" if len(needs) > len(most) else ""
    shown = "; ".join(f'{need} = "why"' for need in most)
    return f"; if that is intended, say why in the target file: [accepted_gaps] {shown}{more}" if needs else ""
