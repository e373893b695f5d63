from commerce_ai.decisions.payload import Payload
from commerce_ai.decisions.record import NewDecision, record
from commerce_ai.learning.live import live


def rate(shop_id, product_id):
    """The expected rating of one product by the live version, or None without one."""
    versions = live(shop_id, "dummy.rating")
    rating = versions[0].scorer.products.get(product_id, versions[0].scorer.mean) if versions else None
    recorded = record(
        NewDecision(
            shop_id=shop_id,
            plugin="dummy",
            kind="rating",
            payload=Payload(value=rating),
            version_id=versions[0].version_id if versions else None,
        )
    )
    return rating, recorded
