"""Drawn pictures of the sample shop's goods: one SVG for a form, a colour and a style, so that no file is kept."""

from __future__ import annotations

import re

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control

from commerce_ai.sample.words import STYLES

PATH = "sample/pictures/"
# Paths in a square of 100 × 100; the first is filled with the colour, the second with its shadow.
_FORMS = {
    "cup": ("M22 32h46v34a14 14 0 0 1-14 14H36a14 14 0 0 1-14-14z",
            "M68 38h6a10 10 0 0 1 0 22h-6v-7h5a4 4 0 0 0 0-8h-5z"),
    "pot": ("M22 44h56v24a12 12 0 0 1-12 12H34a12 12 0 0 1-12-12z",
            "M20 38h60v5H20zM46 30h8v7h-8zM12 48h9v6h-9zM79 48h9v6h-9z"),
    "plate": ("M50 18a32 32 0 1 1 0 64 32 32 0 0 1 0-64z", "M50 32a18 18 0 1 1 0 36 18 18 0 0 1 0-36z"),
    "bottle": ("M42 18h16v14l8 14v30a6 6 0 0 1-6 6H40a6 6 0 0 1-6-6V46l8-14z", "M40 12h20v6H40zM34 54h32v14H34z"),
    "lamp": ("M36 18h28l14 32H22z", "M47 50h6v26h-6zM34 76h32v6H34z"),
    "cloth": ("M20 24h60v52H20z", "M20 34h60v5H20zM20 60h60v5H20z"),
    "box": ("M20 38h60v42H20z", "M16 28h68v10H16zM44 46h12v8H44z"),
    "bag": ("M22 36h56l4 44H18z", "M36 36v-6a14 14 0 0 1 28 0v6h-6v-5a8 8 0 0 0-16 0v5z"),
    "tent": ("M50 20l36 58H14z", "M50 42l14 36H36z"),
    "tool": ("M46 42h8v40a4 4 0 0 1-8 0z", "M38 16h24v18a12 12 0 0 1-24 0z"),
    "book": ("M24 18h48a6 6 0 0 1 6 6v58H30a6 6 0 0 1-6-6z", "M32 18h4v64h-4zM44 32h24v4H44zM44 42h16v4H44z"),
    "toy": ("M22 52h56v18H22z",
            "M30 66a9 9 0 1 1 0 18 9 9 0 0 1 0-18zM70 66a9 9 0 1 1 0 18 9 9 0 0 1 0-18zM56 30h18v22H56z"),
    "bear": ("M50 26a26 26 0 1 1 0 52 26 26 0 0 1 0-52z",
             "M28 18a11 11 0 1 1 0 22 11 11 0 0 1 0-22zM72 18a11 11 0 1 1 0 22 11 11 0 0 1 0-22z"
             "M50 52a9 7 0 1 1 0 14 9 7 0 0 1 0-14z"),
    "chair": ("M28 20h44v36H28z", "M24 56h52v8H24zM28 64h6v20h-6zM66 64h6v20h-6z"),
}  # fmt: skip
# The first word found in a thing's name says its form; what has none is a box.
_LIKE = {
    "cup": "mug cup frother", "pot": "kettle teapot pot pan planter stove bowl",
    "plate": "plate platter bell puzzle",
    "bottle": "bottle tumbler carafe glass grinder mill cream pump can", "lamp": "lamp lights lantern torch light",
    "cloth": "throw cover bedding towel rug curtain napkin apron mat bathrobe gloves kite board",
    "bag": "bag basket hamper case sleeve helmet", "tent": "tent",
    "tool": "knife brush trowel shears pen shaving cutlery",
    "book": "notebook calendar organiser tray", "toy": "train kitchen blocks crayon", "bear": "bear",
    "chair": "chair table",
}  # fmt: skip
_COLOURS = {
    "oat": "#d9c7a3", "moss": "#7a8450", "bark": "#6b4f3a", "clay": "#b5704f", "flax": "#e3d29b",
    "graphite": "#4a4e52", "white": "#f2f2ef", "slate": "#6d7b86", "steel": "#9aa7b0", "ink": "#232a3a",
    "coral": "#f2785c", "lemon": "#f4d94b", "sky": "#7cc0ea", "mint": "#8fd6b4", "poppy": "#d83a34",
    "navy": "#24355c", "claret": "#7a2338", "ivory": "#efe6d0", "bottle green": "#1f4d3a", "walnut": "#5d4030",
}  # fmt: skip
_GROUNDS = dict(zip(STYLES, ("#efe9dd", "#e8ecef", "#fff4e2", "#ece8e4"), strict=True))


def name_of(thing: str, colour: str, style: str) -> str:
    """The file name of a thing's picture, as ``cup-navy-classic.svg``."""
    words = thing.lower().replace("-", " ").split()
    form = next((form for form, like in _LIKE.items() if set(words) & set(like.split())), "box")
    return f"{form}-{colour.replace(' ', '_')}-{style}.svg"


def draw(form: str, colour: str, style: str) -> str:
    """An SVG of 400 × 400. Raises KeyError where one of the three is not known."""
    body, shade = _FORMS[form]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100" width="400" height="400" role="img">'
        f'<path fill="{_GROUNDS[style]}" d="M0 0h100v100H0z"/><ellipse cx="50" cy="85" rx="32" ry="4" opacity=".12"/>'
        f'<g fill="{_COLOURS[colour]}" stroke="#0002"><path d="{body}"/></g>'
        f'<path fill="{_COLOURS[colour]}" d="{shade}"/><path d="{shade}" opacity=".22"/></svg>'
    )


@cache_control(public=True, max_age=31_536_000, immutable=True)
def picture(request: HttpRequest, name: str) -> HttpResponse:
    """Any of them, by its name. Nothing of any shop is in it, so nobody is asked who they are."""
    parts = re.fullmatch(r"([a-z]+)-([a-z_]+)-([a-z]+)\.svg", name)
    try:
        drawn = draw(parts[1], parts[2].replace("_", " "), parts[3]) if parts else None
    except KeyError:
        drawn = None
    if drawn is None:
        raise Http404
    return HttpResponse(drawn, content_type="image/svg+xml")
