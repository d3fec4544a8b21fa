"""Addresses of the door."""

from django.urls import path

from ingest import views, views_configuration, views_runs

app_name = "ingest"
urlpatterns = [
    path("api/v1/uploads", views.uploads, name="uploads"),
    path("api/v1/uploads/<uuid:public_id>", views.upload_status, name="upload-status"),
    path("api/v1/runs/finish", views_runs.finish, name="finish"),
    path("api/v1/runs/gate", views_runs.gate, name="gate"),
    path("api/v1/check", views_configuration.check, name="check"),
    path("api/v1/errors", views.errors, name="errors"),
    path("api/v1/limits", views.limits, name="limits"),
    path("suitewatch.schema.json", views_configuration.schema, name="schema"),
    path("suitewatch-deferrals.schema.json", views_configuration.deferrals_schema, name="deferrals-schema"),
    path("suitewatch.py", views.uploader, name="uploader"),
    path("suitewatch.py.sha256", views.uploader_sum, name="uploader-sum"),
]
