"""Which shop a request works in, and what its person may do there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from commerce_ai import registry
from commerce_ai.shop.models import Shop, ShopMember

SESSION_KEY = "shop"
FORM_KEY = "_shop"  # a form carries the shop that it was opened in, so that a switch in another tab can't move it
MOST_SHOPS = 200  # as many as the switcher lists

_RANK = {ShopMember.Role.ANALYST.value: 1, ShopMember.Role.OPERATOR.value: 2, ShopMember.Role.OWNER.value: 3}
_OF_VERB = {"view": "analyst", "add": "operator", "change": "operator", "delete": "operator"}


@dataclass(frozen=True)
class Scope:
    """The chosen shop, the person's role there, and the shops they may choose from. No shop: nothing to see."""

    shop: Shop | None
    role: str
    shops: tuple[Shop, ...]

    def may(self, role: str) -> bool:
        """Whether the person has this role, or a higher one, in the chosen shop."""
        return self.shop is not None and _RANK.get(self.role, 0) >= _RANK[role]


NOTHING = Scope(None, "", ())


def scope_of(request: HttpRequest) -> Scope:
    """The request's scope, found once. A superuser is an owner of every shop."""
    if (known := getattr(request, "_scope", None)) is None:
        known = request._scope = _find(request)  # type: ignore[attr-defined]
    return known


def shop_of(request: HttpRequest) -> Shop:
    """The chosen shop; PermissionDenied where there is none."""
    if (shop := scope_of(request).shop) is None:
        raise PermissionDenied
    return shop


def choose(request: HttpRequest, shop_id: int) -> Shop | None:
    """Work in this shop from now on; None if the person may not."""
    chosen = _allowed(request.user, shop_id)
    if chosen is not None:
        request.session[SESSION_KEY] = chosen[0].pk
        request._scope = None  # type: ignore[attr-defined]
    return chosen and chosen[0]


def may(request: HttpRequest, permission: str) -> bool:
    """Whether the person has a page's permission in the chosen shop.

    Empty: every member. A role (``"operator"``): that role or a higher one; on a plugin's own pages its group makes an
    operator of any member. A Django permission
    (``"fraud.view_case"``): what the role gives for its verb, or what the person was given by name.
    """
    scope = scope_of(request)
    if not permission:
        return scope.may("analyst")
    if permission in _RANK:
        here = getattr(request, "_plugin", "")
        return scope.may(permission) or (permission == "operator" and bool(here) and works_with(request, here))
    role = _OF_VERB.get(permission.rpartition(".")[2].partition("_")[0], "owner")
    return scope.may(role) or (scope.may("analyst") and request.user.has_perm(permission))


def works_with(request: HttpRequest, plugin: str) -> bool:
    """Whether the person, a member of the chosen shop, is in the plugin's group: an operator there, whatever else."""
    if not scope_of(request).may("analyst") or plugin not in {each.slug for each in registry.plugins()}:
        return False
    if (groups := getattr(request, "_groups", None)) is None:
        groups = request._groups = set(request.user.groups.values_list("name", flat=True))  # type: ignore[attr-defined]
    return group_of(plugin) in groups


def group_of(plugin: str) -> str:
    """The name of the group of those who work with a plugin only. Each installed plugin has one."""
    return f"plugin: {plugin}"


def make_groups(**_said: Any) -> None:
    """Receiver of post_migrate."""
    from django.contrib.auth.models import Group

    for plugin in registry.plugins():
        Group.objects.get_or_create(name=group_of(plugin.slug))


def _find(request: HttpRequest) -> Scope:
    user = request.user
    if not (user.is_active and user.is_staff):
        return NOTHING
    if user.is_superuser:
        shops = tuple(Shop.objects.order_by("name", "pk")[:MOST_SHOPS])
        roles = dict.fromkeys((shop.pk for shop in shops), ShopMember.Role.OWNER.value)
    else:
        members = list(
            ShopMember.objects.filter(user=user).select_related("shop").order_by("shop__name", "shop")[:MOST_SHOPS]
        )
        shops = tuple(member.shop for member in members)
        roles = {member.shop_id: member.role for member in members}
    wanted = request.POST.get(FORM_KEY) if request.method == "POST" else None
    wanted = wanted or request.session.get(SESSION_KEY)
    shop = next((each for each in shops if str(each.pk) == str(wanted)), None)
    if shop is None and wanted is not None and (beyond := _allowed(user, wanted)):
        return Scope(*beyond, shops)
    shop = shop or next(iter(shops), None)
    return Scope(shop, roles[shop.pk], shops) if shop else NOTHING


def _allowed(user: Any, shop_id: Any) -> tuple[Shop, str] | None:
    if not str(shop_id).isdecimal():
        return None
    if user.is_superuser:
        shop = Shop.objects.filter(pk=int(shop_id)).first()
        return (shop, ShopMember.Role.OWNER.value) if shop else None
    member = ShopMember.objects.of(int(shop_id)).filter(user=user).select_related("shop").first()
    return (member.shop, member.role) if member else None
