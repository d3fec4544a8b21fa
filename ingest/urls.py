"""Addresses of the door."""

from django.urls import path

from ingest import views

app_name = "ingest"
urlpatterns = [
    path("api/v1/uploads", views.uploads, name="uploads"),
    path("api/v1/uploads/<uuid:public_id>", views.upload_status, name="upload-status"),
    path("api/v1/errors", views.errors, name="errors"),
    path("suitewatch.py", views.uploader, name="uploader"),
    path("suitewatch.py.sha256", views.uploader_sum, name="uploader-sum"),
]
