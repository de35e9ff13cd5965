"""The application wired to memory: the same attributes as `chalicelib.wiring.Wired`, nothing that leaves the process."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from chalicelib.domain.events import Plain
from chalicelib.domain.limits import Quotas
from chalicelib.gateways.payment_rules import SandboxRules
from chalicelib.ports import PaymentRules
from chalicelib.repositories.memory import MemoryStore
from chalicelib.repositories.memory_documents import MemoryDocuments
from chalicelib.repositories.memory_files import MemoryFiles
from chalicelib.repositories.memory_search import MemorySearchIndex
from tests.fake_workflow import MemoryOrderWorkflow
from tests.fakes import (
    CountedIds,
    FixedClock,
    MemoryAttention,
    MemoryCarrier,
    MemoryCustomers,
    MemoryEventBus,
    MemoryImportsQueue,
    MemoryInvoicingQueue,
    MemoryMailer,
    MemoryMetrics,
    MemoryPayments,
    MemoryReindexQueue,
    MemoryTokenKeys,
    PlainPasswords,
    PlainPrinter,
    PlainThumbnailer,
)

UNLIMITED = Quotas(user_requests=10**6, address_requests=10**6, sign_in_attempts=10**6, sign_in_quiet_seconds=900)
"""Tests ask often within a minute that does not pass."""


@dataclass
class MemoryWired:
    """Everything that leaves the process, kept in the process."""

    store: MemoryStore = field(default_factory=MemoryStore)
    clock: FixedClock = field(default_factory=FixedClock)
    ids: CountedIds = field(default_factory=CountedIds)
    passwords: PlainPasswords = field(default_factory=PlainPasswords)
    token_keys: MemoryTokenKeys = field(default_factory=MemoryTokenKeys)
    documents: MemoryDocuments = field(default_factory=MemoryDocuments)
    stored: MemoryFiles = field(default_factory=MemoryFiles)
    thumbnailer: Any = field(default_factory=PlainThumbnailer)
    search_index: MemorySearchIndex = field(default_factory=MemorySearchIndex)
    printer: Any = field(default_factory=PlainPrinter)
    mailer: MemoryMailer = field(default_factory=MemoryMailer)
    event_bus: MemoryEventBus = field(default_factory=MemoryEventBus)
    invoicing_queue: MemoryInvoicingQueue = field(default_factory=MemoryInvoicingQueue)
    order_workflow: MemoryOrderWorkflow = field(default_factory=MemoryOrderWorkflow)
    payments: MemoryPayments = field(default_factory=MemoryPayments)
    payment_rules: PaymentRules = field(default_factory=SandboxRules)
    carrier: MemoryCarrier = field(default_factory=MemoryCarrier)
    customers: MemoryCustomers = field(default_factory=MemoryCustomers)
    attention: MemoryAttention = field(default_factory=MemoryAttention)
    metrics: MemoryMetrics = field(default_factory=MemoryMetrics)
    reindex_queue: MemoryReindexQueue = field(default_factory=MemoryReindexQueue)

    imports_queue: MemoryImportsQueue = field(default_factory=MemoryImportsQueue)

    quotas: Quotas = UNLIMITED

    @property
    def uploads(self) -> MemoryFiles:
        return self.stored

    @property
    def files(self) -> MemoryFiles:
        return self.stored

    def __getattr__(self, name: str) -> Any:
        """The repositories, all of one store."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.store, name)

    def read_image(self, image: Mapping[str, Any]) -> Plain:
        from chalicelib.repositories.stream_images import plain_image

        return plain_image(image)

    def tables(self) -> dict[str, dict[Any, Any]]:
        """All that the repositories keep, as it is now; copied containers are enough, since nothing in them can change."""
        kept = self.store.accounts._state
        return {each.name: dict(getattr(kept, each.name)) for each in fields(kept) if each.name != "lock"}

    def state(self) -> dict[str, Any]:
        """All that is kept, and all that was told to the outside."""
        return {
            **self.tables(),
            "documents": dict(self.documents._kept),
            "files": self.stored.contents(),
            "search_index": self.search_index.documents(),
            "mails": list(self.mailer.sent),
            "asked": list(self.invoicing_queue.messages),
            "published": list(self.event_bus.published),
            "money": list(self.payments.moved),
            "parcels": list(self.carrier.handed_over),
            "told": list(self.customers.told),
            "attention": list(self.attention.asked),
        }
