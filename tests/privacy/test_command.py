"""`manage.py privacy export|erase CUSTOMER`: the same as the functions, for a shop by its short name."""

import json
from io import StringIO

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command

from commerce_ai import registry
from commerce_ai.privacy import register
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


def test_the_record_of_processing_names_every_table_with_something_personal_of_every_plugin(tmp_path):
    said, file = StringIO(), tmp_path / "record.md"
    call_command("privacy", "record", stdout=said)
    call_command("privacy", "record", "--output", str(file))
    text = said.getvalue()
    assert file.read_text().strip() == text.strip()
    headed = {line.rpartition("(`")[2].removesuffix("`)") for line in text.splitlines() if line.startswith("## ")}
    of_plugins = set()
    for plugin in registry.plugins():
        for model in apps.get_app_config(plugin.slug).get_models():
            if entries := list(register.entries_of(model)):
                of_plugins.add(model._meta.label)
                section = text.partition(f"(`{model._meta.label}`)")[2].partition("\n## ")[0]
                assert all(f"`{each.column}" in section for each in entries), model
            else:  # then every column that could hold words says why it holds none of a person
                assert model._meta.label not in headed
    assert of_plugins <= headed
    assert {"shop.Customer", "shop.Event", "ingest.QuarantineRow"} <= headed
    assert any(label.startswith("advertising.") for label in of_plugins)
