"""The console in the hands of an administrator with a browser."""

from pathlib import Path
from typing import Final

import requests

from dus_project.demonstration.service import Service
from dus_project.demonstration.steps import require, wait_for

ADMINISTRATOR: Final = "admin"

_EXTRACT_SECONDS: Final = 30.0


class Console:
    """A browser's session."""

    def __init__(self, service: Service) -> None:
        self._url = service.console
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(service.certificate)
        self._session.headers["Referer"] = f"{self._url}/admin/"

    def sign_in(self, password: str) -> None:
        url = f"{self._url}/admin/login/"
        self._session.get(url, timeout=30).raise_for_status()
        answer = self._session.post(
            url,
            data={
                "username": ADMINISTRATOR,
                "password": password,
                "csrfmiddlewaretoken": self._token,
                "next": "/admin/",
            },
            timeout=30,
        )
        require(
            answer.ok and "sessionid" in self._session.cookies,
            f"signing in was answered {answer.status_code}",
        )

    def upload(self, path: Path) -> None:
        """Uploads a package and waits until a worker has extracted it. Raises StepError when that fails."""
        with path.open("rb") as file:
            answer = self._session.post(
                f"{self._url}/admin/updates/package/upload/",
                data=file,
                headers={
                    "Content-Type": "application/octet-stream",
                    "X-File-Name": path.name,
                    "X-CSRFToken": self._token,
                },
                timeout=60,
            )
        require(answer.ok, f"the upload was answered {answer.status_code}: {answer.text[:500]}")
        progress = f"{self._url}{answer.json()['progress']}"
        wait_for(
            lambda: self._state(progress) in {"ready", "failed"},
            within=_EXTRACT_SECONDS,
            otherwise="the worker did not extract the package in time",
        )
        require(self._state(progress) == "ready", "the package failed; its page in the console says why")

    def shows_pending(self, version: str) -> bool:
        page = self._session.get(f"{self._url}/admin/updates/pendingupdate/", timeout=30)
        return page.ok and version in page.text

    def _state(self, progress: str) -> str:
        answer = self._session.get(progress, timeout=30)
        require(answer.ok, f"the progress of the package was answered {answer.status_code}")
        return str(answer.json()["state"])

    @property
    def _token(self) -> str:
        return self._session.cookies["csrftoken"]
