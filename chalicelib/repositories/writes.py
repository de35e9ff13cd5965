"""What is written: the items of a transaction, with their conditions, in the words of DynamoDB's expressions.

Expressions are written with `#name` for an attribute and `:name` for a value; what DynamoDB wants beside them is made here.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from chalicelib.domain.errors import Contended, DaybookError, NotFound
from chalicelib.repositories.items import Item, to_attribute, to_image
from chalicelib.repositories.keys import Key

_NAMES = re.compile(r"#(\w+)", re.ASCII)

Refused = Callable[[Item | None], DaybookError]
"""What it means that a condition does not hold, given the item as it is, None if there is none."""


def contended(kept: Item | None) -> DaybookError:
    return NotFound() if kept is None else Contended()


def always_contended(_kept: Item | None) -> DaybookError:
    return Contended()


class Write(NamedTuple):
    """One item of a transaction. `names` are attributes whose names are made at run time.

    `table` is where it is written if not where the others are. Where the condition of a `decisive` one does not hold, it alone
    says why: what the others were computed from is no longer so.
    """

    action: Literal["Put", "Update", "Delete", "ConditionCheck"]
    target: Mapping[str, object]
    change: str = ""
    condition: str = ""
    values: Mapping[str, object] = MappingProxyType({})
    names: Mapping[str, str] = MappingProxyType({})
    refused: Refused = always_contended
    table: str | None = None
    decisive: bool = False

    @property
    def key(self) -> Key:
        return Key(str(self.target["pk"]), str(self.target["sk"]))

    def request(self, table: str) -> dict[str, Any]:
        request: dict[str, Any] = {
            "TableName": self.table or table,
            "Item" if self.action == "Put" else "Key": to_image(self.target),
            **placeholders(f"{self.change} {self.condition}", self.values, self.names),
        }
        if self.change:
            request["UpdateExpression"] = self.change
        if self.condition:
            request |= {"ConditionExpression": self.condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        return request


def add(item: Item, refused: Refused = always_contended) -> Write:
    """Puts an item where there must be none yet."""
    return Write(action="Put", target=item, condition="attribute_not_exists(#pk)", refused=refused)


def put(item: Item, *, condition: str = "", refused: Refused = contended, **values: object) -> Write:
    return Write(action="Put", target=item, condition=condition, values=values, refused=refused)


def decisive(write: Write) -> Write:
    return write._replace(decisive=True)


def delete(key: Key, *, condition: str = "", refused: Refused = contended, **values: object) -> Write:
    return Write(action="Delete", target=key._asdict(), condition=condition, values=values, refused=refused)


def unchanged(key: Key, *, condition: str, refused: Refused = always_contended, **values: object) -> Write:
    """Writes nothing: what the others depend on."""
    return Write(action="ConditionCheck", target=key._asdict(), condition=condition, values=values, refused=refused)


def update(
    key: Key,
    change: str,
    *,
    condition: str = "",
    refused: Refused = contended,
    names: Mapping[str, str] | None = None,
    **values: object,
) -> Write:
    return Write(
        action="Update",
        target=key._asdict(),
        change=change,
        condition=condition,
        values=values,
        names=names or {},
        refused=refused,
    )


def set_members(members: Mapping[str, object]) -> tuple[str, dict[str, Any]]:
    """An update expression that writes these attributes, and removes those that are None; and its values."""
    kept = {name: value for name, value in members.items() if value is not None}
    gone = [f"#{name}" for name in members if name not in kept]
    assignments = "SET " + ", ".join(f"#{name} = :{name}" for name in kept)
    return f"{assignments} REMOVE {', '.join(gone)}" if gone else assignments, kept


def placeholders(text: str, values: Mapping[str, object], names: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The attributes that the expression names, and its values; DynamoDB refuses any that is not used, and an empty map."""
    known = names or {}
    named = {f"#{name}": known.get(name, name) for name in _NAMES.findall(text)}
    request: dict[str, Any] = {"ExpressionAttributeNames": named} if named else {}
    if values:
        request["ExpressionAttributeValues"] = {f":{name}": to_attribute(value) for name, value in values.items()}
    return request
