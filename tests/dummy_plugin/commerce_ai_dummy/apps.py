from datetime import timedelta

from commerce_ai.plugin import Card, Health, Page, Plugin, Schedule, Slot


class DummyPlugin(Plugin):
    name = "commerce_ai_dummy"
    slug = "dummy"
    version = "1.0"
    author = "A third party"
    verbose_name = "Dummy"
    summary = "Predicts a product's mean rating."
    icon = "science"
    fallback = "The shop's mean rating."
    slots = (
        Slot(
            "dummy.rating",
            single=True,
            inputs={"ratings": ("product_id", "rating")},
            requests={"products": ("product_id",)},
            output=("product_id", "rating"),
        ),
    )
    learners = ("learner.MeanLearner",)
    schedules = (
        Schedule(
            "retrain",
            "commerce_ai.learning.runs.retrain_plugin",
            "Retrain",
            at="02:00",
            arguments={"plugin": "dummy"},
        ),
        Schedule("count", "commerce_ai_dummy.tasks.count_reviews", "Count reviews", every=timedelta(hours=1)),
    )
    pages = (Page("board/", "commerce_ai_dummy.admin.board", "Ratings"),)

    def cards(self, request, shop):
        return [Card("Ratings", "5", "a card of the dummy plugin")]

    def health(self, shop):
        return [Health("ok", "the dummy is well")]
