"""`manage.py privacy export|erase CUSTOMER`: the same as the functions, for a shop by its short name."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from commerce_ai.shop.models import Customer
from tests.factories import CustomerFactory

pytestmark = pytest.mark.django_db


def test_a_customer_is_written_to_a_file_for_its_reader_alone_and_erased(tmp_path):
    customer = CustomerFactory(email="canary@example.org")
    bystander = CustomerFactory(shop=customer.shop)
    file = tmp_path / "held.json"
    call_command("privacy", "export", customer.external_id, "--shop", customer.shop.slug, "--output", str(file))
    assert json.loads(file.read_text())["tables"]["shop_customer"][0]["email"] == "canary@example.org"
    assert file.stat().st_mode & 0o077 == 0

    said = StringIO()
    call_command("privacy", "erase", customer.external_id, "--shop", customer.shop.slug, stdout=said)
    assert "shop_customer: 1" in said.getvalue() and "none" in said.getvalue()
    assert Customer.objects.of(customer.shop).get() == bystander

    printed = StringIO()
    call_command("privacy", "export", customer.external_id, "--shop", customer.shop.slug, stdout=printed)
    assert "canary" not in printed.getvalue()


def test_a_shop_that_is_not_there_is_said():
    with pytest.raises(CommandError, match="nowhere"):
        call_command("privacy", "erase", "C1", "--shop", "nowhere")
