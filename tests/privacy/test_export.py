"""What a person gets to read: all of theirs, in clear, and nothing of anybody else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from commerce_ai.privacy.export import export
from commerce_ai.shop.models import Customer, Shop
from tests.ingest import conftest as doors
from tests.privacy.canary import SAID, WHO, files, through_every_door

shop, other_shop, products, secret_key, send, _patience = (
    doors.shop, doors.other_shop, doors.products, doors.secret_key, doors.send, doors._patience,
)  # fmt: skip
pytestmark = pytest.mark.usefixtures("_patience", "products")


def test_everything_is_there_in_clear(shop: Shop, secret_key: str, send: Any, tmp_path: Path) -> None:
    through_every_door(shop, send, secret_key, tmp_path)
    said = export(shop, WHO)
    text = json.dumps(said)
    assert not {word for word, each in SAID.items() if each not in text}
    assert said["tables"]["shop_customer"][0]["email"] == SAID["email"]
    assert {
        "shop_event", "shop_order", "shop_orderline", "shop_payment", "shop_review", "shop_conversation",
        "shop_message", "shop_consent", "shop_identity", "shop_customerscore", "decisions_decision",
        "ingest_quarantinerow", "ingest_ingestbatch",
    } <= said["tables"].keys()  # fmt: skip


def test_nobody_else_is_in_it(shop: Shop, other_shop: Shop, secret_key: str, send: Any, tmp_path: Path) -> None:
    files(other_shop, tmp_path)
    through_every_door(shop, send, secret_key, tmp_path)
    both = [
        {"userId": name, "anonymousId": f"anon-{name}", "type": "identify", "messageId": f"both-{name}",
         "traits": {"email": email}}
        for name, email in ((WHO, SAID["email"]), ("other", "other@shop.example"))
    ]  # fmt: skip
    send("batch", {"batch": both}, secret_key)
    tables = export(shop, Customer.objects.of(shop).get(external_id=WHO))["tables"]
    assert "other@shop.example" not in json.dumps(tables)
    assert {row["shop_id"] for rows in tables.values() for row in rows} == {shop.pk}
    with pytest.raises(ValueError, match="another shop"):
        export(shop, Customer.objects.of(other_shop).get(external_id=WHO))
