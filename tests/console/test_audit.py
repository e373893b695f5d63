"""Who changed what: every action of a person leaves an entry that the shop's owner reads, and nobody else does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from commerce_ai import registry
from commerce_ai.console.models import AuditEntry
from commerce_ai.ingest.models import QuarantineRow
from commerce_ai.shop.models import Conversation
from commerce_ai.shop.revision import refresher
from tests.console import rows
from tests.factories import ConversationFactory, MessageFactory, ReviewFactory, ShopMemberFactory
from tests.plugin_factories import (
    AudienceFactory,
    CaseFactory,
    PriceProposalFactory,
    ReorderProposalFactory,
    SentimentAlertFactory,
)

pytestmark = pytest.mark.django_db
TRAIL = "/console/console/auditentry/"


@pytest.fixture
def operator(sign_in):
    return sign_in("operator")


@pytest.fixture
def on(shop):
    for slug in ("pricing", "inventory", "fraud", "support", "sentiment", "advertising", "recommendation"):
        registry.switch(shop, slug, on=True)
    refresher.poll()


def said(shop):
    found = AuditEntry.objects.of(shop).select_related("entry").order_by("entry_id")
    return [each.entry.get_change_message() for each in found]


def test_what_people_do_on_boards_is_written_down(shop, operator, on):
    talk = ConversationFactory(shop=shop, status=Conversation.Status.HANDED_OFF)
    message = MessageFactory(shop=shop, conversation=talk, role="customer")
    review = ReviewFactory(shop=shop)
    approved, rejected = (ReorderProposalFactory(shop=shop, unit_cost=3) for _ in range(2))
    in_talk = {"conversation": talk.external_id}
    of_text = {"kind": "review", "text": review.external_id}
    sent = (
        ("recommendation", {"action": "source", "source": "bestsellers"}, "Changed settings: source."),
        ("fraud", {"action": "confirm", "case": CaseFactory(shop=shop).pk}, "It was fraud"),
        ("pricing", {"action": "reject", "chosen": PriceProposalFactory(shop=shop).pk}, "Rejected."),
        ("inventory", {"action": "edit", "proposal": approved.pk, f"quantity-{approved.pk}": "7"}, "Changed the"),
        ("inventory", {"action": "reject", "proposal": rejected.pk}, "Rejected."),
        ("inventory", {"action": "export-open"}, "Exported as CSV"),
        ("sentiment", {"action": "acknowledge", "alert": SentimentAlertFactory(shop=shop).pk}, "Marked as seen."),
        ("sentiment", {"action": "correct", "label": "negative", **of_text}, "negative instead of"),
        ("support", {"action": "label", "message": message.pk, "intent": "refund", **in_talk}, "refund"),
        ("support", {"action": "answer", "text": "We look into it.", **in_talk}, "Answered."),
        ("support", {"action": "close", **in_talk}, "Closed."),
        ("advertising", {"action": "retrain"}, "Asked for."),
    )
    for slug, form, words in sent:
        before = len(said(shop))
        answer = operator.post(f"/console/{slug}/board/", form)
        assert answer.status_code in (200, 302), (slug, form)
        new = said(shop)[before:]
        assert new and all(words in each for each in new), (slug, form, new)
    assert "We look into it." not in str(said(shop)), "the trail keeps who did what, not what was written to whom"
    assert {each.entry.user for each in AuditEntry.objects.of(shop)} == {operator.user}


def test_an_audience_that_is_built_or_taken_along_is_written_down(shop, operator, on, monkeypatch):
    from plugins.advertising import admin, audiences

    audience = AudienceFactory(shop=shop)
    monkeypatch.setattr(audiences, "export", lambda *args, **options: None)
    monkeypatch.setattr(admin, "as_file", lambda *args: admin.HttpResponseRedirect("/"))
    operator.post("/console/advertising/board/", {"action": "export", "audience": audience.pk, "platform": "google"})
    assert said(shop) == ["Exported for google."]


def test_what_people_do_elsewhere_is_written_down(shop, owner):
    batch = rows.IngestBatch.objects.create(shop=shop, events=3, set_aside_at=rows.NOW)
    tried = {"action": "try_again", "_selected_action": batch.pk}
    owner.post(reverse("admin:ingest_ingestbatch_changelist"), tried)
    bad = rows.make_quarantined(shop)
    owner.post(reverse("admin:ingest_quarantinerow_change", args=[bad.pk]), {"discard": "1"})
    assert QuarantineRow.objects.get().state == "discarded"
    page = owner.get(reverse("console:attribution"))
    form = {name: "" if value is None else value for name, value in page.context["form"].initial.items()}
    form = {name: "\n".join(each) if isinstance(each, tuple) else each for name, each in form.items()}
    owner.post(reverse("console:attribution"), {**form, "click_days": 3})
    owner.post(reverse("console:plugin-switch", args=["fraud"]), {"on": "1"})
    assert said(shop) == [
        "Asked to be tried again.", "Discarded.", "Changed what counts as come of a decision.", "Switched on.",
    ]  # fmt: skip


def test_the_owner_reads_it_filters_it_and_takes_it_along(shop, other, owner, operator):
    theirs = ShopMemberFactory(shop=other, user=owner.user, role="owner")
    owner.post(reverse("console:shop-switch"), {"shop": other.pk})
    owner.post(reverse("console:plugin-switch", args=["pricing"]), {"on": "1"})
    owner.post(reverse("console:shop-switch"), {"shop": shop.pk})
    operator.post(reverse("console:plugin-switch", args=["fraud"]), {"on": "1"})
    owner.post(reverse("admin:shop_shopmember_add"), {"username": "grace", "role": "analyst"})
    page = owner.get(TRAIL).content.decode()
    assert operator.user.username in page and "fraud in" in page and "grace" in page
    assert "pricing in" not in page, "another shop's"
    assert reverse("console:plugins") in page and TRAIL in owner.get("/console/").content.decode()
    narrowed = owner.get(TRAIL, {"by": operator.user.pk, "done": "2"}).context["cl"].result_list
    assert [each.entry.get_change_message() for each in narrowed] == ["Switched on."]
    assert len(owner.get(TRAIL, {"q": "grace"}).context["cl"].result_list) == 1
    kinds = [each for each in narrowed[0].entry.__class__.objects.values_list("content_type", flat=True)]
    assert owner.get(TRAIL, {"what": kinds[0], "during": "7"}).status_code == 200
    assert b"Switched on." in b"".join(owner.get(TRAIL, {"csv": "1"}).streaming_content)
    assert theirs.shop == other


def test_only_owners_read_it_and_nobody_changes_it(shop, owner, sign_in):
    owner.post(reverse("console:plugin-switch", args=["fraud"]), {"on": "1"})
    entry = AuditEntry.objects.of(shop).get()
    there = reverse("admin:console_auditentry_change", args=[entry.pk])
    for role in ("analyst", "operator"):
        browser = sign_in(role)
        assert browser.get(TRAIL).status_code == 403 and browser.get(there).status_code in (403, 404)
        assert TRAIL not in browser.get("/console/").content.decode()
    assert owner.get(there).status_code == 200
    assert owner.post(there, {}).status_code == 403
    assert owner.post(reverse("admin:console_auditentry_delete", args=[entry.pk]), {"post": "yes"}).status_code == 403


def test_an_account_is_not_deleted_with_what_it_did(shop, owner, sign_in):
    someone = sign_in(superuser=True)
    owner.post(reverse("console:plugin-switch", args=["fraud"]), {"on": "1"})
    there = reverse("admin:auth_user_delete", args=[owner.user.pk])
    assert someone.post(there, {"post": "yes"}).status_code == 403
    assert LogEntry.objects.filter(user=owner.user).exists()


def test_the_log_is_written_in_one_place():
    house = Path(__file__).parents[2]
    found = [
        str(each.relative_to(house))
        for folder in ("commerce_ai", "plugins")
        for each in (house / folder).rglob("*.py")
        if re.search(r"LogEntry\.objects\.(log_actions|create|bulk_create)", each.read_text())
    ]
    assert found == ["commerce_ai/console/audit.py"]
