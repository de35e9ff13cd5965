"""What botocore imports as it starts and no function ever calls (docs/decisions/0010-unused-imports-stay-out.md).

- `botocore.docs` writes help texts for a person at a prompt.
- `urllib3.http2` is an experiment that nobody switched on; its `__init__` loads `importlib.metadata`.
"""

import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any, Self


class _Postponed(ModuleType):
    """A package whose `__init__` runs when something that it defines is asked for; its modules can be imported before."""

    def __getattr__(self, name: str) -> Any:
        itself = self.__spec__
        if itself is None or itself.loader is None or name.startswith("__") or find_spec(f"{self.__name__}.{name}"):
            raise AttributeError(name)
        itself.loader.exec_module(self)
        return self.__dict__[name]


class _NoDocstring(str):
    """The help text of a client's method."""

    __slots__ = ()

    def __new__(cls, *_arguments: object, **_keywords: object) -> Self:
        return super().__new__(cls)


def leave_out() -> None:
    """To be called before botocore is imported; where it is there already, nothing changes."""
    if "botocore.session" in sys.modules:
        return
    _postpone("botocore", "docs")
    docstring = ModuleType("botocore.docs.docstring")
    for name in ("LazyLoadedDocstring", "ClientMethodDocstring", "PaginatorDocstring", "WaiterDocstring"):
        setattr(docstring, name, _NoDocstring)
    sys.modules[docstring.__name__] = docstring
    _postpone("urllib3", "http2")


def _postpone(parent: str, name: str) -> None:
    found = find_spec(parent)
    spec = PathFinder.find_spec(f"{parent}.{name}", found.submodule_search_locations) if found else None
    if spec is not None:
        package = module_from_spec(spec)
        package.__class__ = _Postponed
        sys.modules.setdefault(spec.name, package)
