"""From the bytes of one message to what is written of it: validated, told apart from what identifies people."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.utils.translation import gettext_lazy as _

from commerce_ai.ingest import personal, vocabulary
from commerce_ai.ingest.contexts import NO_CONTEXT, ReadContext, Refused, as_id, read_context
from commerce_ai.ingest.personal import Contact
from commerce_ai.ingest.vocabulary import Message, standard_name

__all__ = ["Prove", "Reader", "Reading", "Refused", "needs_tidying", "parse_instant", "tidy"]

Prove = Callable[[str], str | None]  # a customer token → the external id that it vouches for


class Reading(msgspec.Struct, gc=False):
    """One message, ready to be written. `properties` and `context` are JSON without anything personal."""

    kind: str
    name: str
    message_id: str
    anonymous_id: str
    user_id: str
    proven: bool
    session_id: str
    product: str
    products: list[str]
    decision_id: UUID | None
    properties: bytes
    context: bytes
    platform: str
    occurred_at: datetime
    contact: Contact | None
    consent: dict[str, bool] | None = None


class Reader:
    """Reads the messages of one request: they share its clock, its rights and mostly its context."""

    def __init__(
        self,
        received_at: datetime,
        *,
        sent_at: Any = None,
        trusted: bool = False,
        prove: Prove | None = None,
        context: msgspec.Raw | bytes = b"",
    ) -> None:
        self.received_at = received_at
        self._sent_at = sent_at
        self._skews: dict[Any, timedelta] = {}
        self._trusted, self._prove = trusted, prove
        self._contexts: dict[bytes, ReadContext] = {}
        if shared := bytes(context):  # what a batch says once for all its messages
            self._contexts[NO_CONTEXT] = read_context(shared)

    def read(self, raw: msgspec.Raw | bytes, kind: str | None = None) -> Reading:
        """One message; `kind` is what the route says it is. Raises Refused."""
        if len(data := bytes(raw)) > vocabulary.MOST_EVENT_BYTES:
            words = _("An event has at most %(kb)d KB, this one has %(bytes)d bytes.")
            raise Refused("event_too_large", "", words % {"kb": vocabulary.MOST_EVENT_BYTES >> 10, "bytes": len(data)})
        message = _decode(data)
        kind = kind or message.type
        if kind not in vocabulary.KINDS:
            words = _("The type is one of %(kinds)s.")
            raise Refused("unknown_type", "type", words % {"kinds": ", ".join(vocabulary.KINDS)})
        context = self._context(message.context)
        user_id, anonymous_id = message.user_id, message.anonymous_id
        # Nearly every id is a short text already.
        if type(user_id) is not str or len(user_id) > _LONGEST:
            user_id = as_id(user_id, "userId")
        if type(anonymous_id) is not str or len(anonymous_id) > _LONGEST:
            anonymous_id = as_id(anonymous_id, "anonymousId")
        message_id = message.message_id
        if type(message_id) is not str or len(message_id) > _LONGEST:
            message_id = as_id(message_id, "messageId")
        proven = self._trusted
        if not proven and context.customer_token and self._prove:
            vouched = self._prove(context.customer_token)
            if vouched and user_id in ("", vouched):
                user_id, proven = vouched, True
        properties = message.properties or {}
        contact = None
        if kind == "track":
            name = standard_name(_name(message.event, "event"))
            if name in vocabulary.ORDER_EVENTS:
                contact = personal.contact_of(properties) if properties else None
            clean = personal.encode_properties(properties) if properties else b"{}"
        elif kind in ("page", "screen"):
            given = message.name or properties.get("name") or message.category
            name = _name(given, "name") if isinstance(given, str) else kind.title()
            if message.category and "category" not in properties:
                properties = {**properties, "category": message.category}
            clean = personal.encode_properties(properties)
        else:
            name = kind.title()
            traits = message.traits if message.traits is not None else context.traits
            if kind == "group":
                group = as_id(message.group_id, "groupId")
                if not group:
                    raise _missing("groupId")
                traits = {**(traits or {}), "group_id": group}
            elif kind == "alias":
                anonymous_id = as_id(message.previous_id, "previousId") or anonymous_id
                if not anonymous_id:
                    raise _missing("previousId")
                if not user_id:
                    raise _missing("userId")
            elif traits and proven and user_id:
                contact = personal.contact_of(traits)
            clean = personal.encode_traits(traits) if traits else b"{}"
        if not user_id and not anonymous_id:
            raise Refused("missing", "userId", _("userId or anonymousId is needed."))
        product, products = _products(name, properties) if properties else ("", _NOTHING)
        session_id = properties.get("session_id")
        return Reading(
            kind, name, message_id, anonymous_id, user_id, proven and user_id != "",
            context.session_id if session_id is None else as_id(session_id, "session_id", lenient=True),
            product, products, _decision(properties) if "decision_id" in properties else None, clean, context.kept,
            context.platform, self._occurred_at(message), contact or None, context.consent,
        )  # fmt: skip

    def _occurred_at(self, message: Message) -> datetime:
        """The client's clock corrected by what it said when it sent: received - (sent - original)."""
        given = message.original_timestamp if message.original_timestamp is not None else message.timestamp
        if given is None:
            return self.received_at
        instant = parse_instant(given)
        if instant is None:
            raise Refused("invalid", "timestamp", _("The timestamp is no ISO 8601 instant."))
        sent_at = message.sent_at if message.sent_at is not None else self._sent_at
        if sent_at is not None:
            skew = self._skews.get(sent_at)
            if skew is None:
                sent = parse_instant(sent_at)
                skew = self._skews[sent_at] = self.received_at - sent if sent else timedelta()
            try:
                instant += skew
            except OverflowError:
                return self.received_at
        # Nothing occurs after it was received, nor before there were shops on the web: such a clock tells nothing.
        if instant > self.received_at or instant < _EARLIEST:
            return self.received_at
        return instant

    def _context(self, raw: msgspec.Raw) -> ReadContext:
        data = bytes(raw)
        found = self._contexts.get(data)
        if found is None:
            found = self._contexts[data] = read_context(data)
        return found


