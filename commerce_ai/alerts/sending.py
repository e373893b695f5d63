"""One message to one channel: a signed webhook by ourselves, all others by apprise, imported where it is used."""

from __future__ import annotations

import http.client
import json
import re
import time
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

from django.utils import timezone
from django.utils.translation import gettext as say

from commerce_ai import __version__
from commerce_ai.alerts import outgoing, signing, words
from commerce_ai.alerts.models import Channel, Delivery
from commerce_ai.shop.models import Shop

# What an address of each kind begins with. No kind whose service reads files or talks to this machine.
SCHEMES: dict[str, tuple[str, ...]] = {
    Channel.Kind.EMAIL: ("mailtos", "mailto"),
    Channel.Kind.SLACK: ("slack",),
    Channel.Kind.TEAMS: ("workflows", "workflow"),
    Channel.Kind.DISCORD: ("discord",),
    Channel.Kind.TELEGRAM: ("tgram",),
    Channel.Kind.MATTERMOST: ("mmosts", "mmost"),
    Channel.Kind.NTFY: ("ntfys", "ntfy"),
    Channel.Kind.PUSHOVER: ("pover",),
}
# What may stand behind the ? of such an address. Others name files to be read (template, attach) or turn checks off.
PARAMETERS = frozenset({
    "to", "from", "name", "cc", "bcc", "reply", "smtp", "user", "pass", "mode", "token", "channel", "channels", "team",
    "thread", "topic", "priority", "tags", "sound", "id", "route", "workflow", "sig", "signature", "ver",
})  # fmt: skip
_TIMEOUT_S = 40  # of one message, however slowly a service answers
OLD_SIGNS_FOR = timedelta(hours=24)


class NotSent(Exception):
    """Why a message did not arrive, without the channel's address. `final`: it never will; `gone`: nor will others."""

    def __init__(
        self, words: str, *, final: bool = False, gone: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(words)
        self.final, self.gone, self.retry_after_s = final or gone, gone, retry_after_s


def send(delivery: Delivery, channel: Channel, shop: Shop) -> None:
    """Send it. Raises NotSent."""
    if channel.kind == Channel.Kind.WEBHOOK:
        _by_webhook(delivery, channel)
    else:
        _by_apprise(delivery, channel, shop)


def check_address(kind: str, url: str) -> None:
    """Raise `outgoing.Refused` where an address can't be one of this kind."""
    if kind == Channel.Kind.WEBHOOK:
        outgoing.check(url)
        return
    scheme, separator, rest = url.partition("://")
    if not separator or not rest or scheme.lower() not in SCHEMES[kind]:
        raise outgoing.Refused(say("The address must begin with %(scheme)s://.") % {"scheme": SCHEMES[kind][0]})
    for part in re.split(r"[?&;]", rest)[1:]:
        if part and unquote(part.partition("=")[0]).strip().lower() not in PARAMETERS:
            known = ", ".join(sorted(PARAMETERS))
            said = say("Behind the ? may stand: %(names)s. Write ?, & and ; elsewhere as %%3F, %%26 and %%3B.")
            raise outgoing.Refused(said % {"names": known})


def rotate(channel: Channel) -> str:
    """A new signing secret, which is shown now and never again; the old one goes on signing beside it for a day."""
    made = signing.new_secret()
    if channel.secret:
        channel.old_secret, channel.old_secret_until = channel.secret, timezone.now() + OLD_SIGNS_FOR
    channel.secret = made
    channel.save(update_fields=["secret", "old_secret", "old_secret_until"])
    return made


def body_of(delivery: Delivery) -> bytes:
    """What a webhook's receiver gets; the same bytes at each attempt."""
    said = {"type": delivery.type, "timestamp": delivery.made_at.isoformat(), "data": delivery.payload}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def _by_webhook(delivery: Delivery, channel: Channel) -> None:
    keys = [channel.secret]
    if channel.old_secret and channel.old_secret_until and channel.old_secret_until > timezone.now():
        keys.append(channel.old_secret)
    body = body_of(delivery)
    headers = {
        "Content-Type": "application/json", "User-Agent": f"commerce-ai/{__version__}",
        **signing.headers(f"msg_{delivery.pk.hex}", int(time.time()), body, keys),
    }  # fmt: skip
    try:
        answer = outgoing.post(channel.url, body, headers)
    except outgoing.Refused as error:
        raise NotSent(str(error), final=True) from None
    except (OSError, http.client.HTTPException) as error:
        raise NotSent(say("No answer (%(kind)s).") % {"kind": type(error).__name__}) from None
    if answer.status // 100 != 2:
        said = say("The receiver answered %(status)d.") % {"status": answer.status}
        raise NotSent(said, gone=answer.status == 410, retry_after_s=answer.retry_after_s)


def _by_apprise(delivery: Delivery, channel: Channel, shop: Shop) -> None:
    import apprise

    try:
        check_address(channel.kind, channel.url)
    except outgoing.Refused as error:
        raise NotSent(str(error), final=True) from None
    asset: Any = apprise.AppriseAsset(
        http_redirects=False, storage_mode="memory", async_mode=False, app_id="Commerce AI", service_timeout=_TIMEOUT_S
    )
    service = apprise.Apprise(asset=asset)
    if not service.add(channel.url):
        raise NotSent(say("The address is not complete."), final=True)
    title, text = words.for_people(delivery, shop)
    with outgoing.guarded() as refused, apprise.LogCapture(level=30, fmt="%(message)s") as log:
        # As plain text: a product's title must not become markup of somebody's mail or chat.
        sent = service.notify(
            body=text, title=title, notify_type=apprise.NotifyType.WARNING, body_format=apprise.NotifyFormat.TEXT
        )
        said = log.getvalue() if log is not None else ""
    if refused:
        raise NotSent(refused[0], final=True)
    if not sent:
        raise NotSent(_without(channel.url, said) or say("The service did not take it."))


def _without(url: str, said: str) -> str:
    """The first line that a library logged, unless it holds a part of the address: those are secrets."""
    line = next((each.strip() for each in said.splitlines() if each.strip()), "")[:200]
    rest = url.partition("://")[2]
    written = [part.rpartition("=")[2] for part in re.split(r"[/:@?&;,#]", rest)]
    return "" if any(len(part) > 3 and part in line for each in written for part in (each, unquote(each))) else line
