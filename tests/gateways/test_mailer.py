from collections.abc import Callable
from dataclasses import replace
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.stub import ANY, Stubber
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.deliveries import Attachment, Mail
from chalicelib.domain.errors import MailRefused, Unavailable
from chalicelib.gateways.mailer import SesMailer, bytes_of

Scripted = Callable[[str], tuple[Any, Stubber]]
SENDER = "invoices@daybook.example"
PDF = b"%PDF-1.4\n" + bytes(range(256)) * 40
MAIL = Mail(
    message_id="inv_01JD3Z2V",
    sender_name="Jana Müller",
    reply_to="jana@mueller.example",
    to="rechnung@wuerth.example",
    subject="Invoice RE-2026-0001 from Jana Müller",
    text="Dear Würth & Söhne,\n\nplease find attached the invoice.\n\nTotal: 1,941.36 EUR — thank you.\n",
    attachment=Attachment(filename="RE-2026-0001.pdf", content_type="application/pdf", content=PDF),
    tags={"account": "acc_1", "document": "inv_01JD3Z2V"},
)


def received(mail: Mail) -> EmailMessage:
    """What a mail program makes of the bytes."""
    return message_from_bytes(bytes_of(mail, SENDER), _class=EmailMessage, policy=SMTP)


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def test_the_service_sends_in_the_account_s_name_and_answers_go_to_the_account() -> None:
    message = received(MAIL)

    (sender,) = message["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ("Jana Müller", SENDER)
    assert message["Reply-To"] == "jana@mueller.example"
    assert message["To"] == "rechnung@wuerth.example"
    assert message["Subject"] == "Invoice RE-2026-0001 from Jana Müller"


def test_the_message_id_is_the_document_s_at_the_service_s_domain() -> None:
    assert received(MAIL)["Message-ID"] == "<inv_01JD3Z2V@daybook.example>"


def test_the_text_arrives_as_it_was_written() -> None:
    assert text_of(received(MAIL)).replace("\r\n", "\n") == MAIL.text


def test_the_document_is_attached_byte_for_byte() -> None:
    (attached,) = received(MAIL).iter_attachments()

    assert attached.get_filename() == "RE-2026-0001.pdf"
    assert attached.get_content_type() == "application/pdf"
    assert attached.get_content() == PDF


def test_a_mail_without_a_document_is_plain_text() -> None:
    message = received(replace(MAIL, attachment=None))

    assert message.get_content_type() == "text/plain"
    assert list(message.iter_attachments()) == []


def test_the_same_mail_always_gives_the_same_bytes() -> None:
    assert bytes_of(MAIL, SENDER) == bytes_of(MAIL, SENDER)


def test_it_goes_through_any_mail_server() -> None:
    raw = bytes_of(replace(MAIL, text="ü" * 3_000 + "\n" + "x " * 2_000), SENDER)

    assert raw.isascii()
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert b"\n" not in raw.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    "name",
    [
        "Müller\r\nBcc: everyone@example.com",
        "Müller\nSubject: another",
        "Müller\x0bBcc: x@example.com",
        "Müller\u2028Bcc: x@example.com",
        'Müller" <other@example.com>, "',
        "=?utf-8?q?M=0D=0ABcc:_x@example.com?=",
        "=\r?utf-8?b?TQ0KQmNjOiB4QGV4YW1wbGUuY29t?=",
        "==??utf-8?q?M=0D=0ABcc:_x@example.com?=",
        "M" * 300 + "ü, " * 60,
        "=?utf-8?q?" * 7 + "Bcc: x@example.com",
        '<b>, ; : @ \\ " ( [',
        "会社 株式会社 😀",
        "",
        "   ",
    ],
)
def test_no_name_makes_a_header_or_a_sender_of_its_own(name: str) -> None:
    message = received(replace(MAIL, sender_name=name, subject=f"Invoice from {name}"))

    assert sorted(message.keys()) == sorted(["From", "Reply-To", "To", "Subject", "Message-ID", "MIME-Version", "Content-Type"])
    assert [address.addr_spec for address in message["From"].addresses] == [SENDER]
    assert [address.addr_spec for address in message["To"].addresses] == [MAIL.to]


