"""API keys: shown once, changed, revoked; each acts on the next poll."""

from __future__ import annotations

from django.urls import reverse

from commerce_ai.api import keys
from commerce_ai.api.models import ApiKey, SigningSecret
from commerce_ai.shop.revision import refresher

LIMITS = {"rate_per_s": "", "burst": "200", "ip_rate_per_s": "", "ip_burst": "100"}


def make(owner, **fields):
    sent = {"name": "storefront", "kind": "publishable", "origins": "", **LIMITS, **fields}
    return owner.post(reverse("admin:api_apikey_add"), sent)


def test_a_key_is_shown_exactly_once(owner, shop):
    answer = make(owner, origins="https://shop.example/\n\nhttps://*.shop.example")
    ((_label, text),) = answer.context["texts"]
    assert answer.content.decode().count(text) == 1 and "no-store" in answer["Cache-Control"]
    key = ApiKey.objects.of(shop).get()
    assert key.origins == ["https://shop.example", "https://*.shop.example"] and key.created_by == owner.user
    assert set(key.scopes) == {"track", "recommend", "chat"}
    refresher.poll()
    assert keys.caller_of(text).shop_id == shop.pk
    for page in ("changelist", "change", "history"):
        args = [] if page == "changelist" else [key.pk]
        content = owner.get(reverse(f"admin:api_apikey_{page}", args=args)).content.decode()
        assert text not in content and text[11:] not in content


def test_a_publishable_key_holds_no_secret_scope(owner, shop):
    answer = make(owner, scopes=["track", "orders:read"])
    assert "orders:read" in str(answer.context["adminform"].form.errors["scopes"])
    assert not ApiKey.objects.of(shop).exists()


def test_revoking_acts(owner, shop):
    text = make(owner).context["texts"][0][1]
    key = ApiKey.objects.of(shop).get()
    address = reverse("admin:api_apikey_revoke", args=[key.pk])
    assert owner.get(address).status_code == 405
    assert owner.post(address).status_code == 302
    refresher.poll()
    assert keys.caller_of(text) is None
    assert owner.post(reverse("admin:api_apikey_change", args=[key.pk]), {"name": "x"}).status_code == 403


def test_narrowing_a_key_acts(owner, shop):
    text = make(owner, kind="secret").context["texts"][0][1]
    key = ApiKey.objects.of(shop).get()
    sent = {"name": "backend", "scopes": ["orders:read"], "origins": "", **LIMITS}
    assert owner.post(reverse("admin:api_apikey_change", args=[key.pk]), sent).status_code == 302
    refresher.poll()
    assert keys.caller_of(text).scopes == frozenset({"orders:read"})


def test_an_operator_sees_keys_and_makes_none(sign_in, shop):
    operator = sign_in("operator")
    key, _text = keys.create_key(shop, "k", "secret")
    assert make(operator).status_code == 403
    assert operator.post(reverse("admin:api_apikey_revoke", args=[key.pk])).status_code == 403


def test_a_signing_secret_is_shown_once_and_retired(owner, shop):
    answer = owner.post(reverse("admin:api_signingsecret_add"), {})
    ((_label, text),) = answer.context["texts"]
    secret = SigningSecret.objects.of(shop).get()
    assert secret.secret == text
    page = owner.get(reverse("admin:api_signingsecret_change", args=[secret.pk])).content.decode()
    assert text not in page
    sent = {"retired_at_0": "2026-01-01", "retired_at_1": "10:00"}
    assert owner.post(reverse("admin:api_signingsecret_change", args=[secret.pk]), sent).status_code == 302
    refresher.poll()
    assert keys.signing_secrets(shop.pk) == ()
