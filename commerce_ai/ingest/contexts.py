"""From the context of a message to what is kept of where it happened, and what else it says: session, token, traits."""

from __future__ import annotations

from typing import Any

import msgspec
from django.utils.translation import gettext_lazy as _

from commerce_ai.ingest import personal, vocabulary
from commerce_ai.ingest.vocabulary import Context, KeptContext

NO_CONTEXT = b"{}"


class Refused(Exception):
    """A message that can't be taken: a code for programs, the field at fault, and a sentence for people."""

    def __init__(self, code: str, field: str, message: Any) -> None:
        super().__init__(code)
        self.code, self.field, self.message = code, field, message


class ReadContext(msgspec.Struct, gc=False):
    """`kept` is `Event.context` as JSON."""

    kept: bytes = b"{}"
    session_id: str = ""
    platform: str = ""
    customer_token: str = ""
    traits: dict[str, Any] | None = None


def read_context(data: bytes) -> ReadContext:
    """Raises Refused for what is no object."""
    if data in (NO_CONTEXT, b"null"):
        return ReadContext()
    try:
        context = _decode_context(data)
    except (msgspec.MsgspecError, ValueError) as error:
        raise Refused("invalid", "context", _("The context is no JSON object.")) from error
    page, device, system, app = (_dict(each) for each in (context.page, context.device, context.os, context.app))
    screen, session = _dict(context.screen), _dict(context.session)
    kept = KeptContext(
        path=_short(page.get("path"), query=False),
        url=_short(page.get("url"), query=False),
        referrer=_short(page.get("referrer") or _dict(context.referrer).get("url"), query=False),
        title=_short(page.get("title")),
        campaign={key[:32]: text for key, each in list(_dict(context.campaign).items())[:8] if (text := _short(each))},
        locale=_short(context.locale),
        timezone=_short(context.timezone),
        user_agent=_short(context.user_agent),
        device=_short(device.get("type") or device.get("model")),
        os=f"{_short(system.get('name'))} {_short(system.get('version'))}".strip(),
        app=f"{_short(app.get('name'))} {_short(app.get('version'))}".strip(),
        screen=_size(screen.get("width"), screen.get("height")),
    )
    return ReadContext(
        msgspec.json.encode(kept),
        as_id(context.session_id or session.get("id"), "context.sessionId", lenient=True),
        _short(_dict(context.library).get("name"))[:64],
        context.customer_token if isinstance(context.customer_token, str) else "",
        context.traits if isinstance(context.traits, dict) else None,
    )


def _size(width: Any, height: Any) -> str:
    return f"{width}x{height}" if type(width) is int and type(height) is int else ""


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _short(value: Any, *, query: bool = True) -> str:
    """At most 500 characters, nothing personal; with `query=False` an address without its query and fragment."""
    if not isinstance(value, str):
        return ""
    if not query:
        value = value.partition("?")[0].partition("#")[0]
    return personal.clean_text(value[:500])


_decode_context = msgspec.json.Decoder(Context).decode


def as_id(value: Any, field: str, *, lenient: bool = False) -> str:
    """An id as text. `lenient`: what is no id counts as none."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    text = value if isinstance(value, str) else str(value)
    if len(text) > vocabulary.LONGEST_ID:
        if lenient:
            return ""
        raise Refused("too_long", field, _("At most %(n)d characters.") % {"n": vocabulary.LONGEST_ID})
    return text
