"""The map of addresses: the probes, the door, the pages."""

import sys

from django.urls import URLPattern, URLResolver, include, path

from config import probes



def _include(name: str) -> list[URLPattern | URLResolver]:
    """For a short while the two may not exist yet."""
    try:
        return [path("", include(name))]
    except Exception as error:
        print(f"config.urls: {name} left out: {error}", file=sys.stderr)
        return []


urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", probes.healthz, name="healthz"),
    path("readyz", probes.readyz, name="readyz"),
    path("csp-report", probes.csp_report, name="csp-report"),
    *_include("ingest.urls"),
    *_include("dashboard.urls"),
]

handler400 = "config.trouble.bad_request"
handler403 = "config.trouble.permission_denied"
handler404 = "config.trouble.page_not_found"
handler500 = "config.trouble.server_error"
