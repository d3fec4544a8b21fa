"""One line per page and one per panel; `config.urls` includes this at the root."""

from django.urls import path

from dashboard.views import (
    case,
    coverage,
    login,
    onboarding,
    overview,
    projects,
    renames,
    run,
    runs,
    settings,
    trends,
    upload,
    uploads,
)

app_name = "dashboard"

urlpatterns = [
    path("", projects.page, name="projects"),
    path("projects/new/", projects.create, name="project-create"),
    # Signing in and out.
    path("login/", login.page, name="login"),
    path("login/link/<uidb64>/<token>/", login.link, name="login-link"),
    path("logout/", login.logout, name="logout"),
    # The first upload.
    path("p/<slug:slug>/start/", onboarding.page, name="start"),
    path("p/<slug:slug>/start/token/", onboarding.issue_token, name="start-token"),
    path("p/<slug:slug>/start/progress/", onboarding.progress, name="start-progress"),
    # Settings.
    path("p/<slug:slug>/settings/", settings.page, name="settings"),
    path("p/<slug:slug>/settings/project/", settings.change_project, name="settings-project"),
    path("p/<slug:slug>/settings/delete/", settings.delete_project, name="settings-delete"),
    path("p/<slug:slug>/settings/tokens/", settings.issue_token, name="settings-token-issue"),
    path("p/<slug:slug>/settings/tokens/<int:pk>/", settings.revoke_token, name="settings-token-revoke"),
    path("p/<slug:slug>/settings/members/", settings.add_member, name="settings-member-add"),
    path("p/<slug:slug>/settings/members/<int:pk>/", settings.change_member, name="settings-member-change"),
    path("p/<slug:slug>/", overview.page, name="overview"),
    path("p/<slug:slug>/trends/", trends.page, name="trends"),
    path("p/<slug:slug>/runs/", runs.page, name="runs"),
    path("p/<slug:slug>/runs/<int:number>/", run.page, name="run"),
    path("p/<slug:slug>/cases/<int:number>/", case.page, name="case"),
    path("p/<slug:slug>/renames/", renames.page, name="renames"),
    path("p/<slug:slug>/renames/merge/", renames.merge, name="renames-merge"),
    path("p/<slug:slug>/renames/undo/", renames.undo, name="renames-undo"),
    path("p/<slug:slug>/renames/dismiss/", renames.dismiss, name="renames-dismiss"),
    path("p/<slug:slug>/coverage/", coverage.page, name="coverage"),
    path("p/<slug:slug>/coverage/files/<int:number>/", coverage.file, name="coverage-file"),
    path("p/<slug:slug>/uploads/", uploads.page, name="uploads"),
    path("p/<slug:slug>/uploads/retry/", uploads.read_all, name="uploads-retry"),
    path("p/<slug:slug>/uploads/<uuid:public_id>/", upload.page, name="upload"),
    path("p/<slug:slug>/uploads/<uuid:public_id>/again/", upload.read_again, name="upload-again"),
]
