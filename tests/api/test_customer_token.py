"""A token proves exactly one customer until its expiry, and nothing that was changed in it proves anything."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime

from hypothesis import assume, given
from hypothesis import strategies as st

from commerce_ai.api.customer_token import sign, verify

ids = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=40)
secrets = st.text(st.characters(exclude_categories=("Cs",)), min_size=8, max_size=40)
NOW = 1_800_000_000


@given(secrets, ids, st.integers(1, 10**6))
def test_what_was_signed_is_believed_until_it_expires(secret: str, customer_id: str, seconds: int) -> None:
    token = sign(secret, customer_id, NOW + seconds)
    assert verify(["another secret", secret], token, NOW).customer_id == customer_id
    late = verify([secret], token, NOW + seconds)
    assert (late.state, late.customer_id) == ("expired", None)


@given(secrets, ids, st.data())
def test_any_change_is_refused(secret: str, customer_id: str, data: st.DataObject) -> None:
    token = sign(secret, customer_id, NOW + 60)
    at = data.draw(st.integers(0, len(token) - 1))
    character = data.draw(st.characters())
    kind = data.draw(st.sampled_from(["change", "insert", "remove"]))
    head, tail = token[:at], token[at + (kind != "insert") :]
    changed = head + ("" if kind == "remove" else character) + tail
    assume(changed != token)
    assert verify([secret], changed, NOW).state == "invalid"


@given(st.text(max_size=60))
def test_no_text_at_all_breaks_it(text: str) -> None:
    assert verify(["secret"], text, NOW).state == "invalid"
    assert verify(["secret"], "v1." + text, NOW).state == "invalid"


@given(ids)
def test_another_secret_and_no_secret_prove_nothing(customer_id: str) -> None:
    token = sign("one secret", customer_id, NOW + 60)
    assert verify(["another secret"], token, NOW).state == "invalid"
    assert verify([], token, NOW).state == "invalid"


def test_the_form_is_what_the_guide_says() -> None:
    """A shop's own server writes it so, in any language."""
    expires = int(datetime(2030, 1, 1, tzinfo=UTC).timestamp())
    head = f"v1.{base64.urlsafe_b64encode(b'C-7').rstrip(b'=').decode()}.{expires}"
    signature = base64.urlsafe_b64encode(hmac.new(b"ct_secret", head.encode(), hashlib.sha256).digest()).rstrip(b"=")
    assert sign("ct_secret", "C-7", datetime(2030, 1, 1, tzinfo=UTC)) == f"{head}.{signature.decode()}"


def test_a_giant_token_is_refused_unread() -> None:
    assert verify(["secret"], sign("secret", "x" * 5000, NOW + 60), NOW).state == "invalid"
