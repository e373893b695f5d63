"""`manage.py plugins`: a new shop's are all off, and one command switches them."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from commerce_ai import registry
from commerce_ai.models import ScheduleState
from commerce_ai.shop.models import Shop
from commerce_ai.shop.revision import refresher

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> Shop:
    return Shop.objects.create(slug="mine", name="Mine", currency="EUR", timezone="UTC")


def run(*arguments: str) -> dict[str, str]:
    out = io.StringIO()
    call_command("plugins", "--shop", "mine", *arguments, stdout=out)
    refresher.poll()
    return {line.split()[1]: line.split()[0] for line in out.getvalue().splitlines()}


def test_plugins_are_off_until_somebody_switches_them_on(shop: Shop) -> None:
    listed = run()
    assert set(listed) == {each.slug for each in registry.plugins()} and set(listed.values()) == {"off"}
    assert run("--on", "recommendation", "fraud")["fraud"] == "on"
    assert registry.is_on(shop.pk, "recommendation") and not registry.is_on(shop.pk, "support")
    assert ScheduleState.objects.filter(shop=shop, plugin="fraud").exists()
    after = run("--off", "fraud", "--on", "support")
    assert (after["fraud"], after["support"], after["recommendation"]) == ("off", "on", "on")
    assert not registry.is_on(shop.pk, "fraud")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--on", "support", "recomendation"], "there is no plugin “recomendation”; there are: "),
        (["--on", "fraud", "--off", "fraud"], "fraud can't be switched on and off at once"),
    ],
)
def test_what_can_not_be_done_is_one_line_and_changes_nothing(shop: Shop, arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words) as said:
        run(*arguments)
    assert said.value.returncode == 2 and set(run().values()) == {"off"}


def test_a_shop_that_is_not_there_is_named(shop: Shop) -> None:
    with pytest.raises(CommandError, match="there is no shop “yours”; there are: mine"):
        call_command("plugins", "--shop", "yours")
