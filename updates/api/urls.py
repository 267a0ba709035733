"""URLs that devices ask."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
