"""`/v1/…`: Segment's routes, and the one-letter ones that its browser library falls back to."""

from django.urls import path

from commerce_ai.api.tracking import receive

urlpatterns = []
for _kind, _names in {
    None: ("batch", "b", "import"),
    "track": ("track", "t"),
    "identify": ("identify", "i"),
    "page": ("page", "p"),
    "screen": ("screen", "s"),
    "group": ("group", "g"),
    "alias": ("alias", "a"),
}.items():
    _view = receive(_kind)
    urlpatterns += [path(_name, _view) for _name in _names]