@pytest.mark.parametrize(
    "name",
    [
        "Ada Lovelace",
        "Würth & Söhne GmbH",
        'O\'Neil "Bob" Inc., Ltd. (Dublin)',
        "Δήμος Αθηναίων · Тест 株式会社 😀",
        "=?utf-8?q?literally?=",
        "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft " * 2 + "mbH",
    ],
)
def test_a_name_and_a_subject_are_read_as_they_were_written(name: str) -> None:
    # Not with the policy: its reader puts a space between the encoded words of a name (RFC 2047, 6.2 says to drop it).
    message = message_from_bytes(bytes_of(replace(MAIL, sender_name=name, subject=name), SENDER))

    assert str(make_header(decode_header(message["From"]))) == f"{name} <{SENDER}>"
    assert str(make_header(decode_header(message["Subject"]))) == name


HEADER_PARTS = ["=?utf-8?q?", "?=", "=?", "=0D=0A", "Bcc: x@example.com", *'?= \r\n\t:@<>",;()[]\\.aü会😀\u2028\ud800']


@given(*[st.lists(st.sampled_from(HEADER_PARTS), max_size=60).map("".join) | st.text(max_size=200)] * 2)
def test_whatever_stands_in_name_and_subject_the_mail_goes_to_the_client_from_the_service(name: str, subject: str) -> None:
    message = received(replace(MAIL, sender_name=name, subject=subject))

    assert "Bcc" not in message
    assert [address.addr_spec for address in message["From"].addresses] == [SENDER]
    assert [address.addr_spec for address in message["To"].addresses] == [MAIL.to]
    assert text_of(message).replace("\r\n", "\n") == MAIL.text


def test_half_a_surrogate_pair_becomes_a_question_mark() -> None:
    message = received(replace(MAIL, sender_name="A\ud83d", subject="B\ude00", text="C\ud83d"))

    assert message["From"].addresses[0].display_name == "A?"
    assert message["Subject"] == "B?"
    assert text_of(message).strip() == "C?"


def test_ses_gets_the_whole_message_one_recipient_the_configuration_set_and_the_tags(scripted: Scripted) -> None:
    client, aws = scripted("ses")
    aws.add_response(
        "send_raw_email",
        {"MessageId": "0100-abc"},
        {
            "Source": SENDER,
            "Destinations": ["rechnung@wuerth.example"],
            "RawMessage": {"Data": bytes_of(MAIL, SENDER)},
            "ConfigurationSetName": "daybook-test",
            "Tags": [{"Name": "account", "Value": "acc_1"}, {"Name": "document", "Value": "inv_01JD3Z2V"}],
        },
    )

    assert SesMailer(client, SENDER, "daybook-test").send(MAIL) == "0100-abc"


@pytest.mark.parametrize("code", ["MessageRejected", "InvalidParameterValue", "ConfigurationSetDoesNotExist"])
def test_what_ses_will_never_send_is_refused_in_its_own_words(scripted: Scripted, code: str) -> None:
    client, aws = scripted("ses")
    aws.add_client_error("send_raw_email", code, "Email address is not verified.")

    with pytest.raises(MailRefused, match="Email address is not verified"):
        SesMailer(client, SENDER, "daybook-test").send(MAIL)


@pytest.mark.parametrize(
    "code", ["Throttling", "ServiceUnavailable", "AccountSendingPausedException", "ConfigurationSetSendingPausedException"]
)
def test_what_ses_may_send_later_is_unavailable(scripted: Scripted, code: str) -> None:
    client, aws = scripted("ses")
    aws.add_client_error("send_raw_email", code, "arn:aws:ses:eu-central-1:123456789012", expected_params=ANY_PARAMETERS)

    with pytest.raises(Unavailable) as raised:
        SesMailer(client, SENDER, "daybook-test").send(MAIL)
    assert "arn:" not in raised.value.detail


ANY_PARAMETERS = {
    "Source": ANY,
    "Destinations": ANY,
    "RawMessage": ANY,
    "ConfigurationSetName": ANY,
    "Tags": ANY,
}


def test_a_lost_answer_is_unavailable_and_not_asked_again() -> None:
    class Silent:
        calls = 0

        def send_raw_email(self, **_: Any) -> dict[str, str]:
            self.calls += 1
            raise ReadTimeoutError(endpoint_url="https://email")

    ses: Any = Silent()
    with pytest.raises(Unavailable):
        SesMailer(ses, SENDER, "daybook-test").send(MAIL)
    assert ses.calls == 1
