"""Signing in and out: by password, or once by a link that `manage.py login_link` prints.

Called by `dashboard.urls`; the generator also by the command. Promise: a link signs in once and for an hour,
opening it changes nothing, and `next` never leads to another host (`tests/dashboard/test_login.py`).
"""

import hashlib
import math
from typing import Any, Final

from django import forms
from django.contrib.auth import login as sign_in
from django.contrib.auth.forms import AuthenticationForm, UsernameField
from django.contrib.auth.models import User
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.contrib.auth.views import LoginView, LogoutView
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import base36_to_int, urlsafe_base64_decode, urlsafe_base64_encode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from health import allowances

LINK_SECONDS: Final = 3600
_WINDOW_SECONDS: Final = 300
_TRIES_PER_ACCOUNT: Final = 8
_TRIES_PER_ADDRESS: Final = 60


class LinkTokens(PasswordResetTokenGenerator):
    """Tokens that die with the next sign-in, because the time of the last one is part of their hash."""

    key_salt = "suitewatch.login-link"

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        # Django cuts the sign-in's time to seconds; a link used twice within one would pass twice.
        last = user.last_login.isoformat() if user.last_login else ""
        return f"{user.pk}{user.password}{last}{timestamp}{user.is_active}"

    def check_token(self, user: Any, token: str | None) -> bool:
        """Whether the token is this user's, unused, and at most an hour old."""
        if user is None or not super().check_token(user, token):
            return False
        issued = base36_to_int(str(token).split("-")[0])
        return self._num_seconds(self._now()) - issued <= LINK_SECONDS


link_tokens: Final = LinkTokens()


def make_link_path(user: User) -> str:
    """The path of a new one-time link for this user."""
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    return reverse("dashboard:login-link", kwargs={"uidb64": uid, "token": link_tokens.make_token(user)})


class SlowedForm(AuthenticationForm):
    """Django's form, which stops answering after too many wrong tries.

    Counted per account and address, and per address, by all processes together: losing Redis lets nobody in, and a
    stranger elsewhere cannot lock an account for its owner. Behind a proxy that is not trusted all share one address,
    the proxy's, and so one limit.
    """

    username = UsernameField(label="User name", widget=forms.TextInput(attrs={"autofocus": True}))

    def clean(self) -> dict[str, Any]:
        """Refuse before the password is looked at, so that waiting cannot be shortened by guessing right."""
        # Taken before the look, so that many tries at once are not more than the limit, and put back for a right one.
        taken: list[tuple[str, int]] = []
        for key, most in self._buckets().items():
            if seconds := allowances.take(key, rate=most / _WINDOW_SECONDS, burst=most):
                _put_back(taken)
                minutes = math.ceil(seconds / 60)
                wait = "a minute" if minutes == 1 else f"{minutes} minutes"
                raise ValidationError(f"Too many tries. Wait {wait}, or use a one-time link.", code="slowed")
            taken.append((key, most))
        cleaned = super().clean()
        _put_back(taken)
        return cleaned

    def _buckets(self) -> dict[str, int]:
        address = str(self.request.META.get("REMOTE_ADDR", "")) if self.request else ""
        account = self.cleaned_data.get("username", "")
        digest = hashlib.blake2b(f"{account}\0{address}".encode(), digest_size=12).hexdigest()
        return {
            f"login:account:{digest}": _TRIES_PER_ACCOUNT,
            f"login:address:{allowances.name_address(address)}": _TRIES_PER_ADDRESS,
        }


def _put_back(taken: list[tuple[str, int]]) -> None:
    for key, most in taken:
        allowances.give_back(key, burst=most)


page = LoginView.as_view(template_name="registration/login.html", authentication_form=SlowedForm)
logout = LogoutView.as_view()


@sensitive_variables("token")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def link(request: HttpRequest, uidb64: str, token: str) -> HttpResponse:
    """GET: a page that sends itself. POST: sign in. Scanners that follow links use none of them up."""
    if request.method == "POST":
        with transaction.atomic():
            # Locked, so that of two clicks at once only one signs in.
            user = _find_user(uidb64, lock=True)
            if link_tokens.check_token(user, token):
                sign_in(request, user, backend="django.contrib.auth.backends.ModelBackend")
                return HttpResponseRedirect(resolve_url("dashboard:projects"))
    is_good = link_tokens.check_token(_find_user(uidb64), token)
    status = 200 if is_good else 410
    return render(request, "registration/login_link.html", {"is_good": is_good}, status=status)


def _find_user(uidb64: str, *, lock: bool = False) -> User | None:
    users = User.objects.select_for_update() if lock else User.objects.all()
    try:
        return users.filter(pk=int(urlsafe_base64_decode(uidb64)), is_active=True).first()
    except ValueError:
        return None
