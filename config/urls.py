"""The map of addresses: the probes, the door, the figures for programs, the pages."""

from django.urls import URLPattern, URLResolver, include, path

from config import probes

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", probes.healthz, name="healthz"),
    path("readyz", probes.readyz, name="readyz"),
    path("csp-report", probes.csp_report, name="csp-report"),
    path("", include("ingest.urls")),
    path("", include("dashboard.urls")),
    path("", include("dashboard.api.urls")),
]

handler400 = "config.trouble.bad_request"
handler403 = "config.trouble.permission_denied"
handler404 = "config.trouble.page_not_found"
handler500 = "config.trouble.server_error"
