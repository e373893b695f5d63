"""A proposal is decided once, by one; what its approval writes and its state are one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, models
from django.test.utils import isolate_apps
from django.utils import timezone

from commerce_ai.decisions.proposals import AlreadyDecided, Proposal, Refused, State, chosen, decide
from tests.factories import ShopFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def offers(db: None) -> Iterator[Any]:
    """A table of proposals of the tests' own; approving one puts its number on the wall."""
    with isolate_apps("commerce_ai.decisions") as found:
        found.register_model("auth", get_user_model())

        class Offer(Proposal):
            name = models.CharField(max_length=32)
            applied = models.IntegerField(default=0)

            class Meta:
                app_label = "decisions"

            def apply(self) -> None:
                self.applied += 1
                self.save()
                if self.name == "gone":
                    raise Refused("The thing is gone.")

            def unapply(self) -> None:
                self.applied -= 1

        with connection.schema_editor() as editor:
            editor.create_model(Offer)
        yield Offer


@pytest.fixture
def shop(db: None) -> Any:
    return ShopFactory()


def make(offers: Any, shop: Any, **fields: Any) -> Any:
    return offers.objects.create(shop=shop, **{"name": "A", "expected_gain": Decimal("5.00"), **fields})


def test_approving_applies_and_says_who(offers: Any, shop: Any) -> None:
    offer, person = make(offers, shop), UserFactory()
    offer.approve(person)
    kept = offers.objects.get(pk=offer.pk)
    assert (kept.state, kept.applied, kept.decided_by_id) == (State.APPROVED, 1, person.pk)
    assert kept.decided_at is not None and not kept.is_open


def test_a_program_decides_with_its_key(offers: Any, shop: Any) -> None:
    offer = make(offers, shop)
    offer.reject(17)
    kept = offers.objects.get(pk=offer.pk)
    assert (kept.state, kept.applied, kept.decided_by, kept.decided_by_key) == (State.REJECTED, 0, None, 17)


@pytest.mark.parametrize("then", ["approve", "reject"])
def test_the_second_to_decide_is_told(offers: Any, shop: Any, then: str) -> None:
    offer = make(offers, shop)
    stale = offers.objects.get(pk=offer.pk)
    offer.approve()
    with pytest.raises(AlreadyDecided, match="approved"):
        getattr(stale, then)()
    assert offers.objects.get(pk=offer.pk).applied == 1


def test_what_is_over_can_not_be_approved(offers: Any, shop: Any) -> None:
    offer = make(offers, shop, expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(AlreadyDecided, match="expired"):
        offer.approve()
    assert offers.objects.of(shop).expire() == 1
    assert offers.objects.get(pk=offer.pk).state == State.EXPIRED
    assert offers.objects.of(shop).expire() == 0


def test_undoing_puts_back_and_only_what_was_approved(offers: Any, shop: Any) -> None:
    offer = make(offers, shop)
    with pytest.raises(AlreadyDecided):
        offer.undo()
    offer.approve()
    offer.undo()
    kept = offers.objects.get(pk=offer.pk)
    assert (kept.state, kept.applied) == (State.UNDONE, 0)
    with pytest.raises(AlreadyDecided):
        kept.undo()


def test_what_can_not_be_applied_leaves_no_trace(offers: Any, shop: Any) -> None:
    offer = make(offers, shop, name="gone")
    with pytest.raises(Refused, match="gone"):
        offer.approve()
    kept = offers.objects.get(pk=offer.pk)
    assert (kept.state, kept.applied, kept.decided_at) == (State.PROPOSED, 0, None)


def test_open_ones_come_by_their_gain(offers: Any, shop: Any) -> None:
    small, large = make(offers, shop), make(offers, shop, expected_gain=Decimal(50))
    unknown = make(offers, shop, expected_gain=None)
    make(offers, shop, expires_at=timezone.now())
    make(offers, shop).reject()
    make(offers, ShopFactory())
    assert list(offers.objects.of(shop).open()) == [large, small, unknown]


def test_one_refusal_stops_no_other_of_many(offers: Any, shop: Any) -> None:
    first, gone, last = make(offers, shop), make(offers, shop, name="gone"), make(offers, shop)
    outcome = decide([first, gone, last], "approve")
    assert outcome.done == [first.pk, last.pk] and outcome.refused == {gone.pk: "The thing is gone."}
    with pytest.raises(ValueError, match="no decision"):
        decide([first], "delete")


def test_only_numbers_of_this_shop_are_chosen(offers: Any, shop: Any) -> None:
    ours, theirs = make(offers, shop), make(offers, ShopFactory())
    assert chosen(offers, shop, [str(ours.pk), theirs.pk, "x", "-1", ours.pk]) == [ours]
