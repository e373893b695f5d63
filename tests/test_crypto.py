import os

import pytest
from django.core.exceptions import FieldError
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from commerce_ai import crypto
from commerce_ai.crypto import DecryptionError, decrypt, encrypt, key_id_of, keyed_hash, reencrypt
from commerce_ai.shop.models import Customer
from tests.factories import CustomerFactory

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.fixture
def keys(settings):
    settings.FIELD_KEYS = {"old": os.urandom(32)}
    return settings


@given(TEXTS, st.text(max_size=40).filter(str.isprintable))
def test_what_is_encrypted_decrypts_in_its_context_alone(text, context):
    sealed = encrypt(text, context=context)
    assert decrypt(sealed, context=context) == text
    if text:
        assert len(text) < 4 or text.encode() not in sealed
        with pytest.raises(DecryptionError):
            decrypt(sealed, context=context + "!")


@given(TEXTS.filter(bool), st.data())
def test_a_changed_byte_is_noticed(text, data):
    sealed = bytearray(encrypt(text, context="c"))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DecryptionError):
        decrypt(bytes(sealed), context="c")


@given(st.binary(min_size=1, max_size=60))
def test_bytes_that_are_none_of_ours_are_refused(noise):
    with pytest.raises(DecryptionError):
        decrypt(noise, context="c")


def test_equal_texts_look_unlike_unless_they_are_of_one_row():
    assert encrypt("a", context="c") != encrypt("a", context="c")
    assert encrypt("a", context="c", row="1") == encrypt("a", context="c", row="1")
    assert encrypt("a", context="c", row="1") != encrypt("a", context="c", row="2")
    assert encrypt("a", context="c", row="1") != encrypt("a", context="d", row="1")
    assert decrypt(encrypt("a", context="c", row="1"), context="c") == "a"


def test_a_new_key_encrypts_while_the_old_one_still_decrypts(keys):
    before = encrypt("a", context="c")
    keys.FIELD_KEYS = {"new": os.urandom(32), **keys.FIELD_KEYS}
    assert decrypt(before, context="c") == "a"
    after = reencrypt(before, context="c")
    assert (key_id_of(before), key_id_of(after)) == ("old", "new")
    assert reencrypt(after, context="c") == after
    del keys.FIELD_KEYS["old"]
    assert decrypt(after, context="c") == "a"
    with pytest.raises(DecryptionError, match="no key 'old'"):
        decrypt(before, context="c")


def test_errors_never_show_the_text():
    with pytest.raises(DecryptionError) as caught:
        decrypt(encrypt("secret", context="c"), context="d")
    assert "secret" not in str(caught.value)


def test_hashes_are_for_one_purpose():
    assert keyed_hash("a", purpose="email") == keyed_hash("a", purpose="email")
    assert keyed_hash("a", purpose="email") != keyed_hash("a", purpose="phone")
    assert len(keyed_hash("a", purpose="email")) == 32


@pytest.mark.django_db
class TestField:
    def test_the_database_holds_ciphertext_and_python_text(self):
        customer = CustomerFactory(email="ada@example.org", name="Ada Lövelace", address="")
        customer.refresh_from_db()
        assert (customer.email, customer.name, customer.address) == ("ada@example.org", "Ada Lövelace", "")
        with connection.cursor() as cursor:
            cursor.execute("SELECT email, name, address FROM shop_customer WHERE id = %s", [customer.pk])
            email, name, address = map(bytes, cursor.fetchone())
        assert b"ada" not in email
        assert b"Ada" not in name
        assert address == b""
        assert "ada" not in repr(customer).lower()

    def test_it_can_t_be_searched_by_mistake(self):
        with pytest.raises(FieldError):
            Customer.objects.filter(email="ada@example.org").exists()
        assert not Customer.objects.filter(email__isnull=True).exists()

    def test_a_value_moved_to_another_column_does_not_decrypt(self):
        customer = CustomerFactory()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE shop_customer SET name = email WHERE id = %s", [customer.pk])
        with pytest.raises(DecryptionError, match=r"shop_customer\.name"):
            customer.refresh_from_db()

    def test_rotation_brings_every_row_under_the_new_key(self, keys):
        texts = [CustomerFactory(phone="" if n % 2 else "+4930123456").email for n in range(7)]
        keys.FIELD_KEYS = {"new": os.urandom(32), **keys.FIELD_KEYS}
        assert crypto.rotate(Customer, batch=3) == 7
        assert crypto.rotate(Customer, batch=3) == 0
        del keys.FIELD_KEYS["old"]
        assert [row.email for row in Customer.objects.order_by("pk")] == texts
