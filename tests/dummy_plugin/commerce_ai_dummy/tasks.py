from commerce_ai.shop.models import Review, Shop
from commerce_ai_dummy.models import ReviewCount


def count_reviews(shop_id):
    shop = Shop.objects.get(pk=shop_id)
    ReviewCount.objects.create(shop=shop, count=Review.objects.of(shop).count())
