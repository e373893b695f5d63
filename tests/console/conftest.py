from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from commerce_ai.shop.models import Shop
from tests.browsing import browser, chromium, garden, signed_in  # noqa: F401  (fixtures)
from tests.factories import ShopFactory, ShopMemberFactory, UserFactory

SignIn = Callable[..., Client]


@pytest.fixture
def shop(db: None) -> Shop:
    return ShopFactory(name="Garden Shop", slug="garden", currency="EUR", timezone="Asia/Tokyo")


@pytest.fixture
def other(db: None) -> Shop:
    """A shop that the person has no part in."""
    return ShopFactory(name="Harbour Shop", slug="harbour", currency="USD", timezone="UTC")


@pytest.fixture
def sign_in(db: None, request: pytest.FixtureRequest) -> SignIn:
    """A browser of a member of the shop, by role; `superuser` of an operator of the install."""

    def sign_in(role: str = "owner", *, member: bool = True, superuser: bool = False) -> Client:
        user = UserFactory(is_superuser=superuser)
        if member and not superuser:
            ShopMemberFactory(shop=request.getfixturevalue("shop"), user=user, role=role)
        client = Client()
        client.force_login(user)
        client.user = user  # type: ignore[attr-defined]
        return client

    return sign_in


@pytest.fixture
def owner(sign_in: SignIn) -> Client:
    return sign_in("owner")


@pytest.fixture(autouse=True)
def _quiet_refusals(caplog: pytest.LogCaptureFixture) -> None:
    """Hundreds of pages are refused here on purpose; a traceback of each costs more than the page."""
    caplog.set_level("ERROR", logger="django.request")
    caplog.set_level("CRITICAL", logger="django.security")
