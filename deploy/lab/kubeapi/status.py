"""Failures as the API says them: a `Status` object with the HTTP code and reason of apimachinery's `errors` package."""

from typing import Any


class RefusalError(Exception):
    """A request that is answered by a `Status`, either as the HTTP answer or as an ERROR event in a watch."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.body = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            **({"details": details} if details else {}),
            "code": code,
        }


def unauthorized() -> RefusalError:
    """No token, or a wrong one."""
    return RefusalError(401, "Unauthorized", "Unauthorized")


def expired(message: str) -> RefusalError:
    """410: a version or a continue token that is too old."""
    return RefusalError(410, "Expired", message)


def bad_request(message: str) -> RefusalError:
    """400: a selector, token or version that makes no sense."""
    return RefusalError(400, "BadRequest", message)


def not_found(plural: str, name: str) -> RefusalError:
    """404 for an object."""
    return RefusalError(404, "NotFound", f'{plural} "{name}" not found', {"name": name, "kind": plural})


def too_large(asked: int, current: int) -> RefusalError:
    """504: a version that this server has not seen yet, as after a restore from a backup."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    message = f"Too large resource version: {asked}, current: {current}"
    return RefusalError(504, "Timeout", message, {"causes": [cause], "retryAfterSeconds": 1})
