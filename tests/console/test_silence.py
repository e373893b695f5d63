"""What a shop takes silence for: said on the shop's own page, by its owner."""

from __future__ import annotations

from django.urls import reverse

from commerce_ai.shop import consent

SENT = {"name": "Garden Shop", "currency": "EUR", "timezone": "Asia/Tokyo", "country": ""}


def test_the_owner_says_what_silence_means(owner, shop):
    address = reverse("admin:shop_shop_change", args=[shop.pk])
    assert "opt-out" in owner.get(address).content.decode()
    sent = {**SENT, "silence_ads": "opt_in", "silence_analytics": "opt_out"}
    assert owner.post(address, sent).status_code == 302
    shop.refresh_from_db()
    assert shop.settings["consent"] == {"ads": "opt_in"}
    assert not consent.allows(shop.pk, "ads", anonymous_id="v") and consent.allows(shop.pk, "analytics")
    assert owner.post(address, SENT).status_code == 302  # what is not said stays
    shop.refresh_from_db()
    assert shop.settings["consent"] == {"ads": "opt_in"}


def test_nonsense_is_an_error_on_the_field(owner, shop):
    page = owner.post(reverse("admin:shop_shop_change", args=[shop.pk]), {**SENT, "silence_ads": "perhaps"})
    assert "silence_ads" in page.context["adminform"].form.errors
