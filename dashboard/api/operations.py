"""All operations of the read API in one place: the first import of django-ninja in a process.

Called by `dashboard.api.door` with a request that may be answered. Promise: an operation for each address
(`tests/dashboard/test_api_operations.py`).
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

VERSION: Final = "1"
# In the order of the documentation; each has a `router`.
_MODULES: Final = (
    *("projects", "overview", "trends", "matrix", "flaky", "causes", "vanished", "deferred", "slow", "runs"),
    *("compare", "search", "cases", "renames", "coverage", "uploads", "deferral"),
)
Operation = Callable[..., HttpResponse]


def _raise_again(request: HttpRequest, problem: Any) -> HttpResponse:
    """What goes wrong is told as everywhere under /api/: by Django's handlers and `config.middleware`."""
    raise problem


def _gather() -> NinjaAPI:
    api = NinjaAPI(title="Suitewatch", version=VERSION, openapi_url=None, docs_url=None)
    for problem in (Exception, Http404, HttpError, ValidationError):
        api.add_exception_handler(problem, _raise_again)
    for name in _MODULES:
        api.add_router("", import_module(f"dashboard.api.{name}").router)
    return api


# While this module is imported, because then Python lets only one thread in.
API: Final = _gather()
_VIEWS: Final[dict[str, Operation]] = {
    str(pattern.name): pattern.callback for pattern in API.urls[0] if isinstance(pattern, URLPattern)
}


def find_operation(name: str) -> Operation:
    """The operation behind the address of that name."""
    return _VIEWS[name]
