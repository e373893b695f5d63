"""Audiences: members by rule, hashes as the platforms match them, consent at the moment of the export, a row for each."""

from __future__ import annotations

import csv
import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_ai.shop import consent
from commerce_ai.shop.consent import Purpose
from plugins.advertising import audiences, hashing
from plugins.advertising.models import Audience, AudienceExport, AudienceMember


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def members(audience: Audience) -> set[int]:
    return set(
        AudienceMember.objects.of(audience.shop_id).filter(audience=audience).values_list("customer_id", flat=True)
    )


def refuse(shop, customer, purpose=Purpose.ADS) -> None:
    consent.record(shop, customer=customer, purpose=purpose, granted=False, source="test")


def test_contacts_are_hashed_in_the_platforms_form():
    assert hashing.hashed_email(" Anna@Example.ORG ") == sha("anna@example.org")
    assert hashing.hashed_phone("+49 (0)30 123-456", "google") == sha("+4930123456")
    assert hashing.hashed_phone("0049 30 123456", "meta") == sha("4930123456")
    assert hashing.hashed_phone("030 123456", "google") == "" and hashing.hashed_email("no address") == ""


@given(st.text(), st.sampled_from(["google", "meta"]))
def test_nothing_but_a_hash_ever_comes_out(text, platform):
    for found in (hashing.hashed_email(text), hashing.hashed_phone(text, platform)):
        assert found == "" or (len(found) == 64 and set(found) <= set("0123456789abcdef"))


def test_a_rule_finds_its_customers(shop, people, score):
    score(people[:20], [0.02 * n - 0.1 for n in range(20)], segment="loyal")
    score(people[20:30], [0.5] * 10, segment="lost")
    refuse(shop, people[19])
    refuse(shop, people[18], Purpose.PERSONALISATION)
    loyal = audiences.build(Audience.objects.create(shop=shop, name="Loyal", segments=["loyal"]))
    assert members(loyal) == {each.pk for each in people[:18]} and loyal.size == 18
    half = audiences.build(Audience.objects.create(shop=shop, name="Half", segments=["loyal"], top_share=0.5))
    assert members(half) == {each.pk for each in people[9:18]}
    assert half.extra_orders == pytest.approx(sum(0.02 * n - 0.1 for n in range(9, 18)))
    most = audiences.build(Audience.objects.create(shop=shop, name="Most", segments=["loyal"], top_share=1))
    assert members(most) == {each.pk for each in people[6:18]}, "who is better left alone is left out"
    rich = audiences.build(Audience.objects.create(shop=shop, name="Rich", minimum_value=501))
    assert rich.size == 0


def test_building_anew_replaces_the_members(shop, people, score):
    score(people, [0.1] * 40)
    audience = audiences.build(Audience.objects.create(shop=shop, name="All"))
    assert audience.size == 40
    refuse(shop, people[0])
    assert audiences.build(audience).size == 39 and people[0].pk not in members(audience)


def test_a_rule_on_what_nobody_has_said_is_refused(shop, people):
    for rule in ({"segments": ["loyal"]}, {"minimum_value": 1}, {"top_share": 0.1}):
        audience = Audience.objects.create(shop=shop, name=f"{rule}", **rule)
        with pytest.raises(audiences.NotScored, match="uplift" if "top_share" in rule else "value"):
            audiences.build(audience)


def test_the_file_holds_who_allows_it_now_and_is_written_down(shop, people):
    audience = audiences.build(Audience.objects.create(shop=shop, name="All"))
    refuse(shop, people[1])
    file = audiences.export(audience, "google", api_key_id=7)
    header, *rows = list(csv.reader(io.StringIO(file.decode())))
    assert header == ["Email", "Phone"] and rows == sorted(rows)
    wanted = {(sha(f"person{n}@example.org"), sha(f"+49301234{n:02}")) for n in range(40) if n % 4 and n != 1}
    assert {tuple(row) for row in rows} == wanted
    assert b"@" not in file and b"+49" not in file
    kept = AudienceExport.objects.of(shop).get()
    assert (kept.rows, kept.without_consent, kept.without_contact, kept.api_key_id) == (29, 1, 10, 7)
    assert kept.sha256 == hashlib.sha256(file).hexdigest() and kept.platform == "google"


def test_silence_is_a_no_where_the_shop_asks_first(shop, people):
    audience = audiences.build(Audience.objects.create(shop=shop, name="All"))
    consent.set_silences(shop, {"ads": "opt_in"})
    with pytest.raises(audiences.TooSmall):
        audiences.export(audience, "google")
    for each in people[:20]:
        consent.record(shop, customer=each, purpose=Purpose.ADS, granted=True, source="test")
    assert audiences.export(audience, "meta").count(b"\n") == 16


def test_fewer_than_ten_leave_the_house_never_and_leave_no_row(shop, people):
    audience = Audience.objects.create(shop=shop, name="Few")
    audience.fill([each.pk for each in people[:12]], None, None)  # three of them without any contact
    with pytest.raises(audiences.TooSmall):
        audiences.export(audience, "google")
    assert not AudienceExport.objects.of(shop).exists()
    assert [audiences.shown_size(n) for n in (0, 9, 10)] == [0, None, 10]


def test_an_erased_customer_is_in_no_audience(shop, people, score):
    from commerce_ai.privacy.erase import erase

    score(people[:15], [0.1] * 15)
    audience = audiences.build(Audience.objects.create(shop=shop, name="All"))
    gone = people[3].pk
    erase(shop, people[3])
    assert gone not in members(audience) and len(members(audience)) == 39
