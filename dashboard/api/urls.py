"""Addresses of the read API. Nothing here imports django-ninja (`tests/dashboard/test_api_door.py`)."""

from django.urls import path

import dashboard.converters  # noqa: F401 - kinds of addresses
from dashboard.api import door
from dashboard.api.addresses import ADDRESSES, ROOT

app_name = "api"

urlpatterns = [
    path("api/v1/openapi.json", door.document, name="document"),
    path("api/v1/docs", door.docs, name="docs"),
    path(ROOT, door.list_projects, name="projects"),
    path(f"{ROOT}/<slug:slug>/deferred/export", door.export, name="deferred-export"),
    *(path(f"{ROOT}/<slug:slug>/{address}", door.answer, name=name) for name, address in ADDRESSES.items()),
]
