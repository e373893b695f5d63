"""Our ids of customers: kept in mind, but not for ever."""

from __future__ import annotations

import pytest

from commerce_ai.ingest import customers
from commerce_ai.shop.models import Customer, Shop
from commerce_ai.shop.revision import bump, refresher


def test_unknown_customers_are_made_once(shop: Shop, other_shop: Shop) -> None:
    first = customers.resolve(shop.pk, ["c1", "c2", "c1"])
    assert customers.resolve(shop.pk, ["c2", "c3"])["c2"] == first["c2"]
    assert Customer.objects.of(shop).count() == 3
    assert not Customer.objects.of(other_shop).exists()


@pytest.mark.parametrize("told", [True, False])
def test_a_deleted_customer_is_made_anew(
    shop: Shop, django_capture_on_commit_callbacks: object, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        before = customers.resolve(shop.pk, ["c1"])
    Customer.objects.of(shop).delete()
    assert customers.resolve(shop.pk, ["c1"]) == before  # nobody has told us yet
    if told:
        bump("customers", shop)
        refresher.poll()
    else:
        monkeypatch.setattr(customers.time, "monotonic", lambda: 1e12)
    after = customers.resolve(shop.pk, ["c1"])
    assert after == {"c1": Customer.objects.of(shop).get().pk}
    assert after != before
