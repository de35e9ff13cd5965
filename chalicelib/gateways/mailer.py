"""Mail through SES, as a whole MIME message.

The client must not retry: a second SendRawEmail after a lost answer is a second mail, and SES takes no token against that.
SES puts its own Message-ID and Date on the wire; ours is what tells a repetition wherever SES is not in between.
"""

import re
from email.charset import QP, Charset
from email.encoders import encode_base64
from email.header import Header
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.policy import compat32
from typing import TYPE_CHECKING, Any

from chalicelib.aws_errors import calling, code_of
from chalicelib.domain.deliveries import Attachment, Mail
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
_CRLF = compat32.clone(linesep="\r\n")
_TEXT = Charset("utf-8")
_TEXT.body_encoding = QP
_PLAIN = re.compile(r"[A-Za-z0-9 &'/*+-]*", re.ASCII)
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
                    RawMessage={"Data": bytes_of(mail, self._sender)},
                    ConfigurationSetName=self._configuration_set,
                    Tags=[{"Name": name, "Value": value} for name, value in mail.tags.items()],
                )
            except ClientError as error:
                if code_of(error) in _PERMANENT:
                    raise MailRefused(error.response["Error"].get("Message", "")) from error
                raise
        return answer["MessageId"]


def bytes_of(mail: Mail, sender: str) -> bytes:
    """The whole message; the same mail always gives the same bytes.

    Built with the older half of the email package: the newer one decodes encoded words (RFC 2047) that stand in a text, line
    ends and all, and loses the quotes of a name when it folds a long header.
    """
    text = MIMENonMultipart("text", "plain")
    text.set_payload(_encodable(mail.text), _TEXT)
    message: Message[Any, Any] = text if mail.attachment is None else _multipart(text, mail.attachment, mail.message_id)
    message["From"] = _from(_one_line(mail.sender_name), sender)
    message["Reply-To"] = mail.reply_to
    message["To"] = mail.to
    message["Subject"] = _header("Subject", _one_line(mail.subject))
    message["Message-ID"] = f"<{mail.message_id}@{sender.rpartition('@')[2]}>"
    return message.as_bytes(policy=_CRLF)


def _from(name: str, sender: str) -> Header:
    header = _header("From", name)
    header.append(f"<{sender}>", "ascii")
    return header


def _header(name: str, text: str) -> Header:
    """ASCII only where every mail program reads the text as it stands, in a name too; all else becomes encoded words."""
    return Header(text, "ascii" if _PLAIN.fullmatch(text) else "utf-8", header_name=name)


def _multipart(text: Message, attachment: Attachment, message_id: str) -> Message:
    """With a boundary of its own for each mail; `=_` can stand in no line of quoted-printable or base64."""
    maintype, _, subtype = attachment.content_type.partition("/")
    part = MIMENonMultipart(maintype, subtype)
    part.set_payload(attachment.content)
    encode_base64(part)
    part.add_header("Content-Disposition", "attachment", filename=_one_line(attachment.filename))
    return MIMEMultipart(boundary=f"=_{message_id}", _subparts=[text, part])


def _one_line(text: str) -> str:
    """Nobody's name begins a header of its own."""
    return _CONTROLS.sub(" ", _encodable(text)).strip()


def _encodable(text: str) -> str:
    """Half a surrogate pair, which no encoding has, becomes a question mark."""
    return text.encode("utf-8", "replace").decode()
