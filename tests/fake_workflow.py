"""Who starts the workflows of orders, in memory."""

from dataclasses import dataclass, field


@dataclass
class MemoryOrderWorkflow:
    """`started` has account and order of each, once; `ended` those orders whose workflow has ended."""

    started: list[tuple[str, str]] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)
    failures: list[Exception | None] = field(default_factory=list)

    def start(self, account_id: str, order_id: str) -> bool:
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        if (account_id, order_id) not in self.started:
            self.started.append((account_id, order_id))
        return order_id not in self.ended
