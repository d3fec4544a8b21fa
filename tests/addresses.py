"""Every address of the pages, in a small world: for tests that visit all of them.

Called by the access matrix and by the journeys; a new URL pattern is visited without being named anywhere.
"""

from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, reverse

from dashboard.api import urls as api
from dashboard.urls import urlpatterns
from health.models import Deferral, Fingerprint, Membership, Project, Upload, UploadToken
from tests.builders import a_project, a_user, an_upload
from tests.coverage_scenes import lines, measured


@dataclass(frozen=True)
class World:
    """Two projects alike in everything but their members."""

    project: Project
    token: UploadToken
    upload: Upload

    def url(self, pattern: URLPattern, *, of: str = "dashboard") -> str:
        """The address of this pattern in the project the members share; `of` names whose pattern it is."""
        known: dict[str, Any] = {
            "slug": self.project.slug,
            "uidb64": "MQ",
            "token": "abc-0123456789",
            "number": self.upload.run,
            "ord": 0,
            "fingerprint": Fingerprint.objects.filter(project=self.project).values_list("fingerprint", flat=True)[0],
            "public_id": self.upload.public_id,
            "pk": self._find_number(str(pattern.name)),
        }
        arguments = {name: known[name] for name in pattern.pattern.converters}
        return reverse(f"{of}:{pattern.name}", kwargs=arguments)

    def _find_number(self, name: str) -> int:
        if "token" in name:
            return self.token.pk
        if "deferral" in name:
            return Deferral.objects.filter(project=self.project).earliest("pk").pk
        return Membership.objects.get(user__username="other").pk


def page_patterns() -> list[URLPattern]:
    """All patterns of the dashboard."""
    return [pattern for pattern in urlpatterns if isinstance(pattern, URLPattern)]


def api_patterns() -> list[URLPattern]:
    """All patterns of the read API that are about one project."""
    return [pattern for pattern in api.urlpatterns if "slug" in pattern.pattern.converters]


def a_world(**metadata: Any) -> World:
    """The project `click` with an owner, a maintainer, a viewer and one more; and a stranger with `click-2`.

    `metadata` is that of the uploads.
    """
    project = a_project("click", owner=a_user("owner"))
    for name, role in (("viewer", "viewer"), ("maintainer", "maintainer"), ("other", "maintainer")):
        Membership.objects.create(project=project, user=a_user(name), role=role)
    a_user("newcomer")
    foreign = a_project("click-2", owner=a_user("stranger"))
    an_upload(foreign, {"tests.a::one": "pass"})
    token, _ = UploadToken.issue(project, name="ci")
    upload = an_upload(project, {"tests.a::one": "pass", "tests.a::two": "fail"}, **metadata)
    measured(project, {"src/a.py": lines(3, 1)}, hour=2)
    Deferral.objects.create(project=project, ord=0, origin="person", kind="skip", opened_at=upload.received_at)
    return World(project, token, upload)
