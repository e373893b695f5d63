"""From the context of a message to what is kept of where it happened, and what else it says: session, token, traits."""

from __future__ import annotations

from typing import Any

import msgspec
from django.utils.translation import gettext_lazy as _

from commerce_ai.ingest import personal, vocabulary
from commerce_ai.ingest.consents import purposes_of
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
    consent: dict[str, bool] | None = None


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
    consent = purposes_of(context.consent) if context.consent is not None else {}
    # What the device says of itself has dots and brackets, which are looked at only once. The rest seldom has any.
    kept = KeptContext(
        path=_short(page.get("path"), query=False),
        url=_short(page.get("url"), query=False),
        referrer=_short(page.get("referrer") or _dict(context.referrer).get("url"), query=False),
        title=_short(page.get("title")),
        campaign={key[:32]: text for key, each in list(_dict(context.campaign).items())[:8] if (text := _short(each))},
        locale=_short(context.locale),
        timezone=_short(context.timezone),
        screen=_size(screen.get("width"), screen.get("height")),
        consent=consent,
    )
    encoded = _encode(kept)
    if personal.may_have_shape(encoded):
        kept = _cleaned(kept)
        encoded = b""
    if context.user_agent or device or system or app:
        kept.user_agent = _known(context.user_agent)
        kept.device = _known(device.get("type") or device.get("model"))
        kept.os = f"{_known(system.get('name'))} {_known(system.get('version'))}".strip()
        kept.app = f"{_known(app.get('name'))} {_known(app.get('version'))}".strip()
        encoded = b""
    return ReadContext(
        encoded or _encode(kept),
        as_id(context.session_id or session.get("id"), "context.sessionId", lenient=True),
        _known(_dict(context.library).get("name"))[:64],
        context.customer_token if isinstance(context.customer_token, str) else "",
        context.traits if isinstance(context.traits, dict) else None,
        consent or None,
    )


def _size(width: Any, height: Any) -> str:
    return f"{width}x{height}" if type(width) is int and type(height) is int else ""


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _short(value: Any, *, query: bool = True) -> str:
    """At most 500 characters, to be cleaned yet; with `query=False` an address without its query and fragment."""
    if not isinstance(value, str):
        return ""
    if not query:
        value = value.partition("?")[0].partition("#")[0]
    return value[:500]


def _known(value: Any) -> str:
    """What many visitors' devices say alike: at most 500 characters, nothing personal."""
    return personal.clean_known(value[:500]) if isinstance(value, str) and value else ""


def _cleaned(kept: KeptContext) -> KeptContext:
    campaign = {key: personal.clean_text(each) for key, each in kept.campaign.items()}
    texts = {name: personal.clean_text(getattr(kept, name)) for name in _TEXTS}
    return msgspec.structs.replace(kept, campaign=campaign, **texts)


_TEXTS = ("path", "url", "referrer", "title", "locale", "timezone")


_encode = msgspec.json.Encoder().encode
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
