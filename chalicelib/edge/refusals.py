"""What each operation refuses beyond what its route's declaration implies; for the API's description."""

from chalicelib.domain import errors

REFUSALS: dict[str, tuple[type[errors.DaybookError], ...]] = {
    "open_account": (
        errors.EmailTaken,
        errors.Contended,
    ),
    "sign_in": (errors.InvalidCredentials,),
    "add_user": (errors.EmailTaken,),
    "replace_user": (
        errors.EmailTaken,
        errors.LastOwner,
    ),
    "change_user": (
        errors.EmailTaken,
        errors.LastOwner,
    ),
    "remove_user": (errors.LastOwner,),
    "replace_client": (errors.ClientCurrencyFixed,),
    "change_client": (errors.ClientCurrencyFixed,),
    "log_work": (
        errors.NotFound,
        errors.ClientArchived,
        errors.WorkOverlaps,
        errors.WorkSheetFull,
    ),
    "change_work": (
        errors.ClientArchived,
        errors.WorkEntryBilled,
        errors.WorkOverlaps,
        errors.WorkSheetFull,
    ),
    "remove_work": (errors.WorkEntryBilled,),
    "get_timer": (errors.NotFound,),
    "start_timer": (
        errors.NotFound,
        errors.ClientArchived,
        errors.TimerRunning,
    ),
    "finish_timer": (
        errors.NotFound,
        errors.WorkOverlaps,
        errors.WorkSheetFull,
    ),
    "issue_invoice": (
        errors.NotFound,
        errors.NothingToInvoice,
        errors.InvoiceTooLarge,
    ),
    "add_payment": (
        errors.InvoicePaid,
        errors.InvoiceCredited,
    ),
    "credit_invoice": (errors.InvoiceCredited,),
    "add_product": (errors.NotFound,),
    "put_product": (errors.ProductIdsDiffer,),
    "change_stock": (
        errors.OutOfStock,
        errors.StockNotCounted,
        errors.StockTooLarge,
    ),
    "add_order": (
        errors.NotFound,
        errors.TotalMismatch,
    ),
    "change_order": (
        errors.OrderInProgress,
        errors.TotalMismatch,
    ),
    "submit_order": (errors.OrderInProgress,),
    "cancel_order": (errors.OrderNotCancelable,),
}
"""By the names of the views."""
