"""Keys: shown once, found in every place a client may put them, gone within one poll of the refresher."""

from __future__ import annotations

import base64
import hashlib

import pytest
from django.db import IntegrityError, connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from commerce_ai.api import keys, limits
from commerce_ai.api.errors import ApiError
from commerce_ai.api.models import ApiKey, SigningSecret
from commerce_ai.shop.models import Shop
from commerce_ai.shop.revision import refresher

get = RequestFactory().get


def test_only_a_hash_is_kept(shop: Shop) -> None:
    key, text = keys.create_key(shop, "server", "secret")
    key.refresh_from_db()
    assert bytes(key.hash) == hashlib.sha256(text.encode()).digest() and text.startswith(key.prefix)
    assert text.isascii() and ":" not in text and len(text) == 43
    with connection.cursor() as cursor:
        cursor.execute("SELECT api_apikey::text FROM api_apikey")
        assert text not in str(cursor.fetchall())


def test_a_key_is_found_wherever_a_client_puts_it(shop: Shop) -> None:
    key, text = keys.create_key(shop, "browser", "publishable")
    basic = base64.b64encode(f"{text}:".encode()).decode()
    for request in (
        get("/", headers={"Authorization": f"Bearer {text}"}),
        get("/", headers={"Authorization": f"bearer  {text}"}),
        get("/", headers={"Authorization": f"Basic {basic}"}),
        get("/", headers={"X-Api-Key": text}),
        get(f"/?key={text}"),
    ):
        caller = keys.authenticate(request)
        assert (caller.shop_id, caller.key_id, caller.kind) == (shop.pk, key.pk, "publishable")
        assert caller.scopes == {"track", "recommend", "chat"}


def test_a_secret_key_in_an_address_is_refused(shop: Shop) -> None:
    with pytest.raises(ApiError) as raised:
        keys.authenticate(get(f"/?key={keys.create_key(shop, 'server', 'secret')[1]}"))
    assert raised.value.status == 401


def test_what_is_no_key_is_refused(shop: Shop) -> None:
    _key, text = keys.create_key(shop, "server", "secret")
    for header in ("", "Bearer", "Bearer x", f"Bearer {text[:-1]}", f"Bearer {text}x", f"Bearer {text[:11]}", "Basic !",
                   "Basic /w==", f"Digest {text}", "Bearer " + text.swapcase()):  # fmt: skip
        with pytest.raises(ApiError) as raised:
            keys.authenticate(get("/", headers={"Authorization": header}))
        assert raised.value.status == 401 and raised.value.headers["WWW-Authenticate"]


def test_a_revoked_key_is_gone_after_one_poll(shop: Shop) -> None:
    key, text = keys.create_key(shop, "server", "secret")
    assert keys.caller_of(text)
    keys.revoke(key)
    refresher.poll()
    assert keys.caller_of(text) is None


def test_a_new_key_is_known_after_one_poll(shop: Shop) -> None:
    keys.create_key(shop, "first", "secret")
    assert keys.caller_of("sk_nobody") is None
    _key, text = keys.create_key(shop, "second", "secret")
    refresher.poll()
    assert keys.caller_of(text)


def test_a_key_saved_in_the_console_acts_after_one_poll(shop: Shop) -> None:
    key, text = keys.create_key(shop, "server", "secret")
    assert keys.caller_of(text)
    key.scopes = ["orders:read"]
    key.save()
    refresher.poll()
    caller = keys.caller_of(text)
    assert caller and caller.scopes == {"orders:read"}


def test_warm_it_reads_nothing(shop: Shop) -> None:
    _key, text = keys.create_key(shop, "server", "secret")
    keys.caller_of(text)
    with CaptureQueriesContext(connection) as queries:
        assert keys.caller_of(text)
        assert keys.caller_of("sk_wrongwrongwrong") is None
    assert not queries.captured_queries


def test_a_publishable_key_holds_no_secret_scope(shop: Shop) -> None:
    with pytest.raises(ValueError, match="orders:read"):
        keys.create_key(shop, "browser", "publishable", ["recommend", "orders:read"])
    key, _text = keys.create_key(shop, "browser", "publishable")
    with pytest.raises(IntegrityError):
        ApiKey.objects.filter(pk=key.pk).update(scopes=["recommend", "orders:read"])


def test_signing_secrets_can_be_changed_without_a_gap(shop: Shop, other_shop: Shop) -> None:
    first = keys.signing_secret(shop)
    assert keys.signing_secret(shop) == first
    second = keys.new_signing_secret(shop)
    assert keys.signing_secret(shop) == second
    assert keys.signing_secrets(shop.pk) == (second, first) and keys.signing_secrets(other_shop.pk) == ()
    old = SigningSecret.objects.of(shop).order_by("created_at").first()
    assert old is not None
    keys.retire_signing_secret(old)
    refresher.poll()
    assert keys.signing_secrets(shop.pk) == (second,)


def test_secrets_are_not_in_a_repr(shop: Shop) -> None:
    secret = keys.signing_secret(shop)
    assert secret not in repr(SigningSecret.objects.of(shop).get())


def test_use_is_noted(shop: Shop) -> None:
    from commerce_ai.api.tasks import note_last_used

    key, text = keys.create_key(shop, "server", "secret")
    caller = keys.caller_of(text)
    assert caller
    limits.check(caller, get("/"))
    assert list(limits.last_used()) == [key.pk]
    assert note_last_used() == 1
    key.refresh_from_db()
    assert key.last_used_at is not None
    assert note_last_used() == 0
