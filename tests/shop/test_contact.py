import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_ai.shop.contact import email_hash, normal_email, normal_phone, phone_hash


@pytest.mark.parametrize(
    ("text", "normal"),
    [(" Ada@Example.ORG\n", "ada@example.org"), ("ａｄａ@example.org", "ada@example.org"), ("ada", ""), ("", "")],
)
def test_addresses_are_compared_in_one_form(text, normal):
    assert normal_email(text) == normal


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("+49 (0)30 123-456", "+4930123456"),
        ("0049 30 123456", "+4930123456"),
        ("030/123456", "030123456"),
        ("+1 (555) 010-9999", "+15550109999"),
        ("none", ""),
        ("1234", ""),
    ],
)
def test_numbers_are_compared_in_one_form(text, normal):
    assert normal_phone(text) == normal


@given(st.text())
def test_the_normal_form_is_its_own(text):
    assert normal_email(normal_email(text)) == normal_email(text)
    assert normal_phone(normal_phone(text)) == normal_phone(text)


def test_no_contact_has_no_hash():
    assert email_hash("") is phone_hash("12") is None
    assert email_hash("A@b.de") == email_hash("a@B.de") != email_hash("c@b.de")
