"""What is true in the sample shop and stands in none of its tables: how its people like, buy, pay and cheat.

All figures of the truth stand here and nowhere else. They were set before any plugin was tuned against them, on seeds
0 to 9 and with the arms `random` and `bestsellers` only; seeds 30 to 39 are never used while developing, but for a
last judgement (``benchmark sample policies-unseen``).

Sources, where there are any; what names none is assumed:

- Conversion: shops report orders in about 1.5 to 4 % of visits (IRP Commerce's monthly figures, home and garden among
  them). `OUTSIDE` and the carts' constants are set so that a list of bestsellers converts 2 to 4 % of visits.
- Elasticity: Bijmolt, van Heerde, Pieters, J. Marketing Research 42 (2005) 141-156: mean -2.62 over 1,851 estimates,
  most between -4 and 0; ours lie between -4 and -0.8.
- Choice: multinomial logit, McFadden 1974. The other form, satisficing: Simon, Q. J. Economics 69 (1955) 99-118, with
  what costs too much left out beforehand, as in Tversky's elimination by aspects, Psych. Review 79 (1972) 281-299.
- Position: the examination hypothesis, falling as a power of the place (Joachims, Swaminathan, Schnabel, WSDM 2017,
  where an exponent of 1 suits lists of results; a row of pictures is taken in more evenly).
- Homophily: McPherson, Smith-Lovin, Cook, Annual Review of Sociology 27 (2001) 415-444; how strong is assumed.
- Searches: about half of a shop's visitors begin with what they have in mind instead of what the page offers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from commerce_ai.sample.words import STYLES

if TYPE_CHECKING:
    from commerce_ai.sample.generate import Sample

Floats = Any  # an array of float64
Rows = Any  # an array of row numbers

# --- the past: how the generated history came about -------------------------------------------------------

TASTE_SHAPE = 0.3  # of the gamma behind the taste of a customer: two or three favourite shelves of twelve
KEEPS_STYLE = 0.65  # a view stays with the visitor's own style
FOLLOWS = 0.25  # a view goes on to the companion of the one before
POPULARITY = 0.7  # Zipf's exponent within a shelf and style
CARTS = 0.09  # of views, at the usual price
CHECKS_OUT = 0.4  # of visits with something in the cart
GIVES_UP = 0.3  # of the other visits with a cart come as far as the till
DWELL, DWELL_SD, DWELL_QUALITY = 3.0, 0.7, 0.25  # log seconds on a product's page, and what a better product adds
STRANGERS = 0.15  # of visits are by people who never say who they are
# Strangers who look at one product and leave, for each other visit. With them 3.3 % of the past's visitors ordered, as
# of those that are simulated later; added when the dashboard of a new demo showed 16 % until the first simulated visit.
BOUNCES = 3.5
LOGGED_IN = 0.5  # of customers' visits
GENDERS = {"female": 0.46, "male": 0.42, "other": 0.02, "": 0.10}  # nothing said: a tenth
GENDER_LEANING, AGE_LEANING = 0.5, 0.3  # spread over shelves, in logs of taste; of age: for each twelve years
TIES_EACH, HOMOPHILY = 1.5, 0.7  # ties of a customer; the share of them to somebody of the same shelf and style
LEAVE, LEAVE_AFTER_DAYS = 0.4, 70.0  # customers who leave for good some day, and when on average

# --- prices -----------------------------------------------------------------------------------------------

PRICES_START = 0.10  # cost plus a margin, with this noise: never systematically wrong
ELASTICITY = (-4.0, -0.8)  # of a shelf, uniform; no product lies outside either
ELASTICITY_SD = 0.25  # of a product around its shelf
DISPLAY = 1.15  # what the announcement of a reduction alone does to demand

# --- advertising: visits that a letter adds, on average ---------------------------------------------------

EXTRA_VISITS = {True: 3.0, False: 0.05}  # some are drawn back by it; most would have come anyway, or never
DRAWN_STYLES = (0, 1)  # people of these styles are drawn, whoever else reads it
BANNER = 0.8  # what a banner adds to the liking of those who are drawn, in logits

# --- fraud ------------------------------------------------------------------------------------------------

RING_EVERY_DAYS = 10  # one ring of fraudsters begins every so many days
RING_LASTS_DAYS = (2.0, 5.0)
RING_PAYMENTS = (10, 30)
LONE_FRAUD = 0.004  # of ordinary payments
DECLINED = 0.35  # of a ring's attempts
KNOWN_AFTER_DAYS = (3.0, 1.2)  # shape and scale of the gamma after which the bank tells
THIEVES = 0.03  # of simulated visits that reach the till pay with a stolen card

# --- visitors: what they make of what they are shown ------------------------------------------------------

EXAMINED = 0.5  # exponent of the place, from 1 on: of ten products about half are looked at
APPEAL = 0.5  # of the logarithm of a product's past popularity; the rest was that it was shown more
TASTE_FLOOR = 0.05  # nobody dislikes a shelf without end
QUALITY = 0.3  # logits of a cart for one standard deviation
BUDGET, BUDGET_SD = 70.0, 0.6  # median and spread (log) of what one thing may cost
PAIN = 2.0  # logits for each e-fold that a price lies above the budget
SENSITIVITY_SD = 0.3  # spread (log) of the factor by which people differ from a product's elasticity
PRICE_IN_LIST = 0.3  # of the answer to a price; the rest comes when the product is looked at alone
OUTSIDE = 2.8  # liking of whatever else one could do, instead of a closer look
CART_BASE, CART_LIKING = -3.1, 0.45
SEARCHES = 0.5  # of visits begin with a product of one's own
SEARCHED_AMONG = 40  # products that a search brings up
MOST_VIEWS = 12
CHATS = 0.03  # of visits ask customer service something

# The second model: goes down the list and takes the first that is good enough.
ASPIRATION, ASPIRATION_FALLS = 2.8, 0.05  # falls with each product that was passed over
NOISE_SD = 1.5  # of a glance, normal
STOPS = 0.12  # after each product
CART_ASPIRATION, CART_SD = 3.0, 1.6


@dataclass(frozen=True)
class Truth:
    """The latent state behind a generated shop, a row a customer or a product.

    `taste` over shelves (each row sums to 1); `style`, `budget` (money), `sensitivity` (mean about 1), `activity`
    (0 for who left) of customers; `shelf`, `product_style`, `appeal` (logits), `quality`, `usual` price and
    `elasticity` of products; `drawn` are the customers whom advertising moves.
    """

    taste: Floats
    style: Rows
    budget: Floats
    sensitivity: Floats
    activity: Floats
    drawn: Any
    shelf: Rows
    product_style: Rows
    appeal: Floats
    quality: Floats
    usual: Floats
    elasticity: Floats

    @cached_property
    def arrivals(self) -> Floats:
        """Cumulated shares of visits by customer: the eager ones come more often."""
        return np.cumsum(self.activity) / self.activity.sum()

    def liking(self, customer: int, products: Rows) -> Floats:
        """How much more than the average product each is liked, in logits; prices and quality aside."""
        taste = np.log(self.taste[customer][self.shelf[products]] * self.taste.shape[1] + TASTE_FLOOR)
        same = self.product_style[products] == self.style[customer]
        return taste + np.where(same, _SAME_STYLE, _OTHER_STYLE) + self.appeal[products]

    def price_pull(self, customer: int, products: Rows, prices: Floats) -> Floats:
        """What the prices add, in logits: 0 at the usual price within the budget."""
        dearer = np.log(np.maximum(prices, 0.01) / self.usual[products])
        over = np.maximum(np.log(np.maximum(prices, 0.01) / self.budget[customer]), 0)
        return self.sensitivity[customer] * self.elasticity[products] * dearer - PAIN * over

    def worth(self, customer: int, products: Rows, prices: Floats) -> Floats:
        """What an oracle would rank by: likely to be looked at and to be bought."""
        carts = CART_LIKING * self.liking(customer, products) + QUALITY * self.quality[products]
        return self.liking(customer, products) + carts + self.price_pull(customer, products, prices)


def truth_of(sample: Sample, seed: int) -> Truth:
    """Made again from the seed; the same for the same sample."""
    rng = np.random.default_rng([seed, 100])  # the parts of the generator have numbers of their own, from 0 on
    goods, people = sample.goods, sample.people
    n = len(people.style)
    days = (sample.until - _first_day(sample)) / timedelta(days=1)
    popular, stayed = np.log(goods.pull), people.stays >= days
    return Truth(
        taste=people.taste,
        style=people.style,
        budget=BUDGET * np.exp(rng.normal(0, BUDGET_SD, n)),
        sensitivity=np.exp(rng.normal(0, SENSITIVITY_SD, n)),
        activity=np.where(stayed, people.activity, 0.0) if stayed.any() else people.activity,
        drawn=np.isin(people.style, DRAWN_STYLES),
        shelf=goods.bucket // len(STYLES),
        product_style=goods.bucket % len(STYLES),
        appeal=APPEAL * (popular - popular.mean()),
        quality=goods.quality,
        usual=goods.price,
        elasticity=sample.prices.elasticity,
    )


def _first_day(sample: Sample) -> datetime:
    first = sample.prices.changes["starts_at"].min()
    return first if isinstance(first, datetime) else sample.until  # a shop that opens today


# As the history keeps to a style: log of a style's share of the views against an even share.
_OTHER_SHARE = (1 - KEEPS_STYLE) / len(STYLES)
_SAME_STYLE = float(np.log((KEEPS_STYLE + _OTHER_SHARE) * len(STYLES)))
_OTHER_STYLE = float(np.log(_OTHER_SHARE * len(STYLES)))
