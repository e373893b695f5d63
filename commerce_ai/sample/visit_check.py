"""One visit over HTTP: is a recommendation served, of products that exist, as a decision that is kept?"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Collection
from typing import Any
from uuid import UUID

from commerce_ai.sample.generate import DEMO, generate

TIMEOUT_S = 10


class CheckFailed(Exception):
    """What was served is not what it should be; the message says in which way."""


def check_recommendation(
    base_url: str,
    key: str,
    *,
    titles: Collection[str] | None = None,
    learned: bool = True,
    **query: str,
) -> dict[str, Any]:
    """Fetch ``/api/v1/recommendations`` with `key` and return the answer. Raises `CheckFailed`.

    It must hold at least one product, only such as are among `titles` (the sample shop's by default), and a decision
    that was kept. With `learned` a live version must have chosen, not the fallback. `query` are more parameters.
    """
    address = f"{base_url.rstrip('/')}/api/v1/recommendations?{urllib.parse.urlencode({'n': '5', **query})}"
    if not address.startswith(("http://", "https://")):
        raise CheckFailed(f"{base_url!r} is not an http address")
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {key}"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        raise CheckFailed(f"{address} answered {error.code}: {error.read(500).decode(errors='replace')}") from error
    except (OSError, ValueError) as error:
        raise CheckFailed(f"{address} did not answer: {error}") from error
    _check(answer, _titles() if titles is None else titles, learned)
    return answer


def _check(answer: Any, titles: Collection[str], learned: bool) -> None:
    if not answer.get("items"):
        raise CheckFailed("the answer holds no products")
    unknown = [item["title"] for item in answer["items"] if item["title"] not in titles]
    if unknown:
        raise CheckFailed(f"these products are not of the shop: {', '.join(unknown)}")
    try:
        UUID(str(answer.get("decision_id")))
    except ValueError:
        raise CheckFailed(f"there is no decision id, but {answer.get('decision_id')!r}") from None
    if not answer.get("stored"):
        raise CheckFailed("the decision was not kept")
    if learned and answer.get("fallback"):
        raise CheckFailed(f"the fallback answered: {answer.get('fallback_reason')}")


def _titles() -> set[str]:
    # Titles depend neither on the seed nor on the day.
    return set(generate(1, DEMO).goods.products["title"])
