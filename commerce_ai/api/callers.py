"""Who calls, and for whom: a key's rights, and the customer or visitor that it may speak of."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from django.utils.translation import gettext_lazy as _

from commerce_ai import registry
from commerce_ai.api import customer_token as tokens
from commerce_ai.api.errors import ApiError
from commerce_ai.shop import tombstones


class Subject(msgspec.Struct, frozen=True):
    """Whom an answer is for. `proven`: the customer is vouched for, so their history may be used.

    `token` says what became of the customer token; it never depends on whether the customer exists.
    """

    customer_external_id: str | None = None
    anonymous_id: str | None = None
    session_id: str | None = None
    proven: bool = False
    token: Literal["", "valid", "expired", "invalid", "mismatch"] = ""


class Caller(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """One key, as requests see it. Shared by all requests of the key: it holds no state of one."""

    shop_id: int
    key_id: int
    kind: Literal["publishable", "secret"]
    scopes: frozenset[str]
    origins: tuple[str, ...] = ()
    rate_per_s: float | None = None
    burst: int = 200
    ip_rate_per_s: float | None = None
    ip_burst: int = 100
    is_authenticated: bool = True  # what Django asks of a user

    @property
    def is_secret(self) -> bool:
        return self.kind == "secret"

    def need(self, scope: str) -> None:
        """Raise 403 unless the key has `scope`."""
        if scope and scope not in self.scopes:
            raise ApiError(
                "missing_scope",
                _("This key has no right to do that."),
                403,
                detail=_("It needs the scope %(scope)s.") % {"scope": scope},
            )

    def need_plugin(self, plugin: str | None) -> None:
        """Raise 404 where the plugin that a route belongs to is off in the shop."""
        if plugin is not None and not registry.is_on(self.shop_id, plugin):
            raise ApiError("plugin_off", _("This is switched off in this shop."), 404)

    def subject(
        self,
        *,
        customer_id: str | None = None,
        customer_token: str | None = None,
        anonymous_id: str | None = None,
        session_id: str | None = None,
    ) -> Subject:
        """Whom the request is for. A secret key may name a customer; a publishable one only by a valid token.

        Otherwise it is an anonymous visitor: no error, as one would tell who exists.
        """
        named, state = _named(self, customer_id or None, customer_token or None)
        if (named or anonymous_id) and _is_erased(self.shop_id, named or "", anonymous_id or ""):
            return Subject(token=state)  # a stranger to every answer, and no decision keeps their ids
        return Subject(named, anonymous_id or None, session_id or None, named is not None, state)


def _is_erased(shop_id: int, customer_id: str, anonymous_id: str) -> bool:
    kinds, is_barred = tombstones.Kind, tombstones.barred(shop_id)
    return is_barred is not None and (
        is_barred(kinds.CUSTOMER, customer_id) or is_barred(kinds.ANONYMOUS, anonymous_id)
    )


def _named(caller: Caller, customer_id: str | None, token: str | None) -> tuple[str | None, Any]:
    if caller.is_secret and customer_id:
        return customer_id, ""
    if token is None:
        return None, ""
    from commerce_ai.api.keys import signing_secrets

    verdict = tokens.verify(signing_secrets(caller.shop_id), token)
    if verdict.customer_id is not None and customer_id not in (None, verdict.customer_id):
        return None, "mismatch"
    return verdict.customer_id, verdict.state
