"""API keys: made once, shown once, looked up in memory. A revocation acts within a poll of the refresher.

A key reads ``pk_`` or ``sk_`` and 40 letters and digits; the first 8 of them find it, SHA-256 of the whole proves
it. 238 random bits need no slow hash. Requests bring it as Bearer, as user of Basic, as ``X-Api-Key``, or, if it
is publishable, as ``?key=``: a secret in an address would end up in logs.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import string
from collections.abc import Iterable
from typing import Any

import msgspec
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission

from commerce_ai.api.callers import Caller, Subject
from commerce_ai.api.errors import ApiError
from commerce_ai.api.models import ApiKey, SigningSecret
from commerce_ai.api.scopes import PUBLISHABLE, SCOPES
from commerce_ai.shop.models import Shop
from commerce_ai.shop.revision import Warm, bump

__all__ = ["ApiKey", "Caller", "HasScope", "KeyAuthentication", "Subject", "authenticate", "caller_of", "create_key"]

_ALPHABET = string.ascii_letters + string.digits
_PREFIX = 11  # "pk_" and eight characters


def create_key(
    shop: Shop,
    name: str,
    kind: str,
    scopes: Iterable[str] | None = None,
    *,
    origins: Iterable[str] = (),
    by: Any = None,
    **limits: Any,
) -> tuple[ApiKey, str]:
    """A new key and its text, which is shown now and never again.

    `scopes` default to all that the kind may hold; `limits` are `rate_per_s`, `burst`, `ip_rate_per_s`, `ip_burst`.
    Raises ValueError for a scope that the kind can't hold.
    """
    allowed = PUBLISHABLE if kind == ApiKey.Kind.PUBLISHABLE else tuple(SCOPES)
    wanted = tuple(allowed if scopes is None else scopes)
    if wrong := sorted(set(wanted) - set(allowed)):
        raise ValueError(f"a {kind} key can't hold {', '.join(wrong)}")
    text = f"{'pk' if kind == ApiKey.Kind.PUBLISHABLE else 'sk'}_" + "".join(
        secrets.choice(_ALPHABET) for _ in range(40)
    )
    key = ApiKey(
        shop=shop, name=name, kind=kind, prefix=text[:_PREFIX], hash=_digest(text), scopes=list(wanted),
        origins=[origin.rstrip("/") for origin in origins], created_by=by, **limits,
    )  # fmt: skip
    key.save(force_insert=True)
    return key, text


def revoke(key: ApiKey) -> None:
    """No request with this key is answered any more once each process has polled: within 2 s."""
    key.revoked_at = key.revoked_at or timezone.now()
    key.save(update_fields=["revoked_at"])


def signing_secret(shop: Shop) -> str:
    """The secret that signs the shop's customer tokens; made when there is none yet."""
    with transaction.atomic():
        Shop.objects.select_for_update().get(pk=shop.pk)
        newest = SigningSecret.objects.of(shop).filter(retired_at=None).order_by("-created_at").first()
        return newest.secret if newest else new_signing_secret(shop)


def new_signing_secret(shop: Shop) -> str:
    """A new secret beside the old ones, which stay believed until they are retired."""
    secret = "ct_" + secrets.token_hex(32)
    with transaction.atomic():
        SigningSecret(shop=shop, secret=secret).save(force_insert=True)
        bump("keys", shop)
    return secret


def retire_signing_secret(secret: SigningSecret) -> None:
    """Tokens signed with it are not believed any more, within 2 s."""
    with transaction.atomic():
        secret.retired_at = secret.retired_at or timezone.now()
        secret.save(update_fields=["retired_at"])
        bump("keys", secret.shop_id)


def signing_secrets(shop_id: int) -> tuple[str, ...]:
    """All secrets that the shop's tokens may be signed with. Warm."""
    return _warm.get().secrets.get(shop_id, ())


