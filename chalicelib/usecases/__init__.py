"""What the system does: one module per noun, functions that take their ports by keyword.

`usecases.invoices` loads its module when first used: a cold start pays for what was asked, not for all that could be.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chalicelib.usecases import accounts as accounts
    from chalicelib.usecases import changes as changes
    from chalicelib.usecases import clients as clients
    from chalicelib.usecases import deliveries as deliveries
    from chalicelib.usecases import images as images
    from chalicelib.usecases import imports as imports
    from chalicelib.usecases import invoices as invoices
    from chalicelib.usecases import limits as limits
    from chalicelib.usecases import nights as nights
    from chalicelib.usecases import order_steps as order_steps
    from chalicelib.usecases import orders as orders
    from chalicelib.usecases import products as products
    from chalicelib.usecases import reports as reports
    from chalicelib.usecases import search as search
    from chalicelib.usecases import users as users
    from chalicelib.usecases import work as work
else:
    from importlib import import_module

    def __getattr__(name):
        try:
            return import_module(f"{__name__}.{name}")
        except ModuleNotFoundError:
            raise AttributeError(f"there are no use cases called {name}") from None
