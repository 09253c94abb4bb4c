"""Slack's Block Kit: a notice as a message, and the form that asks for a reason.

All text of users is plain text, which Slack neither interprets nor links.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ringback.domain.notification import Notice, shorten, to_visible
from ringback.ports.chat import APPROVE, REASON, REJECT, ChatChoice

_MOST_DETAILS: Final = 20
_FIELDS: Final = 10
_HEADER: Final = 150
_TEXT: Final = 2900
_FIELD: Final = 1900


def to_message(notice: Notice) -> dict[str, Any]:
    """Return the arguments of `chat.postMessage` and `chat.update` that show `notice`."""
    title = to_visible(notice.title, lines=False)
    said = title if notice.ended is None else f"{title}: {notice.ended}"
    return {
        # For the list of notifications and for screen readers.
        "text": escape(shorten(said, _TEXT)),
        "blocks": list(_blocks(notice)),
        "unfurl_links": False,
        "unfurl_media": False,
        "parse": "none",
    }


def to_reminder(notice: Notice) -> dict[str, Any]:
    """Return the arguments of a reply to the message of `notice` that reminds of it."""
    title = shorten(to_visible(notice.title, lines=False), _HEADER)
    return {
        "text": escape(f"Reminder: {title} still waits for a decision."),
        "unfurl_links": False,
        "unfurl_media": False,
        "parse": "none",
    }


def to_form(choice: ChatChoice, *, title: str, is_required: bool, metadata: str) -> dict[str, Any]:
    """Return the view of a modal that asks for the reason of a vote."""
    verb = "Approve" if choice.approved else "Reject"
    return {
        "type": "modal",
        "callback_id": REASON,
        "title": _plain(verb),
        "submit": _plain(verb),
        "close": _plain("Back"),
        "private_metadata": metadata,
        "blocks": [
            {"type": "section", "text": _plain(shorten(to_visible(title, lines=False), _TEXT))},
            {
                "type": "input",
                "block_id": REASON,
                "optional": not is_required,
                "label": _plain("Reason"),
                "element": {
                    "type": "plain_text_input",
                    "action_id": REASON,
                    "multiline": True,
                    "max_length": 2000,
                },
            },
        ],
    }


def _blocks(notice: Notice) -> Iterator[Mapping[str, Any]]:
    yield {
        "type": "header",
        "text": _plain(shorten(to_visible(notice.title, lines=False), _HEADER) or "A decision"),
    }
    if notice.ended is not None:
        yield _section(notice.ended)
    if notice.description:
        yield _section(notice.description)
    yield from _details(notice)
    if notice.asked:
        yield _section("Asked: " + ", ".join(notice.asked))
    if notice.progress:
        yield _section("\n".join(notice.progress))
    context = _context(notice)
    if context:
        yield {"type": "context", "elements": context}
    buttons = list(_buttons(notice))
    if buttons:
        yield {"type": "actions", "elements": buttons}


def _details(notice: Notice) -> Iterator[Mapping[str, Any]]:
    shown = [_detail(*one) for one in notice.details[:_MOST_DETAILS]]
    for first in range(0, len(shown), _FIELDS):
        yield {"type": "section", "fields": shown[first : first + _FIELDS]}
    left = len(notice.details) - len(shown)
    if left > 0:
        yield _section(f"{left} more details are on the page.")


def _detail(name: str, value: str) -> dict[str, Any]:
    text = f"{to_visible(name, lines=False)}\n{to_visible(value)}"
    return _plain(shorten(text, _FIELD))


def _context(notice: Notice) -> list[dict[str, Any]]:
    elements = []
    if notice.deadline_at is not None and notice.ended is None:
        at = int(notice.deadline_at.timestamp())
        in_utc = f"{notice.deadline_at:%Y-%m-%d %H:%M} UTC"
        # Slack shows it in the reader's time zone.
        text = f"Until <!date^{at}^{{date_short_pretty}} {{time}}|{in_utc}>"
        elements.append({"type": "mrkdwn", "text": text})
    if notice.subject:
        elements.append(_plain(f"Version {notice.subject}"))
    return elements


def _buttons(notice: Notice) -> Iterator[dict[str, Any]]:
    if notice.ended is None and notice.can_approve:
        yield _button(APPROVE, "Approve", notice, style="primary")
    if notice.ended is None and notice.can_reject:
        yield _button(REJECT, "Reject", notice, style="danger")
    if notice.url:
        # It opens a page and decides nothing.
        yield {
            "type": "button",
            "action_id": "open",
            "text": _plain("Open the page"),
            "url": notice.url,
        }


def _button(action: str, text: str, notice: Notice, *, style: str) -> dict[str, Any]:
    choice = ChatChoice(notice.callback_id, notice.subject, approved=action == APPROVE)
    return {
        "type": "button",
        "action_id": action,
        "text": _plain(text),
        "style": style,
        "value": json.dumps(choice.to_plain()),
    }


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _plain(shorten(to_visible(text), _TEXT))}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text or "-", "emoji": False}


def escape(text: str) -> str:
    """Return `text` as Slack shows it literally."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
