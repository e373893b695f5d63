"""A write with an ``Idempotency-Key`` happens once, however often it is sent.

The answer is kept in the transaction of the write, so a crash leaves either both or none. The same key with
another request is a 409; while the first one still runs, so is the second, with Retry-After. Only what was done is
kept: a refused write may be mended and sent again under its key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, cast

import msgspec
from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.response import Response

from commerce_ai.api.callers import Caller
from commerce_ai.api.errors import ApiError
from commerce_ai.api.models import IdempotentWrite
from commerce_ai.crypto import keyed_hash

HEADER = "Idempotency-Key"
LONGEST = 255


def once(request: Request, work: Callable[[], Response]) -> Response:
    """`work`'s answer, in one transaction with what it wrote; or the answer that this very request got before."""
    name = request.headers.get(HEADER)
    with transaction.atomic():
        if name is None:
            return work()
        if not name.isascii() or not name.isprintable() or not 0 < len(name) <= LONGEST:
            raise ApiError("invalid", _("An Idempotency-Key has 1 to 255 printable ASCII characters."), 400)
        caller = cast(Caller, request.auth)
        name = keyed_hash(name, purpose="idempotency").hex()  # a name may hold anything, an address too
        _take_turn(caller, name)
        kept = IdempotentWrite.objects.of(caller.shop_id).filter(api_key_id=caller.key_id, name=name).first()
        if kept is not None:
            return _again(kept, request)
        response = work()
        IdempotentWrite(
            shop_id=caller.shop_id, api_key_id=caller.key_id, name=name, request_hash=_hash(request),
            status=response.status_code, body=msgspec.json.encode(response.data).decode(),
        ).save(force_insert=True)  # fmt: skip
        return response


def _again(kept: IdempotentWrite, request: Request) -> Response:
    if bytes(kept.request_hash) != _hash(request):
        raise ApiError(
            "idempotency_mismatch", _("This Idempotency-Key belongs to another request."), 409,
            detail=_("Send a new key with a new request."),
        )  # fmt: skip
    body: Any = msgspec.json.decode(kept.body)
    return Response(body, status=kept.status, headers={"Idempotent-Replayed": "true"})


def _take_turn(caller: Caller, name: str) -> None:
    """Hold the name until the transaction ends, or refuse: waiting would keep a thread from other callers."""
    digest = hashlib.blake2b(f"{caller.key_id}:{name}".encode(), digest_size=8).digest()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [int.from_bytes(digest, "big", signed=True)])
        if not cursor.fetchone()[0]:
            raise ApiError(
                "in_progress", _("The first request with this Idempotency-Key still runs."), 409,
                headers={"Retry-After": "1"},
            )  # fmt: skip


def _hash(request: Request) -> bytes:
    sent = "\n".join((request.method or "", request.get_full_path(), ""))
    return hashlib.sha256(sent.encode() + request._request.body).digest()
