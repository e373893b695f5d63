"""Every admin page of every table: with rows and without, by role, and never with another shop's rows."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils.html import escape

from commerce_ai.console.shop_admin import Scoped
from commerce_ai.shop.models import Shop
from tests.console import rows

INSTALL = {get_user_model(), Group}  # superusers' tables, of no shop
OF_SHOP = [model for model, page in admin.site._registry.items() if isinstance(page, Scoped)]
IDS = [model._meta.label for model in OF_SHOP]


def filled_in(page):
    """What a browser sends of a product's form, rows below it left out."""
    sent = {name: "" if value is None else value for name, value in page.context["adminform"].form.initial.items()}
    for formset in page.context["inline_admin_formsets"]:
        sent |= {f"{formset.formset.prefix}-{field}": 0 for field in ("TOTAL_FORMS", "INITIAL_FORMS")}
    return sent | {"attributes": "{}", "tags": "", "created_at_0": "2026-01-01", "created_at_1": "10:00"}


def address(model, page, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def path_of(model):
    return admin.site._registry[model].shop_path


def test_every_registered_table_is_scoped():
    assert set(admin.site._registry) - INSTALL - {Shop} == set(OF_SHOP)


def test_every_table_of_the_shop_has_a_page():
    from django.apps import apps

    # Keys of duplicates, the refresher's numbers, hashes of who was erased: nothing for people.
    hidden = {"EventKey", "Revision", "Tombstone"}
    tables = {model for model in apps.get_app_config("shop").get_models() if model.__name__ not in hidden}
    assert tables <= set(admin.site._registry)


def test_no_filter_asks_a_table_for_its_distinct_values_or_for_other_shops_rows():
    for model in OF_SHOP:
        for each in admin.site._registry[model].list_filter:
            if isinstance(each, str):
                field = model._meta.get_field(each)
                assert field.choices or field.get_internal_type() == "BooleanField", (model, each)


@pytest.mark.parametrize("model", OF_SHOP, ids=IDS)
def test_an_empty_list_says_the_next_step(owner, model):
    answer = owner.get(address(model, "changelist"))
    assert answer.status_code == 200
    if model._meta.model_name != "shopmember":
        heading = str(admin.site._registry[model].next_step).partition(". ")[0]
        assert f"<h2>{escape(heading)}</h2>" in answer.content.decode()


@pytest.fixture
def filled(shop, other):
    rows.fill(shop)
    rows.fill(other)


def test_lists_and_rows_open_for_an_owner_and_hold_no_other_shops_rows(owner, shop, other, filled):
    seen = 0
    for model in OF_SHOP:
        ours, theirs = rows.first_row(model, shop, path_of(model)), rows.first_row(model, other, path_of(model))
        assert ours is not None, f"no row of {model.__name__} was made"
        listed = owner.get(address(model, "changelist"))
        assert listed.status_code == 200, model
        content = listed.content.decode()
        assert address(model, "change", ours.pk) in content, model

        assert owner.get(address(model, "change", ours.pk)).status_code == 200, model
        assert owner.get(address(model, "history", ours.pk)).status_code == 200, model
        if theirs is None:
            continue
        seen += 1
        assert address(model, "change", theirs.pk) not in content, model
        for page in ("change", "delete", "history"):
            # 403 where nobody may write the table at all: the same for a row that never was.
            refused = {404} if page != "delete" else {403, 404}
            assert owner.get(address(model, page, theirs.pk)).status_code in refused, (model, page)
            assert owner.post(address(model, page, theirs.pk)).status_code in {403, 404}, (model, page)
    assert seen > 40


def test_actions_of_pages_know_no_other_shops_rows(owner, other, filled):
    """The addresses beside Django's own five: actions on one row."""
    own = {"changelist", "add", "change", "delete", "history"}
    tried = 0
    for model in OF_SHOP:
        theirs = rows.first_row(model, other, path_of(model))
        prefix = f"{model._meta.app_label}_{model._meta.model_name}_"
        for pattern in admin.site._registry[model].get_urls():
            name = (pattern.name or "").removeprefix(prefix)
            if name in own or not pattern.name or "object_id" not in str(pattern.pattern) or theirs is None:
                continue
            tried += 1
            for send in (owner.get, owner.post):
                assert send(address(model, name, theirs.pk)).status_code == 404, (model, name)
    assert tried >= 7


def test_forms_for_adding_open(owner, filled):
    for model in OF_SHOP:
        page = admin.site._registry[model]
        answer = owner.get(address(model, "add"))
        writable = page.writer is not None and model._meta.model_name != "schedulestate"
        expected = 200 if writable or model._meta.model_name == "run" else 403
        assert answer.status_code == expected, model


def test_choices_of_forms_are_of_the_shop(owner, shop, other, filled):
    from commerce_ai.shop.models import Location, Product, StockLevel

    theirs = {"product": Product.objects.of(other).first(), "location": Location.objects.of(other).first()}
    sent = {"product": theirs["product"].pk, "location": theirs["location"].pk, "on_hand": 5, "reserved": 0}
    answer = owner.post(address(StockLevel, "add"), sent)
    assert answer.status_code == 200
    assert set(answer.context["adminform"].form.errors) == {"product", "location"}
    query = {"app_label": "shop", "model_name": "stocklevel", "field_name": "product"}
    found = owner.get(reverse("admin:autocomplete"), query).json()["results"]
    assert {each["id"] for each in found} == {str(each.pk) for each in Product.objects.of(shop)}


def test_an_analyst_reads_and_writes_nothing(sign_in, shop, filled):
    analyst = sign_in("analyst")
    for model in OF_SHOP:
        page, row = admin.site._registry[model], rows.first_row(model, shop, path_of(model))
        expected = 200 if page.viewer == "analyst" else 403
        assert analyst.get(address(model, "changelist")).status_code == expected, model
        assert analyst.get(address(model, "change", row.pk)).status_code in (expected, 404), model
        assert analyst.get(address(model, "add")).status_code == 403, model
        assert analyst.post(address(model, "change", row.pk), {}).status_code in (403, 404), model
        assert analyst.post(address(model, "delete", row.pk), {"post": "yes"}).status_code in (403, 404), model


def test_an_operator_writes_rows_but_neither_members_nor_keys(sign_in, shop, filled):
    from commerce_ai.api.models import ApiKey
    from commerce_ai.shop.models import Product, ShopMember

    operator = sign_in("operator")
    product = Product.objects.of(shop).first()
    page = operator.get(address(Product, "change", product.pk))
    sent = filled_in(page) | {"title": "A better lamp", "price": "12.50"}
    answer = operator.post(address(Product, "change", product.pk), sent)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    product.refresh_from_db()
    assert product.title == "A better lamp"
    assert operator.get(address(ShopMember, "add")).status_code == 403
    assert operator.get(address(ApiKey, "add")).status_code == 403
    assert operator.get(address(ApiKey, "changelist")).status_code == 200


def test_nobody_from_outside(client, sign_in, shop, filled):
    stranger = sign_in(member=False)
    for model in OF_SHOP:
        assert client.get(address(model, "changelist")).status_code == 302
        assert stranger.get(address(model, "changelist")).status_code == 403


def test_a_superuser_switches_between_all_shops(sign_in, shop, other, filled):
    from commerce_ai.shop.models import Product

    someone = sign_in(superuser=True)
    for each in (shop, other):
        someone.post(reverse("console:shop-switch"), {"shop": each.pk})
        listed = someone.get(address(Product, "changelist")).content.decode()
        for product in Product.objects.all():
            assert (address(Product, "change", product.pk) in listed) == (product.shop_id == each.pk)
    for model in INSTALL:
        assert someone.get(address(model, "changelist")).status_code == 200
        assert someone.get(address(model, "add")).status_code == 200
    assert someone.get(address(Shop, "add")).status_code == 200
