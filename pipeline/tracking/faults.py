"""Which errors of the store mean "never", and which mean "later"."""

from __future__ import annotations

from pipeline.tracking.redact import redact


def is_refusal(error: Exception) -> bool:
    """Whether trying again is pointless: the store answered that it will not take this."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    if isinstance(error, MlflowException):
        code = error.get_http_status_code()
    elif isinstance(error, RequestException):
        code = error.response.status_code if error.response is not None else 503
    else:
        return not isinstance(error, OSError | SQLAlchemyError)
    return 400 <= code < 500 and code not in (401, 403, 408, 429)


def reason(error: BaseException) -> str:
    """An error in one short line without secrets."""
    return redact(" ".join(str(error).split()))[:300] or type(error).__name__
