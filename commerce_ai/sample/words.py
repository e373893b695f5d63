"""The words of the sample shop: what it sells, under which brands, to whom, and what people say about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shelf:
    """A category: its path, its things with their usual price, and the brands that make them."""

    path: str
    things: tuple[tuple[str, float], ...]
    brands: tuple[str, ...]
    about: str


SHELVES = (
    Shelf(
        "Kitchen > Coffee & Tea",
        (("Pour-over Kettle", 59), ("Stoneware Mug", 14), ("Coffee Grinder", 79), ("Teapot", 39), ("Milk Frother", 24),
         ("Espresso Cup Set", 32), ("Travel Tumbler", 27)),
        ("Tarn & Sons", "Olmstead Kiln", "Brisk"),
        "For slow mornings and quick ones.",
    ),
    Shelf(
        "Kitchen > Cooking",
        (("Cast Iron Pan", 64), ("Enamel Pot", 48), ("Chopping Board", 34), ("Chef's Knife", 72),
         ("Mixing Bowl Set", 36), ("Salt Mill", 29), ("Apron", 26)),
        ("Brisk", "Halvorsmith", "Dovetail Row"),
        "Made to be used every day and handed on.",
    ),
    Shelf(
        "Kitchen > Tableware",
        (("Dinner Plate", 16), ("Pasta Bowl", 18), ("Water Glass Set", 24), ("Serving Platter", 38),
         ("Cutlery Set", 69), ("Carafe", 28), ("Napkin Set", 19)),
        ("Olmstead Kiln", "Ostrava Table", "Tarn & Sons"),
        "A table that invites people to stay.",
    ),
    Shelf(
        "Home > Lighting",
        (("Desk Lamp", 64), ("Pendant Lamp", 119), ("Floor Lamp", 149), ("Bedside Lamp", 54), ("String Lights", 29),
         ("Candle Holder", 22), ("Lantern", 36)),
        ("Lumen Loft", "Pallas Works", "Quillon"),
        "Warm light where it is needed.",
    ),
    Shelf(
        "Home > Textiles",
        (("Wool Throw", 89), ("Cushion Cover", 29), ("Linen Bedding Set", 139), ("Bath Towel", 24), ("Cotton Rug", 99),
         ("Curtain Pair", 79), ("Hot-water Bottle", 32)),
        ("Fernwick", "Saltmarsh", "Juniper Mill"),
        "Woven from wool, linen and cotton.",
    ),
    Shelf(
        "Home > Storage",
        (("Woven Basket", 34), ("Wall Shelf", 69), ("Shoe Rack", 79), ("Coat Hook Rail", 44), ("Stacking Box", 19),
         ("Glass Jar Set", 27), ("Laundry Hamper", 52)),
        ("Dovetail Row", "Pallas Works", "Fernwick"),
        "A place for everything that lies about.",
    ),
    Shelf(
        "Outdoor > Camping",
        (("Two-person Tent", 189), ("Sleeping Mat", 69), ("Camp Stove", 59), ("Camp Cup", 13), ("Head Torch", 34),
         ("Dry Bag", 29), ("Folding Chair", 64)),
        ("Kestrel Ridge", "Arbor Nine", "Brisk"),
        "Packs small and lasts for many nights out.",
    ),
    Shelf(
        "Outdoor > Cycling",
        (("Bicycle Bell", 17), ("Pannier Bag", 84), ("Handlebar Bag", 49), ("Cycling Helmet", 74), ("Water Bottle", 15),
         ("Frame Pump", 32), ("Rear Light", 27)),
        ("Kestrel Ridge", "Merle Cycles", "Quillon"),
        "For the way to work and the long way home.",
    ),
    Shelf(
        "Garden > Growing",
        (("Terracotta Planter", 26), ("Watering Can", 34), ("Hand Trowel", 18), ("Pruning Shears", 38),
         ("Garden Gloves", 16), ("Seed Tray Set", 21), ("Potting Table", 129)),
        ("Arbor Nine", "Halvorsmith", "Juniper Mill"),
        "For balconies, beds and green thumbs.",
    ),
    Shelf(
        "Office > Desk",
        (("Notebook", 14), ("Fountain Pen", 46), ("Desk Organiser", 36), ("Pencil Case", 19), ("Laptop Sleeve", 44),
         ("Wall Calendar", 22), ("Paper Tray", 28)),
        ("Quillon", "Dovetail Row", "Saltmarsh"),
        "Keeps a desk calm and a mind clear.",
    ),
    Shelf(
        "Kids > Play",
        (("Wooden Train", 39), ("Building Blocks", 34), ("Picture Puzzle", 18), ("Soft Bear", 29),
         ("Play Kitchen", 119), ("Kite", 24), ("Crayon Set", 13)),
        ("Little Merle", "Arbor Nine", "Fernwick"),
        "Sturdy enough for small hands and big ideas.",
    ),
    Shelf(
        "Wellbeing > Bath & Body",
        (("Soap Bar Set", 15), ("Bath Brush", 19), ("Scented Candle", 26), ("Bathrobe", 74), ("Hand Cream", 12),
         ("Shaving Set", 58), ("Yoga Mat", 54)),
        ("Saltmarsh", "Juniper Mill", "Ostrava Table"),
        "A quiet half hour at the end of the day.",
    ),
)  # fmt: skip

# A style is what a customer keeps coming back to across categories; it shows in the colour.
STYLES = {
    "rustic": ("oat", "moss", "bark", "clay", "flax"),
    "modern": ("graphite", "white", "slate", "steel", "ink"),
    "bright": ("coral", "lemon", "sky", "mint", "poppy"),
    "classic": ("navy", "claret", "ivory", "bottle green", "walnut"),
}

FIRST_NAMES = (
    "Anna", "Ben", "Clara", "David", "Elif", "Finn", "Greta", "Hugo", "Ines", "Jonas", "Katrin", "Lukas", "Mila",
    "Noah", "Olivia", "Paul", "Rosa", "Samir", "Tilda", "Ugo", "Vera", "Willem", "Yara", "Zoe",
)  # fmt: skip
LAST_NAMES = (
    "Albrecht", "Bakker", "Castellano", "Dubois", "Eriksen", "Fischer", "Garnier", "Hofmann", "Ivanova", "Jansen",
    "Keller", "Lindqvist", "Moreau", "Novak", "Okafor", "Petersen", "Rossi", "Schmidt", "Tanaka", "Vogel", "Weber",
    "Yilmaz",
)  # fmt: skip
COUNTRIES = {"DE": 0.45, "AT": 0.12, "FR": 0.15, "NL": 0.13, "DK": 0.08, "IT": 0.07}

SUPPLIERS = (("Hansa Trade", "DE"), ("Atelier Rhône", "FR"), ("Polder Goods", "NL"), ("Donau Handel", "AT"),
             ("Øresund Supply", "DK"), ("Porto Mare", "IT"))  # fmt: skip
