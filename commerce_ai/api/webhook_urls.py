"""`/webhooks/<platform>/`: where shops' platforms send what happened."""

from django.urls import path

from commerce_ai.api.webhooks import shopify

urlpatterns = [path("shopify/", shopify, name="webhooks-shopify")]
