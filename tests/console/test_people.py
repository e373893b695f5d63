"""Contact data: masked, shown on request, and who looked is written down. Members: the last owner stays."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import authenticate, get_user_model
from django.urls import reverse

from commerce_ai.api.keys import create_key
from commerce_ai.privacy import requests
from commerce_ai.privacy.models import ErasureLog, PrivacyRequest
from commerce_ai.shop.models import Customer, ShopMember
from tests.factories import CustomerFactory, OrderFactory, ShopMemberFactory, UserFactory

User = get_user_model()


def customer_of(shop):
    return CustomerFactory(
        shop=shop, email="ada@example.org", phone="+49 30 123456", name="Ada Example", address="Street 1"
    )


def test_contact_data_is_masked_in_list_and_row(owner, shop):
    customer = customer_of(shop)
    for address in ("admin:shop_customer_changelist", "admin:shop_customer_change"):
        args = [customer.pk] if address.endswith("change") else []
        page = owner.get(reverse(address, args=args)).content.decode()
        assert not any(word in page for word in ("ada@example.org", "Ada Example", "123456", "Street 1"))
    assert "••••••" in page


def test_lists_decrypt_nothing(owner, shop, monkeypatch):
    from commerce_ai import crypto

    OrderFactory(shop=shop, customer=customer_of(shop))
    monkeypatch.setattr(crypto, "decrypt", lambda *args, **options: pytest.fail("a list decrypted a column"))
    for table in ("customer", "order", "identity"):
        assert owner.get(reverse(f"admin:shop_{table}_changelist")).status_code == 200


def test_saving_a_customer_keeps_what_is_masked(owner, shop):
    customer = customer_of(shop)
    address = reverse("admin:shop_customer_change", args=[customer.pk])
    page = owner.get(address)
    sent = {name: "" if value is None else value for name, value in page.context["adminform"].form.initial.items()}
    for formset in page.context["inline_admin_formsets"]:
        sent |= {f"{formset.formset.prefix}-{field}": 0 for field in ("TOTAL_FORMS", "INITIAL_FORMS")}
    sent |= {"country": "FR", "attributes": "{}"}
    assert owner.post(address, sent).status_code == 302
    kept = Customer.objects.of(shop).get(pk=customer.pk)
    assert (kept.country, kept.email, kept.email_hash) == ("FR", "ada@example.org", customer.email_hash)


def test_looking_at_contact_data_is_written_down(owner, shop):
    customer = customer_of(shop)
    address = reverse("admin:shop_customer_contact", args=[customer.pk])
    assert owner.get(address).status_code == 405
    answer = owner.post(address)
    assert "ada@example.org" in answer.content.decode() and "no-store" in answer["Cache-Control"]
    assert LogEntry.objects.get().get_change_message() == "Looked at the contact data."


def test_an_analyst_does_not_look(sign_in, shop):
    assert (
        sign_in("analyst").post(reverse("admin:shop_customer_contact", args=[customer_of(shop).pk])).status_code == 403
    )


def test_an_owner_exports_a_customer_and_takes_the_file_away(owner, sign_in, shop, other):
    customer = customer_of(shop)
    page = reverse("admin:shop_customer_privacy", args=[customer.pk])
    assert page in owner.get(reverse("admin:shop_customer_change", args=[customer.pk])).content.decode()
    assert owner.get(page).status_code == 200
    there = owner.post(page, {"action": "export"})["Location"]
    assert requests.work() == 1
    [asked] = PrivacyRequest.objects.of(shop)
    file = reverse("admin:privacy_privacyrequest_file", args=[asked.pk])
    assert (asked.by, asked.state) == (owner.user, "done") and file in owner.get(there).content.decode()
    taken = owner.get(file)
    assert b"ada@example.org" in b"".join(taken.streaming_content) and "no-store" in taken["Cache-Control"]
    log = LogEntry.objects.filter(object_id=asked.pk).order_by("pk")
    assert [each.get_change_message() for each in log] == ["Asked for.", "Took the export away."]
    for role in ("operator", "analyst"):
        browser = sign_in(role)
        assert {browser.get(each).status_code for each in (page, file, there)} == {403}
        assert page not in browser.get(reverse("admin:shop_customer_change", args=[customer.pk])).content.decode()
    _key, text = create_key(shop, "server", "secret")
    asked_by_key = requests.ask(shop, "export", customer.external_id, api_key_id=_key.pk)
    requests.work()
    assert owner.get(reverse("admin:privacy_privacyrequest_file", args=[asked_by_key.pk])).status_code == 404


def test_erasing_asks_twice_and_the_person_is_not_typed_in_again(owner, shop):
    customer = customer_of(shop)
    page = reverse("admin:shop_customer_privacy", args=[customer.pk])
    assert owner.post(page, {"action": "erasure", "confirm": "other"}).status_code == 200
    assert requests.work() == 0
    assert owner.post(page, {"action": "erasure", "confirm": customer.external_id}).status_code == 302
    assert requests.work() == 1 and not Customer.objects.of(shop).exists()
    assert ErasureLog.objects.of(shop).get().by == owner.user
    assert owner.get(reverse("admin:privacy_erasurelog_changelist")).status_code == 200
    sent = {"external_id": customer.external_id, "attributes": "{}", "created_at_0": "2026-01-01",
            "created_at_1": "10:00"}  # fmt: skip
    again = owner.post(reverse("admin:shop_customer_add"), sent)
    assert again.context["adminform"].form.errors["external_id"] == ["This person was erased."]


def test_customers_are_found_by_address_and_number(owner, shop):
    customer = customer_of(shop)
    CustomerFactory(shop=shop)
    for term in (" ADA@example.org", "+49 30 123456", customer.external_id):
        listed = owner.get(reverse("admin:shop_customer_changelist"), {"q": term}).context["cl"].result_list
        assert [each.pk for each in listed] == [customer.pk], term


def test_a_new_member_gets_an_account_and_a_password_shown_once(owner, shop, client):
    sent = {"username": "grace", "email": "grace@example.org", "role": "operator"}
    answer = owner.post(reverse("admin:shop_shopmember_add"), sent)
    (_name, password) = answer.context["texts"][1]
    assert "no-store" in answer["Cache-Control"] and password in answer.content.decode()
    user = authenticate(username="grace", password=password)
    assert user.is_staff and not user.is_superuser
    assert ShopMember.objects.of(shop).get(user=user).role == "operator"
    assert password not in owner.get(reverse("admin:shop_shopmember_changelist")).content.decode()


def test_an_account_that_is_there_joins_and_keeps_its_password(owner, shop, other):
    user = UserFactory(username="grace")
    ShopMemberFactory(shop=other, user=user, role="owner")
    answer = owner.post(reverse("admin:shop_shopmember_add"), {"username": "grace", "role": "analyst"})
    assert answer.status_code == 302
    assert ShopMember.objects.of(shop).get(user=user).role == "analyst"
    assert authenticate(username="grace", password="secret") == user
    again = owner.post(reverse("admin:shop_shopmember_add"), {"username": "grace", "role": "owner"})
    assert "username" in again.context["adminform"].form.errors


def test_the_last_owner_stays(owner, shop):
    me = ShopMember.objects.of(shop).get(user=owner.user)
    owner.post(reverse("admin:shop_shopmember_change", args=[me.pk]), {"role": "analyst"})
    assert owner.post(reverse("admin:shop_shopmember_delete", args=[me.pk]), {"post": "yes"}).status_code == 403
    me.refresh_from_db()
    assert me.role == "owner"
    second = ShopMemberFactory(shop=shop, role="owner")
    owner.post(reverse("admin:shop_shopmember_change", args=[second.pk]), {"role": "analyst"})
    second.refresh_from_db()
    assert second.role == "analyst"


def test_an_owner_changes_their_shop_only(owner, shop, other):
    sent = {"name": "Renamed", "currency": "EUR", "timezone": "Europe/Paris", "country": "FR"}
    assert owner.post(reverse("admin:shop_shop_change", args=[shop.pk]), sent).status_code == 302
    assert owner.post(reverse("admin:shop_shop_change", args=[other.pk]), sent).status_code == 404
    shop.refresh_from_db()
    assert (shop.name, shop.timezone) == ("Renamed", "Europe/Paris")
    assert owner.get(reverse("admin:shop_shop_add")).status_code == 403
