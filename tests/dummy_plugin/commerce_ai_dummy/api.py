import msgspec
from django.urls import path

from commerce_ai.api.hot import hot
from commerce_ai_dummy import service


class Query(msgspec.Struct):
    product: int


class Answer(msgspec.Struct):
    rating: float | None
    decision_id: str


@hot(
    scope="decide",
    methods=("GET",),
    plugin="dummy",
    query=Query,
    answer=Answer,
    summary="A product's expected rating",
)
def rating(request, caller, query, body):
    value, recorded = service.rate(caller.shop_id, query.product)
    return Answer(value, str(recorded.decision_id))


urlpatterns = [path("dummy/rating", rating)]