def parse_instant(value: Any) -> datetime | None:
    """ISO 8601, or Unix seconds or milliseconds; None if it is neither. Without a zone it is UTC."""
    try:
        if isinstance(value, str):
            instant = datetime.fromisoformat(value)
            return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
        return datetime.fromtimestamp(value / 1000 if abs(value) > 1e11 else value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def tidy(raw: bytes) -> bytes:
    """JSON as clients in the field send it (NaN, lone surrogates, NUL) as JSON proper. Raises ValueError."""
    try:
        return msgspec.json.encode(_tidy(json.loads(raw)))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def needs_tidying(raw: bytes) -> bool:
    """Whether `raw` may hold what decodes, but can't be stored."""
    return b"\\" in raw and b"\\u0000" in raw  # the first look is the quick one


# --- one message ------------------------------------------------------------------------------------------

_LONGEST = vocabulary.LONGEST_ID
_NOTHING: list[str] = []  # shared, never changed
_EARLIEST = datetime(1995, 1, 1, tzinfo=UTC)
_decode_message = msgspec.json.Decoder(Message).decode


def _decode(data: bytes) -> Message:
    try:
        if needs_tidying(data):
            data = tidy(data)
        try:
            return _decode_message(data)
        except (msgspec.ValidationError, UnicodeDecodeError):
            # "Number out of range" is a validation error too, but of a number that can be tidied.
            return _decode_message(tidy(data))
    except msgspec.ValidationError as error:
        said, _dash, path = str(error).partition(" - at `$")
        raise Refused("invalid", path.strip("`."), said) from error
    except (ValueError, RecursionError) as error:
        raise Refused("malformed", "", _("The event is no JSON object.")) from error


def _name(value: str | None, field: str) -> str:
    name = as_id(value, field).strip()
    if not name:
        raise _missing(field)
    return personal.clean_text(name) if "@" in name or "+" in name else name


def _missing(field: str) -> Refused:
    return Refused("missing", field, _("This field is required."))


def _decision(properties: dict[str, Any]) -> UUID | None:
    value = properties.get("decision_id")
    if not isinstance(value, str):
        return None
    try:
        return UUID(value)
    except ValueError:
        return None


def _products(name: str, properties: dict[str, Any]) -> tuple[str, list[str]]:
    """The product an event is about, and those of an order."""
    product = properties.get("product_id") or properties.get("sku")
    if product is not None:
        if type(product) is str and len(product) <= _LONGEST:
            return product, _NOTHING
        return as_id(product, "product_id", lenient=True), _NOTHING
    if name == "Order Completed" and isinstance(lines := properties.get("products"), list):
        ids = (each.get("product_id") or each.get("sku") for each in lines[:50] if isinstance(each, dict))
        return "", [text for each in ids if (text := as_id(each, "product_id", lenient=True))]
    return "", _NOTHING


def _tidy(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {_tidy(key): _tidy(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_tidy(each) for each in value]
    return value
