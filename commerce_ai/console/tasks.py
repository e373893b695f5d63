"""What the console counts before anybody asks for it."""

from __future__ import annotations

from celery import shared_task


@shared_task(name="console.renew_behaviour")
def renew_behaviour() -> int:
    """Count the page of behaviour anew for every shop, so that whoever opens it does not wait; how many shops."""
    from commerce_ai.console import behaviour
    from commerce_ai.shop.models import Shop

    shops = list(Shop.objects.all())
    for shop in shops:
        behaviour.renew(shop)
    return len(shops)
