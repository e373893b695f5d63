"""A person put through every door, and what is left of them after erase: nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.db import connection, models
from django.test.utils import isolate_apps

from commerce_ai.ingest import customers, project
from commerce_ai.ingest.models import IngestBatch
from commerce_ai.learning.models import Version
from commerce_ai.privacy import holdings
from commerce_ai.privacy.erase import erase
from commerce_ai.privacy.export import export
from commerce_ai.privacy.models import ErasureLog
from commerce_ai.shop.models import (
    Consent,
    Customer,
    Event,
    Identity,
    Label,
    Order,
    Payment,
    Review,
    Shop,
    ShopModel,
    Tombstone,
)
from commerce_ai.shop.revision import bump, refresher
from tests.ingest import conftest as doors
from tests.privacy.canary import ANONYMOUS, SAID, WHO, files, found, messages, through_every_door

shop, other_shop, products, secret_key, send, _patience = (
    doors.shop, doors.other_shop, doors.products, doors.secret_key, doors.send, doors._patience,
)  # fmt: skip
pytestmark = pytest.mark.usefixtures("_patience", "products")


def test_nothing_is_left_of_a_person_and_the_books_stay(shop: Shop, secret_key: str, send: Any, tmp_path: Path) -> None:
    through_every_door(shop, send, secret_key, tmp_path)
    before = found()
    assert len(set().union(*before.values())) >= 20, before
    assert {"redis", "shop_event", "ingest_quarantinerow", "ingest_ingestbatch", "shop_customer"} <= before.keys()
    events = Event.objects.of(shop).exclude(kind="identify").count()
    done = erase(shop, WHO, reason="asked")
    assert found() == {}
    assert done.counts["shop_customer"] == 1 and done.counts["shop_order"] == 2
    assert set(Order.objects.of(shop).values_list("external_id", "customer", "anonymous_id", "email_hash")) == {
        ("o1", None, "", None), ("o2", None, "", None),
    }  # fmt: skip
    assert Event.objects.of(shop).count() == events
    assert Event.objects.of(shop).filter(name="Product Viewed", product__isnull=False).exists()
    assert Review.objects.of(shop).get().text == "" and Payment.objects.of(shop).get().amount == 5
    bought = Event.objects.of(shop).filter(name="Order Completed", properties__order_id="o1").first()
    assert bought is not None and bought.properties == {
        "order_id": "o1", "total": 20, "products": [{"product_id": "p1", "price": 10, "quantity": 2}],
    }  # fmt: skip
    proof = Consent.objects.of(shop).get()
    assert proof.granted and proof.customer is None and proof.anonymous_id.startswith("erased:")
    assert Customer.objects.of(shop).filter(external_id="somebody").exists()


def test_erasing_twice_is_harmless_and_audited(shop: Shop, secret_key: str, send: Any, tmp_path: Path) -> None:
    through_every_door(shop, send, secret_key, tmp_path)
    person = get_user_model().objects.create(username="ann")
    erase(shop, Customer.objects.of(shop).get(external_id=WHO), by=person, reason="asked")
    again = erase(shop, WHO, by=person)
    assert again.counts == {}
    second, first = ErasureLog.objects.of(shop).order_by("-asked_at")
    assert (first.by, first.reason, second.counts) == (person, "asked", {})
    assert bytes(first.person) == bytes(second.person)
    assert Tombstone.objects.of(shop).exclude(kind="row").count() == 4
    erase(shop, "never heard of")


def test_nothing_that_comes_late_brings_the_person_back(
    shop: Shop, secret_key: str, send: Any, client: Any, tmp_path: Path
) -> None:
    through_every_door(shop, send, secret_key, tmp_path)
    erase(shop, WHO)
    refresher.poll()
    orders, events = Order.objects.of(shop).count(), Event.objects.of(shop).count()
    answer = send("batch", {"batch": messages("-late")}, secret_key)
    assert answer.json()["stored"] == 0
    project.run()
    files(shop, tmp_path, again=True)
    written = _post(client, "customers", secret_key, {"external_id": WHO, "email": SAID["email"]})
    assert written.status_code >= 400
    order = {"external_id": "o3", "customer_id": WHO, "email": SAID["email"], "anonymous_id": ANONYMOUS, "total": "7",
             "placed_at": "2026-01-07T10:00:00Z", "lines": []}  # fmt: skip
    assert _post(client, "orders", secret_key, order).status_code == 201
    assert customers.resolve(shop.pk, [WHO, "new"]).keys() == {"new"}
    assert found() == {}
    assert not Customer.objects.of(shop).filter(external_id=WHO).exists()
    assert (Order.objects.of(shop).count(), Event.objects.of(shop).count()) == (orders + 1, events)
    assert not Order.objects.of(shop).exclude(email_hash=None, customer=None, anonymous_id="").exists()


def test_the_same_id_in_another_shop_is_somebody_else(
    shop: Shop, other_shop: Shop, secret_key: str, send: Any, tmp_path: Path
) -> None:
    files(other_shop, tmp_path)
    before = found(other_shop)
    through_every_door(shop, send, secret_key, tmp_path)
    erase(shop, WHO)
    assert found(other_shop) == before != {}
    assert found(shop) == {}
    assert customers.resolve(other_shop.pk, [WHO]).keys() == {WHO}


def test_others_are_left_alone(shop: Shop, secret_key: str, send: Any, tmp_path: Path) -> None:
    through_every_door(shop, send, secret_key, tmp_path)
    theirs = {"userId": "other", "anonymousId": "anon-other-1"}
    batch = [
        {**theirs, "type": "identify", "messageId": "i9", "traits": {"email": "other@shop.example", "name": "Other"}},
        {**theirs, "type": "track", "event": "Product Viewed", "messageId": "t9", "properties": {"product_id": "p1"}},
        # Somebody else who once sat at the same computer.
        {"userId": "other", "anonymousId": ANONYMOUS, "type": "track", "event": "Product Viewed", "messageId": "t8"},
        *messages("-beside")[:1],
    ]  # fmt: skip
    assert send("batch", {"batch": batch}, secret_key).status_code == 200
    erase(shop, WHO)
    waiting = IngestBatch.objects.of(shop).order_by("-pk").first()
    assert waiting is not None and "other@shop.example" in waiting.contacts and SAID["email"] not in waiting.contacts
    bump("customers", shop)
    refresher.poll()
    project.run()
    other = Customer.objects.of(shop).get(external_id="other")
    assert other.email == "other@shop.example"
    assert Identity.objects.of(shop).filter(customer=other, anonymous_id="anon-other-1").exists()
    assert Event.objects.of(shop).filter(user_id="other", customer=other).count() == 3


@pytest.mark.parametrize("can_be_alone", [True, False])
@isolate_apps()
def test_a_table_of_a_plugin_is_covered_without_being_named(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, can_be_alone: bool
) -> None:
    class Wish(ShopModel):
        customer = models.ForeignKey(Customer, models.DO_NOTHING, null=can_be_alone, related_name="+")
        text = models.TextField()
        price = models.IntegerField(default=3)
        personal = {"text": "wishes"}

        class Meta:
            app_label = "wishes"

    with connection.schema_editor() as editor:
        editor.create_model(Wish)
    tables = holdings._tables()
    monkeypatch.setattr(holdings, "_tables", lambda: [*tables, Wish])
    one, other = (Customer.objects.create(shop=shop, external_id=name) for name in (WHO, "other"))
    for each in (one, other):
        Wish.objects.create(shop=shop, customer=each, text=f"wish of {each.external_id}")
    assert [row["text"] for row in export(shop, WHO)["tables"]["wishes_wish"]] == [f"wish of {WHO}"]
    assert erase(shop, WHO).counts["wishes_wish"] == 1
    left = set(Wish.objects.of(shop).values_list("customer", "text", "price"))
    assert left == {(other.pk, "wish of other", 3)} | ({(None, "", 3)} if can_be_alone else set())


def test_a_label_on_what_they_said_says_nothing_more(shop: Shop, secret_key: str, send: Any, tmp_path: Path) -> None:
    through_every_door(shop, send, secret_key, tmp_path)
    about = {"shop": shop, "subject_type": "review", "subject_id": Review.objects.of(shop).get().pk}
    Label.objects.create(**about, task="sentiment", value="good", details={"span": SAID["review"]})
    erase(shop, WHO)
    assert Label.objects.of(shop).get().details == {} and found() == {}


def test_the_audit_trail_keeps_that_somebody_changed_it_and_not_what_the_person_called_it(
    shop: Shop, secret_key: str, send: Any, tmp_path: Path
) -> None:
    through_every_door(shop, send, secret_key, tmp_path)
    review = Review.objects.of(shop).get()
    user = get_user_model().objects.create_user("grace")
    LogEntry.objects.log_actions(user.pk, [review], CHANGE, "Changed.")
    named = LogEntry.objects.get()
    assert named.object_repr
    erase(shop, WHO, reason="asked")
    kept = LogEntry.objects.get()
    assert (kept.user, kept.object_repr, kept.object_id) == (user, "", named.object_id)


def test_versions_that_learnt_from_the_person_are_named(shop: Shop, secret_key: str, send: Any, tmp_path: Path) -> None:
    through_every_door(shop, send, secret_key, tmp_path)
    now = datetime.now(UTC)

    def version(trained_from: datetime, trained_until: datetime, manifest: str = "m") -> int:
        return Version.objects.create(
            shop=shop, slot="s", learner="l", recipe="r", exclusive_key="s", state="retired", manifest=manifest,
            trained_from=trained_from, trained_until=trained_until,
        ).pk  # fmt: skip

    covers = version(datetime(2020, 1, 1, tzinfo=UTC), now + timedelta(days=1))
    version(datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC))
    version(datetime(2020, 1, 1, tzinfo=UTC), now + timedelta(days=1), manifest="")
    assert erase(shop, WHO).versions == (covers,)
    assert ErasureLog.objects.of(shop).get().versions == [covers]


def _post(client: Any, table: str, key: str, body: dict[str, Any]) -> Any:
    return client.post(
        f"/api/v1/{table}", body, content_type="application/json", headers={"Authorization": f"Bearer {key}"}
    )
