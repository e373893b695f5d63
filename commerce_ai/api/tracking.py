"""Tracking as Segment's and RudderStack's clients speak it: `/v1/batch`, `/v1/track` and their kin.

Unmodified clients work: the key as user of Basic or in the body, gzip, text/plain from `sendBeacon`. The answer is
exactly 200 once everything that it counts as stored is committed, so that a client may forget what it sent.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from commerce_ai.api import limits, origins
from commerce_ai.api.callers import Caller
from commerce_ai.api.errors import ApiError, FieldError, as_api_error, error_response, unexpected
from commerce_ai.api.hot import HotRoute, invalid
from commerce_ai.api.keys import caller_of, key_text, unauthorized
from commerce_ai.ingest.messages import Refused, needs_tidying, tidy
from commerce_ai.ingest.tracking import Accepted, accept
from commerce_ai.ingest.vocabulary import MOST_BATCH_BYTES, MOST_EVENTS, Envelope


class Answer(msgspec.Struct):
    """stored + duplicates + rejected is the number of messages; `errors` says what was wrong with the rejected."""

    success: bool
    stored: int
    duplicates: int
    rejected: int
    errors: list[FieldError] = []


class Batch(msgspec.Struct, rename="camel"):
    """Messages of any type (Segment's spec), each with `type`, `messageId` and `userId` or `anonymousId`."""

    batch: list[dict[str, Any]]
    sent_at: str = ""
    write_key: str = ""
    context: dict[str, Any] = {}


class Single(msgspec.Struct, rename="camel"):
    """One message of Segment's spec; its type follows from the route."""

    message_id: str = ""
    user_id: str = ""
    anonymous_id: str = ""
    event: str = ""
    properties: dict[str, Any] = {}
    traits: dict[str, Any] = {}
    context: dict[str, Any] = {}
    timestamp: str = ""
    sent_at: str = ""
    write_key: str = ""


def receive(kind: str | None) -> Callable[[HttpRequest], HttpResponse]:
    """The view of one kind of message, or (None) of batches."""

    def route(request: HttpRequest) -> HttpResponse:
        if request.method == "OPTIONS":
            return origins.preflight(request, ("POST",))
        caller = None
        try:
            if request.method != "POST":
                raise ApiError(
                    "method_not_allowed", _("This route has no such method."), 405, headers={"Allow": "POST, OPTIONS"}
                )
            # A key that is wrong before the body was read costs nothing more.
            caller = _caller(*key_text(request))
            body = _read(request)
            envelope, body = _open(body)
            caller = caller or _caller(envelope.write_key or request.GET.get("writeKey", ""), False)
            if caller is None:
                raise unauthorized(_("No API key was given."))
            origins.check(caller, request)
            limits.check(caller, request)
            caller.need("track")
            response = _answer(_take(caller, envelope, body, kind), kind)
        except ApiError as error:
            response = error_response(error)
        except Exception as error:
            response = error_response(as_api_error(error) or unexpected(error, request.path))
        return origins.allow(response, request, caller)

    route.csrf_exempt = True  # type: ignore[attr-defined]
    route.hot = HotRoute(  # type: ignore[attr-defined]
        "track", ("POST",), None, None, Batch if kind is None else Single, Answer,
        _("Send a batch of messages") if kind is None else _("Send one message"), tag="tracking",
    )  # fmt: skip
    return route


def _take(caller: Caller, envelope: Envelope, body: bytes, kind: str | None) -> Accepted:
    if kind is None and envelope.batch is None:
        raise ApiError(
            "invalid", _("Some values are not valid."), 400, [FieldError("batch", str(_("This field is required.")))]
        )
    batch: list[Any] = [body] if kind is not None or envelope.batch is None else envelope.batch
    if len(batch) > MOST_EVENTS:
        raise ApiError("too_many_events", _("A batch has at most %(n)d events.") % {"n": MOST_EVENTS}, 400)
    try:
        return accept(
            caller.shop_id, batch, trusted=caller.is_secret, sent_at=envelope.sent_at, kind=kind,
            prove=lambda token: caller.subject(customer_token=token).customer_external_id,
            context=envelope.context if kind is None else b"",
        )  # fmt: skip
    except Refused as error:  # the batch's own context
        raise ApiError(error.code, error.message, 400, [FieldError(error.field, str(error.message))]) from error


def _answer(accepted: Accepted, kind: str | None) -> HttpResponse:
    errors = [
        FieldError(each.field if kind else f"batch.{each.index}.{each.field}".rstrip("."), each.message)
        for each in accepted.rejected
    ]
    if kind is not None and accepted.rejected:
        raise ApiError(accepted.rejected[0].code, _("The event is not valid."), 400, errors)
    answer = Answer(True, accepted.stored, accepted.duplicates, len(errors), errors)
    response = HttpResponse(msgspec.json.encode(answer), content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


def _caller(text: str, in_address: bool) -> Caller | None:
    """The caller of a key; None for no key at all. Raises 401 for a wrong one."""
    if not text:
        return None
    caller = caller_of(text)
    if caller is None or (in_address and caller.is_secret):
        raise unauthorized(_("This API key is not valid."))
    return caller


# --- the body ---------------------------------------------------------------------------------------------

_decode = msgspec.json.Decoder(Envelope).decode
_ROOM = MOST_BATCH_BYTES + 1


def _read(request: HttpRequest) -> bytes:
    """The body, unpacked; never more of it than a batch may have."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > MOST_BATCH_BYTES:
        raise _too_large()
    if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
        body = request.META["wsgi.input"].read(_ROOM)  # Django takes a body without a length for an empty one
    else:
        body = request.body
    if len(body) > MOST_BATCH_BYTES:
        raise _too_large()
    encoding = request.META.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding not in ("", "identity", "gzip", "deflate"):
        raise ApiError(
            "unsupported_encoding", _("The body's encoding is not known."), 415, detail=_("Send gzip, or none at all.")
        )
    if encoding in ("gzip", "deflate") or body[:2] == b"\x1f\x8b":
        unpack = zlib.decompressobj(wbits=47)  # gzip or zlib, whichever it is
        try:
            body = unpack.decompress(body, _ROOM)
        except zlib.error as error:
            raise _malformed(_("The body is not valid gzip.")) from error
        if len(body) < _ROOM and not unpack.eof:
            raise _malformed(_("The body ends in the middle."))
    if len(body) > MOST_BATCH_BYTES:
        raise _too_large()
    return body


def _open(body: bytes) -> tuple[Envelope, bytes]:
    """What is around the messages, and the body as JSON proper. Raises ApiError 400."""
    try:
        if needs_tidying(body):
            body = tidy(body)
        try:
            return _decode(body), body
        except msgspec.ValidationError:
            raise
        except (msgspec.DecodeError, UnicodeDecodeError):
            body = tidy(body)
            return _decode(body), body
    except msgspec.ValidationError as error:
        raise invalid(error) from error
    except (ValueError, RecursionError) as error:
        raise _malformed(_("The body is not valid JSON.")) from error


def _malformed(message: Any) -> ApiError:
    return ApiError("malformed", message, 400)


def _too_large() -> ApiError:
    return ApiError(
        "too_large", _("The body is too large."), 413,
        detail=_("A batch has at most %(kb)d KB, unpacked.") % {"kb": MOST_BATCH_BYTES >> 10},
    )  # fmt: skip
