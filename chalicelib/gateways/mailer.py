"""Mail through SES, as a whole MIME message.

The client must not retry: a second SendRawEmail after a lost answer is a second mail, and SES takes no token against that.
SES puts its own Message-ID and Date on the wire; ours is what tells a repetition wherever SES is not in between.
"""

import re
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import TYPE_CHECKING

from chalicelib.aws_errors import calling, code_of
from chalicelib.domain.deliveries import Mail
from chalicelib.domain.errors import MailRefused

if TYPE_CHECKING:
    from mypy_boto3_ses import SESClient

_PERMANENT = frozenset(
    {
        "MessageRejected",
        "InvalidParameterValue",
        "ValidationError",
        "MailFromDomainNotVerified",
        "MailFromDomainNotVerifiedException",
        "ConfigurationSetDoesNotExist",
        "ConfigurationSetDoesNotExistException",
    }
)
"""Of SES's errors, those that the same message meets again tomorrow; throttling, quotas and pauses pass."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class SesMailer:
    """`sender` is the service's own address, verified with SES."""

    def __init__(self, ses: "SESClient", sender: str, configuration_set: str) -> None:
        self._ses = ses
        self._sender = sender
        self._configuration_set = configuration_set

    def send(self, mail: Mail) -> str:
        from botocore.exceptions import ClientError

        with calling("the mail service"):
            try:
                answer = self._ses.send_raw_email(
                    Source=self._sender,
                    Destinations=[mail.to],
                    RawMessage={"Data": message_of(mail, self._sender).as_bytes()},
                    ConfigurationSetName=self._configuration_set,
                    Tags=[{"Name": name, "Value": value} for name, value in mail.tags.items()],
                )
            except ClientError as error:
                if code_of(error) in _PERMANENT:
                    raise MailRefused(error.response["Error"].get("Message", "")) from error
                raise
        return answer["MessageId"]


def message_of(mail: Mail, sender: str) -> EmailMessage:
    """The same mail always gives the same bytes."""
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(_one_line(mail.sender_name), addr_spec=sender)
    message["Reply-To"] = Address(addr_spec=mail.reply_to)
    message["To"] = Address(addr_spec=mail.to)
    message["Subject"] = _one_line(mail.subject)
    message["Message-ID"] = f"<{mail.message_id}@{sender.rpartition('@')[2]}>"
    message.set_content(mail.text, cte="quoted-printable")
    if mail.attachment is not None:
        maintype, _, subtype = mail.attachment.content_type.partition("/")
        message.add_attachment(
            mail.attachment.content, maintype=maintype, subtype=subtype, filename=_one_line(mail.attachment.filename)
        )
        # A random boundary would make each sending another message; `=_` can stand in no quoted-printable or base64 line.
        message.set_boundary(f"=_{mail.message_id}")
    return message


def _one_line(text: str) -> str:
    """Nobody's name begins a header of its own."""
    return _CONTROLS.sub(" ", text).strip()
