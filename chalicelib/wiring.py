"""Settings -> repositories and gateways, each made when first used and kept for the next invocation.

What talks to AWS is imported here, in the property that needs it: a request for a client loads DynamoDB's model and nothing of
S3, SES or the PDF writer. All clients share one botocore session.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from chalicelib.settings import Settings

if TYPE_CHECKING:
    from chalicelib.domain.events import Plain
    from chalicelib.domain.limits import Quotas
    from chalicelib.gateways.aws_clients import AwsClients
    from chalicelib.ports import (
        Access,
        Accounts,
        Attention,
        Carrier,
        Clients,
        Clock,
        CreditNotes,
        Customers,
        Documents,
        DueClients,
        EventBus,
        Files,
        Ids,
        Images,
        Imports,
        ImportsQueue,
        Invoices,
        InvoicingQueue,
        KeyedRequests,
        Ledger,
        Limits,
        Mailer,
        Metrics,
        Orders,
        OrderWorkflow,
        Passwords,
        PaymentRules,
        Payments,
        Printer,
        Products,
        ReindexQueue,
        Reports,
        Reservations,
        RowMarks,
        Searchable,
        SearchIndex,
        Stock,
        Thumbnailer,
        Timers,
        TokenKeys,
        UnsettledImages,
        UnsettledImports,
        Uploads,
        Users,
        Work,
    )
    from chalicelib.repositories.files import S3Files
    from chalicelib.repositories.table import Table


class Wired:
    """Everything that leaves the process, for one stage."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _aws(self) -> AwsClients:
        from chalicelib.gateways.unused_imports import leave_out

        leave_out()
        from chalicelib.gateways.aws_clients import AwsClients

        return AwsClients()

    @cached_property
    def _dynamodb(self) -> Any:
        return self._aws.client("dynamodb")

    @cached_property
    def _table(self) -> Table:
        from chalicelib.repositories.table import Table

        return Table(self._dynamodb, self._settings.table, ephemeral=self._settings.ephemeral_table)

    @cached_property
    def _ephemeral(self) -> Table:
        from chalicelib.repositories.table import Table

        return Table(self._dynamodb, self._settings.ephemeral_table)

    @cached_property
    def clock(self) -> Clock:
        from chalicelib.gateways.clock import SystemClock

        return SystemClock()

    @cached_property
    def ids(self) -> Ids:
        from chalicelib.gateways.clock import RandomIds

        return RandomIds()

    @cached_property
    def passwords(self) -> Passwords:
        from chalicelib.gateways.passwords import Argon2Passwords

        return Argon2Passwords()

    @cached_property
    def token_keys(self) -> TokenKeys:
        from chalicelib.gateways.token_keys import SecretTokenKeys

        return SecretTokenKeys(self._aws.client("secretsmanager"), self._settings.token_key_secret, self.clock)

    @cached_property
    def accounts(self) -> Accounts:
        from chalicelib.repositories.accounts import DynamoAccounts

        return DynamoAccounts(self._table)

    @cached_property
    def users(self) -> Users:
        from chalicelib.repositories.accounts import DynamoUsers

        return DynamoUsers(self._table)

    @cached_property
    def access(self) -> Access:
        from chalicelib.repositories.accounts import DynamoAccess

        return DynamoAccess(self._table)

    @cached_property
    def clients(self) -> Clients:
        from chalicelib.repositories.clients import DynamoClients

        return DynamoClients(self._table)

    @cached_property
    def keyed_requests(self) -> KeyedRequests:
        from chalicelib.repositories.keyed_requests import DynamoKeyedRequests

        return DynamoKeyedRequests(self._ephemeral)

    @cached_property
    def due_clients(self) -> DueClients:
        from chalicelib.repositories.clients import DynamoDueClients

        return DynamoDueClients(self._table)

    @cached_property
    def work(self) -> Work:
        from chalicelib.repositories.work import DynamoWork

        return DynamoWork(self._table)

    @cached_property
    def timers(self) -> Timers:
        from chalicelib.repositories.work import DynamoTimers

        return DynamoTimers(self._table)

    @cached_property
    def ledger(self) -> Ledger:
        from chalicelib.repositories.ledger import DynamoLedger

        return DynamoLedger(self._table)

    @cached_property
    def invoices(self) -> Invoices:
        from chalicelib.repositories.invoices import DynamoInvoices

        return DynamoInvoices(self._table)

    @cached_property
    def credit_notes(self) -> CreditNotes:
        from chalicelib.repositories.invoices import DynamoCreditNotes

        return DynamoCreditNotes(self._table)

    @cached_property
    def reports(self) -> Reports:
        from chalicelib.repositories.reports import DynamoReports

        return DynamoReports(self._table)

    @cached_property
    def products(self) -> Products:
        from chalicelib.repositories.products import DynamoProducts

        return DynamoProducts(self._table, self.clock)

    @cached_property
    def stock(self) -> Stock:
        from chalicelib.repositories.products import DynamoStock

        return DynamoStock(self._table)

    @cached_property
    def orders(self) -> Orders:
        from chalicelib.repositories.orders import DynamoOrders

        return DynamoOrders(self._table)

    @cached_property
    def reservations(self) -> Reservations:
        from chalicelib.repositories.orders import DynamoReservations

        return DynamoReservations(self._table)

    @cached_property
    def imports(self) -> Imports:
        from chalicelib.repositories.imports import DynamoImports

        return DynamoImports(self._table)

    @cached_property
    def unsettled_imports(self) -> UnsettledImports:
        from chalicelib.repositories.imports import DynamoUnsettledImports

        return DynamoUnsettledImports(self._table)

    @cached_property
    def row_marks(self) -> RowMarks:
        from chalicelib.repositories.imports import DynamoRowMarks

        return DynamoRowMarks(self._table)

    @cached_property
    def imports_queue(self) -> ImportsQueue:
        from chalicelib.gateways.imports_queue import SqsImportsQueue

        return SqsImportsQueue(self._aws.client("sqs"), self._settings.imports_queue)

    @cached_property
    def limits(self) -> Limits:
        from chalicelib.repositories.limits import DynamoLimits

        return DynamoLimits(self._ephemeral)

    @cached_property
    def quotas(self) -> Quotas:
        from chalicelib.domain.limits import Quotas

        return Quotas(
            user_requests=self._settings.requests_per_minute,
            address_requests=self._settings.public_requests_per_minute,
            sign_in_attempts=self._settings.sign_in_attempts,
            sign_in_quiet_seconds=self._settings.sign_in_quiet_seconds,
        )

    @cached_property
    def _s3(self) -> Any:
        # Signature version 4 is not the default for presigned links in every region, nor is the region's own host, which
        # a link needs: the global one redirects for a new bucket's first hours, and a signature does not survive that.
        return self._aws.client("s3", signature_version="s3v4", s3={"addressing_style": "virtual"})

    @cached_property
    def documents(self) -> Documents:
        from chalicelib.repositories.documents import S3Documents

        return S3Documents(self._s3, self._settings.bucket)

    @cached_property
    def _files(self) -> S3Files:
        from chalicelib.repositories.files import S3Files

        return S3Files(self._s3, self._settings.files_bucket)

    @cached_property
    def images(self) -> Images:
        from chalicelib.repositories.images import DynamoImages

        return DynamoImages(self._table)

    @cached_property
    def unsettled_images(self) -> UnsettledImages:
        from chalicelib.repositories.images import DynamoUnsettledImages

        return DynamoUnsettledImages(self._table)

    @cached_property
    def thumbnailer(self) -> Thumbnailer:
        from chalicelib.gateways.thumbnailer import PillowThumbnailer

        return PillowThumbnailer()

    @property
    def uploads(self) -> Uploads:
        return self._files

    @property
    def files(self) -> Files:
        return self._files

    @cached_property
    def searchable(self) -> Searchable:
        from chalicelib.repositories.searchable import DynamoSearchable

        return DynamoSearchable(self._table)

    @cached_property
    def search_index(self) -> SearchIndex:
        from pathlib import Path
        from tempfile import gettempdir

        from chalicelib.repositories.search_index import S3SearchIndex

        return S3SearchIndex(self._s3, self._settings.search_bucket, Path(gettempdir(), "daybook-search"))

    @cached_property
    def reindex_queue(self) -> ReindexQueue:
        from chalicelib.gateways.reindex_queue import SqsReindexQueue

        return SqsReindexQueue(self._aws.client("sqs"), self._settings.reindex_queue)

    @cached_property
    def printer(self) -> Printer:
        from chalicelib.gateways.printer import PdfPrinter

        return PdfPrinter()

    @cached_property
    def mailer(self) -> Mailer:
        from chalicelib.gateways.mailer import SesMailer

        # SendRawEmail takes no idempotency token: asked again by itself, botocore would mail twice.
        # And an answer that it did not wait for may have been a yes, so it waits for long.
        ses = self._aws.client("ses", attempts=1, read_timeout=20)
        return SesMailer(ses, self._settings.mail_sender, self._settings.mail_configuration_set)

    @cached_property
    def event_bus(self) -> EventBus:
        from chalicelib.gateways.event_bus import EventBridgeBus

        return EventBridgeBus(self._aws.client("events"), self._settings.event_bus)

    @cached_property
    def invoicing_queue(self) -> InvoicingQueue:
        from chalicelib.gateways.invoicing_queue import SqsInvoicingQueue

        return SqsInvoicingQueue(self._aws.client("sqs"), self._settings.invoicing_queue)

    @cached_property
    def metrics(self) -> Metrics:
        from chalicelib.gateways.metrics import EmfMetrics

        return EmfMetrics(self._settings.stage, self.clock)

    @cached_property
    def order_workflow(self) -> OrderWorkflow:
        from chalicelib.gateways.order_workflow import StepFunctionsWorkflow

        return StepFunctionsWorkflow(self._aws.client("stepfunctions"), self._settings.order_workflow)

    @cached_property
    def attention(self) -> Attention:
        from chalicelib.gateways.attention import SqsAttention

        return SqsAttention(self._aws.client("sqs"), self._settings.attention_queue)

    @cached_property
    def payments(self) -> Payments:
        from chalicelib.repositories.books import DynamoBooks

        books = DynamoBooks(self._table)
        if self._settings.payments == "sandbox":
            from chalicelib.gateways.sandbox_payments import SandboxPayments

            return SandboxPayments(books)
        from chalicelib.gateways.stripe_payments import StripePayments

        return StripePayments(books, self._aws.client("secretsmanager"), self._settings.stripe_key_secret)

    @cached_property
    def payment_rules(self) -> PaymentRules:
        from chalicelib.gateways.payment_rules import SandboxRules, StripeRules

        return SandboxRules() if self._settings.payments == "sandbox" else StripeRules()

    @cached_property
    def carrier(self) -> Carrier:
        from chalicelib.repositories.books import DynamoBooks

        books = DynamoBooks(self._table)
        if self._settings.payments == "sandbox":
            from chalicelib.gateways.sandbox_carrier import SandboxCarrier

            return SandboxCarrier(books, self.clock)
        # Who takes real money invents no parcels.
        from chalicelib.gateways.own_delivery import OwnDelivery

        return OwnDelivery(books, self.clock)

    @cached_property
    def customers(self) -> Customers:
        from chalicelib.gateways.customers import SnsCustomers

        return SnsCustomers(self._aws.client("sns"), self._settings.orders_topic)

    def read_image(self, image: Mapping[str, Any]) -> Plain:
        """A stream record's image as plain data."""
        from chalicelib.repositories.stream_images import plain_image

        return plain_image(image)
