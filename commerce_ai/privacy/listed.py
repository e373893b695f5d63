"""What the register says for models that do not say it themselves, and which columns hold nothing personal, and why."""

from __future__ import annotations

from collections.abc import Mapping

from commerce_ai.shop.personal import Basis, Handling, Keep, Personal

_STAFF = Handling(Basis.CONTRACT, Keep.ACCOUNT)
_PROOF = Handling(Basis.OBLIGATION, Keep.ALWAYS)

# Django's own tables hold data of the people who work here; ours are those that speak of an erased person.
HANDLED_HERE: Mapping[str, tuple[Handling, Mapping[str, str | Personal]]] = {
    "auth.User": (_STAFF, {
        "username": "signing in", "first_name": "names the person in the console",
        "last_name": "names the person in the console", "email": "contact", "last_login": "safety of the console",
        "password": Personal("signing in", hashed=True),
    }),
    "admin.LogEntry": (_STAFF, {
        "user": "audit trail of the console", "object_repr": "audit trail of the console",
        "change_message": "audit trail of the console",
    }),
    "sessions.Session": (_STAFF, {"session_data": "signing in"}),
    "ingest.DailyVisitor": (Handling(Basis.INTEREST, Keep.WEEKS), {
        "visitor": Personal("counts a visitor once a day", hashed=True),
    }),
    "shop.Tombstone": (_PROOF, {"hash": Personal("keeps an erased person from coming back", hashed=True)}),
}  # fmt: skip

# Reason → model → its columns.
NOT_PERSONAL: Mapping[str, Mapping[str, str]] = {
    "a setting of the install or the shop, by the people who run it": {
        "commerce_ai.PluginState": "plugin settings",
        "commerce_ai.ScheduleState": "plugin name",
        "shop.Shop": "slug name currency timezone country settings",
        "shop.Revision": "topic",
        "api.ApiKey": "name scopes origins",
    },
    "a secret of the shop's own or a part of one, of no customer": {
        "api.ApiKey": "prefix hash",
        "api.SigningSecret": "secret",
    },
    "the shop's goods and what it plans and publishes about them": {
        "shop.Campaign": "external_id name channel goal attributes",
        "shop.AdSpend": "ad",
        "shop.Product": "external_id title description category brand url image_url attributes tags gtin",
        "shop.PriceChange": "reason",
        "shop.CompetitorPrice": "competitor url",
        "shop.Promotion": "external_id name code category conditions",
        "shop.PromotionProduct": "feature",
        "shop.OrderLine": "sku title",
        "shop.Return": "sku",
        "shop.Mention": "brand",
        "shop.PricePlan": "reason",
        "shop.PriceResponse": "pooled_with",
        "shop.ProductSignal": "aspects",
        "shop.Article": "external_id title body url language category tags",
    },
    "names a place, a firm or goods on their way to the shop": {
        "shop.Location": "external_id name country",
        "shop.StockMovement": "external_id reference",
        "shop.Supplier": "external_id name country",
        "shop.SupplierProduct": "sku",
        "shop.PurchaseOrder": "external_id",
        "shop.Shipment": "carrier",
    },
    "a code of a small vocabulary: where a row came from, a currency, a language, a way to pay, a kind of event": {
        "shop.Campaign": "source",
        "shop.AdSpend": "source",
        "shop.Product": "source",
        "shop.PriceChange": "source",
        "shop.CompetitorPrice": "source",
        "shop.Promotion": "source",
        "shop.Customer": "source",
        "shop.Consent": "purpose source",
        "shop.SocialTie": "source",
        "shop.Order": "currency channel source",
        "shop.StockMovement": "source",
        "shop.PurchaseOrder": "source",
        "shop.Shipment": "source",
        "shop.Return": "source",
        "shop.Payment": "method provider currency source",
        "shop.Chargeback": "currency source",
        "shop.Refund": "currency source",
        "shop.Event": "kind platform",
        "shop.Review": "language source",
        "shop.Mention": "platform language",
        "shop.Conversation": "channel language",
        "shop.Label": "task value source",
        "shop.Tombstone": "reason",
        "decisions.Decision": "plugin kind placement arm flags",
        "ingest.IngestBatch": "door",
        "ingest.TrackedOrder": "status",
        "ingest.FileLoad": "format table",
        "ingest.QuarantineRow": "format table column reason",
        "privacy.ErasureLog": "reason",
    },
    "a random number that the sender's library gives a message": {
        "shop.Event": "message_id",
        "shop.EventKey": "message_id",
    },
    "a sum, or figures of many rows; examples in findings name rows and codes, never values of personal columns": {
        "shop.DailyMetric": "name dimension",
        "ingest.FileLoad": "sha256 written",
        "ingest.CleaningReport": "findings",
        "privacy.ErasureLog": "counts",
    },
    "the name that the shop's staff gave a file": {"ingest.FileLoad": "file_name"},
    "instants by the name of a trait, never its value": {"ingest.CustomerTraits": "said_at"},
    "what the software says of its own errors; shapes of personal data are blacked out": {
        "commerce_ai.ScheduleState": "error",
        "ingest.IngestBatch": "error",
    },
    "how a model was trained and judged; its files are listed by version when a person is erased": {
        "learning.Run": (
            "learner slot params recipe engine cause stage reason data_fingerprint code_version worker host device"
            " metrics baseline"
        ),
        "learning.RunPoint": "name",
        "learning.RunLog": "level text",
        "learning.Version": (
            "slot learner params recipe exclusive_key reason metrics baseline verdict explanation manifest"
            " publish_error load_error"
        ),
        "learning.ArtifactFile": "path sha256",
        "learning.ArtifactChunk": "data",
    },
    "a key that tells a write that was repeated, and a hash of what was asked": {
        "api.IdempotentWrite": "name request_hash",
    },
}