def authenticate(request: HttpRequest) -> Caller:
    """The caller of a request. Raises ApiError 401 for a missing, wrong or revoked key."""
    text, in_address = key_text(request)
    if not text:
        raise unauthorized(_("No API key was given."))
    caller = caller_of(text)
    if caller is None or (in_address and caller.is_secret):
        raise unauthorized(_("This API key is not valid."))
    return caller


def caller_of(text: str) -> Caller | None:
    """The caller that a key's text stands for, or None."""
    digest, known = _digest(text), _warm.get().by_prefix.get(text[:_PREFIX], _NOBODY)
    return known.caller if hmac.compare_digest(digest, known.hash) else None


def key_text(request: HttpRequest) -> tuple[str, bool]:
    """The key of a request as it was sent, and whether it stood in the address."""
    meta = request.META
    if header := meta.get("HTTP_AUTHORIZATION"):
        scheme, _blank, value = header.partition(" ")
        if scheme.lower() == "bearer":
            return value.strip(), False
        if scheme.lower() == "basic":
            try:
                return base64.b64decode(value, validate=True).decode().partition(":")[0], False
            except (binascii.Error, UnicodeDecodeError):
                return "", False
    if header := meta.get("HTTP_X_API_KEY"):
        return header.strip(), False
    if "key=" in meta.get("QUERY_STRING", ""):
        return request.GET.get("key", ""), True
    return "", False


def publishable_origins() -> Iterable[tuple[str, ...]]:
    """The allowed origins of every publishable key. A preflight is asked before the browser shows the key. Warm."""
    return _warm.get().origins


def unauthorized(message: Any) -> ApiError:
    return ApiError("unauthorized", message, 401, headers={"WWW-Authenticate": 'Bearer realm="api"'})


class KeyAuthentication(BaseAuthentication):
    """DRF's door: `request.auth` and `request.user` are the Caller."""

    def authenticate(self, request: Any) -> tuple[Caller, Caller]:
        caller = authenticate(request._request)
        return caller, caller

    def authenticate_header(self, request: Any) -> str:
        return 'Bearer realm="api"'


class HasScope(BasePermission):
    """DRF's guard: the view's `scopes` say which one each method needs. A method that is not listed is refused."""

    def has_permission(self, request: Any, view: Any) -> bool:
        scopes = getattr(view, "scopes", {})
        if request.method in scopes:
            request.auth.need(scopes[request.method])
            return True
        # A method that the view lacks altogether is a 405, which DRF says after this.
        return request.method.lower() not in view.http_method_names


class _Known(msgspec.Struct, frozen=True):
    hash: bytes
    caller: Caller | None


class _Snapshot(msgspec.Struct, frozen=True):
    by_prefix: dict[str, _Known]
    secrets: dict[int, tuple[str, ...]]
    origins: tuple[tuple[str, ...], ...]


_NOBODY = _Known(bytes(32), None)


def _load(_shop_id: int) -> _Snapshot:
    by_prefix = {}
    for key in ApiKey.objects.filter(revoked_at=None):  # across shops: .of() follows from the key
        caller = Caller(
            key.shop_id,
            key.pk,
            "publishable" if key.kind == ApiKey.Kind.PUBLISHABLE else "secret",
            frozenset(key.scopes),
            tuple(key.origins),
            key.rate_per_s,
            key.burst,
            key.ip_rate_per_s if key.kind == ApiKey.Kind.PUBLISHABLE else None,
            key.ip_burst,
        )
        by_prefix[key.prefix] = _Known(bytes(key.hash), caller)
    signing: dict[int, tuple[str, ...]] = {}
    for each in SigningSecret.objects.filter(retired_at=None).order_by("-created_at"):
        signing[each.shop_id] = (*signing.get(each.shop_id, ()), each.secret)
    found = (known.caller for known in by_prefix.values() if known.caller and not known.caller.is_secret)
    return _Snapshot(by_prefix, signing, tuple({caller.origins for caller in found}))


_warm = Warm("keys", _load)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
