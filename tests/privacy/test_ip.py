"""Where an IP address comes in, and what is stored of it: the network, unless the shop has its fraud checks on."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from commerce_ai import registry
from commerce_ai.api import keys
from commerce_ai.ingest import addresses, tasks
from commerce_ai.ingest.files.pipeline import load_file
from commerce_ai.shop.models import Event, Payment, Shop

WHOLE = {"p1": "203.0.113.77", "p2": "2001:db8:1234:5678::9", "p3": None}
NETWORKS = {"p1": "203.0.113.0", "p2": "2001:db8:1234::", "p3": None}


@pytest.fixture
def shop(db: None) -> Shop:
    return Shop.objects.create(slug="north", name="North", currency="EUR")


def _load(shop: Shop, folder: Path) -> None:
    file = folder / "payments.csv"
    lines = [f"{name},captured,10.00,{ip or ''},2026-01-05T10:00:00Z" for name, ip in WHOLE.items()]
    file.write_text("\n".join(["external_id,status,amount,ip,at", *lines]) + "\n")
    load_file(shop, file, format="csv", table="payments")


def _stored(shop: Shop) -> dict[str, str | None]:
    return dict(Payment.objects.of(shop).values_list("external_id", "ip"))


def test_a_file_of_payments_leaves_networks(shop: Shop, tmp_path: Path) -> None:
    _load(shop, tmp_path)
    assert _stored(shop) == NETWORKS


def test_with_fraud_checks_payments_keep_their_addresses_until_those_are_off(shop: Shop, tmp_path: Path) -> None:
    other = Shop.objects.create(slug="south", name="South", currency="EUR")
    for each in (shop, other):
        registry.switch(each, "fraud", True)
        _load(each, tmp_path)
    assert _stored(shop) == WHOLE
    assert addresses.truncate_stored() == 0
    registry.switch(shop, "fraud", False)
    _look_anew()
    tasks.sweep()
    assert _stored(shop) == NETWORKS
    assert _stored(other) == WHOLE
    assert addresses.truncate_stored() == 0


def test_once_known_the_switch_is_asked_without_the_database(shop: Shop, django_assert_num_queries: Any) -> None:
    addresses.keeps_whole(shop.pk)
    with django_assert_num_queries(0):
        assert addresses.as_stored(shop.pk, "203.0.113.77") == "203.0.113.0"


@pytest.mark.parametrize("fraud", [True, False])
def test_events_never_have_one(
    shop: Shop, client: Client, django_capture_on_commit_callbacks: Any, fraud: bool
) -> None:
    registry.switch(shop, "fraud", fraud)
    key = keys.create_key(shop, "server", "secret")[1]
    said = {
        "type": "track", "event": "Product Viewed", "anonymousId": "a1", "messageId": "m1",
        "context": {"ip": "203.0.113.77", "page": {"title": "from 203.0.113.77", "path": "/2001:db8:1234:5678:1:2:3:9"}},
        "properties": {"product_id": "p1", "ip": "203.0.113.77", "client_ip": "203.0.113.78", "note": "at 203.0.113.79"},
    }  # fmt: skip
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(
            "/v1/batch", json.dumps({"batch": [said]}), "application/json",
            headers={"Authorization": f"Bearer {key}"}, REMOTE_ADDR="203.0.113.80",
        )  # fmt: skip
    assert answer.json()["stored"] == 1
    event = Event.objects.of(shop).get()
    text = json.dumps([event.properties, event.context])
    assert "203.0.113" not in text
    assert "5678" not in text
    assert event.properties["product_id"] == "p1"


@given(st.ip_addresses())
def test_a_network_is_what_the_address_lies_in_and_stays_what_it_is(address: Any) -> None:
    network = addresses.network_of(str(address))
    assert addresses.network_of(network) == network
    if address.version == 4:
        assert network == str(ipaddress.ip_network((address, 24), strict=False).network_address)
    elif address.ipv4_mapped is None:
        assert int(ipaddress.ip_address(network)) == int(address) >> 80 << 80


@pytest.mark.parametrize("text", ["", None, "somewhere", "203.0.113", "1.2.3.4.5", "fe80::1%eth0"])
def test_what_is_no_address_is_not_stored(shop: Shop, text: str | None) -> None:
    assert addresses.as_stored(shop.pk, text) in (None, "fe80::")


def test_a_mapped_address_is_cut_like_the_one_it_holds() -> None:
    assert addresses.network_of("::ffff:203.0.113.77") == "203.0.113.0"


def _look_anew() -> None:
    from commerce_ai.shop.revision import refresher

    refresher.poll()
