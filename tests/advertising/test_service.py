"""The decision: by gain, by chance, within caps and consent, and what is kept of it."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from commerce_ai.api.callers import Subject
from commerce_ai.decisions.models import Decision
from commerce_ai.ingest import memory
from commerce_ai.privacy.erase import erase
from commerce_ai.shop import consent
from commerce_ai.shop.consent import Purpose
from commerce_ai.shop.models import AdSpend, Campaign
from commerce_ai.shop.revision import refresher
from plugins.advertising import caps, worth
from plugins.advertising.answers import Request
from plugins.advertising.service import decide, key_of


def of(customer, anonymous_id=None) -> Subject:
    return Subject(customer_external_id=customer.external_id, anonymous_id=anonymous_id, proven=True)


def kept(answer) -> Decision:
    return Decision.objects.get(id=UUID(answer.decision_id))


def codes(answer) -> list[str]:
    return [each.code for each in answer.reasons]


def refuse(shop, purpose, **who) -> None:
    consent.record(shop, purpose=purpose, granted=False, source="test", **who)
    refresher.poll()


def test_without_a_version_a_random_share_is_shown_and_the_answer_says_so(shop, people, campaign):
    found = [decide(shop.pk, of(each), Request(placement="home")) for each in people]
    assert {each.arm for each in found} == {"shown", "held_out"}
    assert all(each.fallback and "No version is live" in each.fallback_reason for each in found)
    assert all(each.propensity == 0.5 and each.version is None and each.stored for each in found)
    row = kept(found[0])
    assert row.kind == "ads" and row.placement == "home" and row.customer_id == people[0].pk and not row.durable
    assert row.payload["context"]["considered"] == campaign.pk and row.payload["context"]["propensity"] == 0.5
    assert row.flags == ["fallback"] and row.arm == found[0].arm and row.reasons == codes(found[0])
    again = decide(shop.pk, of(people[0]), Request())
    assert again.arm == found[0].arm, "who is left alone stays left alone until it can be judged"


def test_the_live_version_shows_what_pays_and_leaves_the_others_alone(
    shop, people, campaign, score, go_live, configure
):
    version = go_live()
    configure(explore_percent=1)
    score(people[:30], [0.2] * 15 + [0.01] * 15)  # an order is worth 50 × 30 % = 15; showing costs 0.50
    found = {each: decide(shop.pk, of(each), Request()) for each in people[:30]}
    by_gain = [each for each in found.values() if "by_chance" not in codes(each)[0]]
    assert len(by_gain) >= 24
    for place, (_customer, answer) in enumerate(found.items()):
        if answer in by_gain:
            assert (answer.campaign is not None) == (place < 15) and not answer.fallback
            assert codes(answer) == ["persuadable" if place < 15 else "not_worth_it"]
            assert answer.version == f"advertising.uplift v{version.pk}"
    shown = next(each for each in by_gain if each.campaign)
    assert shown.reasons[0].params == {"points": "20.0", "gain": "2.50", "currency": "EUR"}
    assert shown.campaign.campaign_id == "spring" and kept(shown).version_id == version.pk
    assert shown.propensity == pytest.approx(1 - 0.01 / 2)


def test_the_best_of_several_campaigns_is_chosen(shop, people, campaign, score, go_live, configure):
    go_live()
    configure(explore_percent=1)
    other = Campaign.objects.create(shop=shop, external_id="cheap", name="Cheap", attributes={"cost_per_contact": 0.01})
    score(people, [0.1] * 40)
    names = [
        answer.campaign.campaign_id for each in people if (answer := decide(shop.pk, of(each), Request())).campaign
    ]
    assert names.count(other.external_id) > 35
    asked = decide(shop.pk, of(people[0]), Request(campaigns=("spring",)))
    assert kept(asked).payload["context"]["campaign"] == "spring"


def test_an_unknown_customer_and_a_visitor_get_the_fallback(shop, people, campaign, score, go_live):
    go_live()
    score(people[:1], [0.5])
    assert "does not know this customer" in decide(shop.pk, of(people[1]), Request()).fallback_reason
    visitor = decide(shop.pk, Subject(anonymous_id="v1"), Request())
    assert "Of visitors nothing is known" in visitor.fallback_reason and kept(visitor).customer_id is None
    claimed = Subject(customer_external_id=people[0].external_id, anonymous_id="v2", proven=False)
    assert kept(decide(shop.pk, claimed, Request())).customer_id is None


def test_a_refusal_of_ads_is_none_and_nothing_of_the_person_is_kept(shop, people, campaign):
    refuse(shop, Purpose.ADS, customer=people[0])
    refuse(shop, Purpose.ADS, anonymous_id="v1")
    for subject in (of(people[0]), of(people[1], "v1"), Subject(anonymous_id="v1")):
        answer = decide(shop.pk, subject, Request())
        assert answer.campaign is None and codes(answer) == ["no_consent"] and answer.arm == "" and not answer.fallback
        row = kept(answer)
        assert row.customer_id is None and row.anonymous_id == "" and row.payload == {}


def test_where_the_shop_asks_first_silence_is_a_no(shop, people, campaign):
    consent.set_silences(shop, {"ads": "opt_in"})
    consent.record(shop, customer=people[1], purpose=Purpose.ADS, granted=True, source="test")
    refresher.poll()
    assert codes(decide(shop.pk, of(people[0]), Request())) == ["no_consent"]
    assert decide(shop.pk, of(people[1]), Request()).arm


def test_without_personalisation_nothing_known_of_the_person_is_used(shop, people, campaign, score, go_live):
    go_live()
    score(people[:1], [0.5])
    refuse(shop, Purpose.PERSONALISATION, customer=people[0])
    answer = decide(shop.pk, of(people[0]), Request())
    assert answer.fallback and "personalisation" in answer.fallback_reason and "by_chance" in codes(answer)[0]


def test_caps_hold_and_survive_a_loss_of_redis(shop, people, campaign, configure):
    configure(random_percent=99, most_a_day=2, most_a_week=3)
    lucky = next(each for each in people if decide(shop.pk, of(each), Request()).arm == "shown")
    assert decide(shop.pk, of(lucky), Request()).arm == "shown"
    assert codes(decide(shop.pk, of(lucky), Request())) == ["capped_day"]
    memory.client().flushdb()
    answer = decide(shop.pk, of(lucky), Request())
    assert codes(answer) == ["capped_day"] and answer.arm == "" and answer.propensity is None


def test_a_look_neither_stores_nor_counts(shop, people, campaign, configure):
    configure(random_percent=99, most_a_day=1)
    found = [decide(shop.pk, of(people[0]), Request(), keep=False) for _ in range(3)]
    assert len({each.arm for each in found}) == 1 and not Decision.objects.of(shop).exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "paused"},
        {"starts_at": timezone.now() + timedelta(days=1)},
        {"ends_at": timezone.now() - timedelta(days=1)},
        {"budget": 10},
    ],
)
def test_what_does_not_run_is_not_shown(shop, people, campaign, changed):
    AdSpend.objects.create(shop=shop, campaign=campaign, day=timezone.now().date(), impressions=10, cost=10)
    Campaign.objects.of(shop).filter(pk=campaign.pk).update(**changed)
    assert codes(decide(shop.pk, of(people[0]), Request())) == ["no_campaign"]


def test_the_cost_comes_from_the_campaign_else_from_its_spend(shop, campaign):
    AdSpend.objects.create(shop=shop, campaign=campaign, day=timezone.now().date(), impressions=10, cost=3)
    assert [each.cost for each in worth.read_campaigns(shop.pk)] == [0.5]
    Campaign.objects.of(shop).update(attributes={})
    assert [each.cost for each in worth.read_campaigns(shop.pk)] == [pytest.approx(0.3)]


def test_the_emergency_switch_stops_everything(shop, people, campaign, configure):
    configure(hold=True)
    answer = decide(shop.pk, of(people[0]), Request())
    assert answer.campaign is None and answer.fallback and codes(answer) == ["stopped"]


def test_warm_nothing_is_read_from_postgres(shop, people, campaign, score, go_live, django_assert_num_queries):
    go_live()
    score(people[:1], [0.5])
    decide(shop.pk, of(people[0]), Request())
    with django_assert_num_queries(3) as asked:  # within a test's transaction the INSERT stands in a savepoint
        decide(shop.pk, of(people[0]), Request())
    assert all(each["sql"].startswith(("INSERT INTO decisions_decision", "SAVEPOINT", "RELEASE")) for each in asked)


def test_of_an_erased_customer_no_counter_is_left(shop, people, campaign):
    for each in people:
        decide(shop.pk, of(each), Request())
    shown = [each for each in people if counters_of(shop, each.pk)]
    assert shown
    gone, pk = shown[0], shown[0].pk
    erase(shop, gone)
    assert not counters_of(shop, pk) and all(counters_of(shop, each.pk) for each in shown[1:])


def counters_of(shop, customer_id: int) -> int:
    return memory.client().exists(caps._person(shop.pk, key_of(customer_id, "")))
