"""botocore's errors -> ours, the same for every repository and gateway."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from chalicelib.domain.errors import Unavailable

if TYPE_CHECKING:
    from botocore.exceptions import ClientError


@contextmanager
def calling(service: str) -> Iterator[None]:
    """Raises: Unavailable for every refusal and lost answer of the service, the cause beneath it.

    What the service said stays out of the text: it names resources of ours, and the text is shown outside.
    """
    # Not above: with a client to call, botocore is loaded long since; `import app` is to do without it.
    from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

    try:
        yield
    except ParamValidationError:
        raise
    except (ClientError, BotoCoreError) as error:
        raise Unavailable(f"{service} does not answer") from error


def code_of(error: "ClientError") -> str:
    """The service's own word for what is wrong, such as `NoSuchKey`."""
    return error.response.get("Error", {}).get("Code", "")
