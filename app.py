"""Every trigger: accounts to invoices, products, orders, images, imports, search; schedules, queues, streams, S3, steps."""

import os
from datetime import date
from typing import TYPE_CHECKING

from chalice.app import AuthRequest, AuthResponse, CloudWatchEvent, Cron, DynamoDBEvent, S3Event, SQSEvent

from chalicelib import edge, usecases
from chalicelib.domain.users import Caller, Role
from chalicelib.edge import bodies, views
from chalicelib.edge.application import Application
from chalicelib.edge.batches import BatchAnswer
from chalicelib.edge.preconditions import IfMatch
from chalicelib.edge.responses import Document, Text
from chalicelib.edge.tokens import Tokens
from chalicelib.settings import read_settings
from chalicelib.wiring import Wired

if TYPE_CHECKING:
    from chalicelib.domain import accounts, clients, imports, invoices, orders, reports, users, work
    from chalicelib.domain.made import Made
    from chalicelib.domain.paging import Page
    from chalicelib.domain.products import Product, StockChange
    from chalicelib.domain.search import SearchResults

settings = read_settings(os.environ)
wired = Wired(settings)
tokens = Tokens(keys=lambda: wired.token_keys, issuer=settings.issuer, lifetime_seconds=settings.token_lifetime_seconds)
app = Application("daybook", allowed_origins=settings.allowed_origins)
app.limiter = lambda limit, who: usecases.limits.count(limit, who, desk=wired)
app.once = lambda: edge.idempotency.Once(wired.keyed_requests, wired.clock, tokens)
MANAGERS = (Role.OWNER, Role.ADMIN)


@app.authorizer(ttl_seconds=60)
def authorize(request: AuthRequest) -> AuthResponse:
    return edge.authorizer.admit(request, lambda token: usecases.users.admit(tokens.read(token), access=wired.access))


# The front door
@app.route("/", answer=views.Welcome, public=True, limit="none")
def welcome() -> views.Welcome:
    return views.Welcome()


@app.route("/health", answer=views.Health, public=True, limit="none")
def health() -> views.Health:
    return views.Health()


@app.route("/openapi.json", answer=Document("application/json"), public=True)
def get_description() -> Text:
    """This description, as OpenAPI 3.1."""
    return edge.openapi.description_of(app)


@app.route("/docs", answer=Document("text/html; charset=utf-8"), public=True)
def get_docs() -> Text:
    """This description as a page, with every problem that can be answered."""
    return edge.docs_page.page_of(app)


# Accounts
def get_opened_account(account_id: str, user_id: str) -> views.OpenedAccount:
    return tokens.opened(*usecases.accounts.get_opened_account(account_id, user_id, accounts=wired.accounts))


@app.route("/v1/accounts", methods=["POST"], answer=views.OpenedAccount, status=201, public=True, again=get_opened_account)
def open_account(body: bodies.NewAccount) -> views.OpenedAccount:
    return tokens.opened(*usecases.accounts.open_account(body.details(), desk=wired))


@app.route("/v1/tokens", methods=["POST"], answer=views.TokenView, public=True, limit="password")
def sign_in(body: bodies.Credentials) -> views.TokenView:
    return tokens.issue(usecases.accounts.sign_in(body.email, body.password, desk=wired))


@app.route("/v1/account", answer=views.AccountView)
def get_account(caller: Caller) -> "accounts.Account":
    return usecases.accounts.get_account(caller, accounts=wired.accounts)


@app.route("/v1/account", methods=["PUT"], answer=views.AccountView, for_roles=MANAGERS)
def edit_profile(caller: Caller, body: bodies.NewProfile, if_match: IfMatch) -> "accounts.Account":
    return usecases.accounts.edit_profile(caller, body.details(), desk=wired, check=if_match.check)


# Users
@app.route("/v1/users", answer=views.UserList)
def list_users(caller: Caller, query: bodies.UserQuery) -> "Page[users.User]":
    return usecases.users.list_users(caller, query.page(caller.account_id), users=wired.users)


@app.route("/v1/users/{user_id}", answer=views.UserView)
def get_user(caller: Caller, user_id: str) -> "users.User":
    return usecases.users.get_user(caller, user_id, accounts=wired.accounts)


@app.route("/v1/users", methods=["POST"], answer=views.UserView, status=201, for_roles=MANAGERS, again=get_user)
def add_user(caller: Caller, body: bodies.NewUser) -> "users.User":
    return usecases.users.add_user(caller, body.details(), body.password, desk=wired)


@app.route("/v1/users/{user_id}", methods=["PUT"], answer=views.UserView, for_roles=MANAGERS)
def replace_user(caller: Caller, user_id: str, body: bodies.EditedUser, if_match: IfMatch) -> "users.User":
    return usecases.users.change_user(caller, user_id, lambda _: body.details(), desk=wired, check=if_match.check)


@app.route("/v1/users/{user_id}", methods=["PATCH"], answer=views.UserView, for_roles=MANAGERS)
def change_user(caller: Caller, user_id: str, body: bodies.UserPatch, if_match: IfMatch) -> "users.User":
    return usecases.users.change_user(caller, user_id, body.apply, desk=wired, check=if_match.check)


@app.route("/v1/users/{user_id}", methods=["DELETE"], answer=views.UserView, for_roles=MANAGERS)
def remove_user(caller: Caller, user_id: str, if_match: IfMatch) -> "users.User":
    return usecases.users.remove_user(caller, user_id, accounts=wired.accounts, users=wired.users, check=if_match.check)


@app.route("/v1/me", answer=views.UserView)
def get_me(caller: Caller) -> "users.User":
    return usecases.users.get_me(caller, accounts=wired.accounts)


@app.route("/v1/me/password", methods=["PUT"], answer=views.TokenView, limit="password")
def change_password(caller: Caller, body: bodies.NewPassword) -> views.TokenView:
    return tokens.issue(usecases.users.change_password(caller, body.current, body.new, desk=wired))


# Clients
@app.route("/v1/clients", answer=views.ClientList)
def list_clients(caller: Caller, query: bodies.ClientQuery) -> "Page[clients.Client]":
    return usecases.clients.list_clients(caller, query.page(caller.account_id), clients=wired.clients)


@app.route("/v1/clients/{client_id}", answer=views.ClientView)
def get_client(caller: Caller, client_id: str) -> "clients.Client":
    return usecases.clients.get_client(caller, client_id, clients=wired.clients)


@app.route("/v1/clients", methods=["POST"], answer=views.ClientView, status=201, again=get_client)
def add_client(caller: Caller, body: bodies.NewClient) -> "clients.Client":
    return usecases.clients.add_client(caller, body.details(), desk=wired)


@app.route("/v1/clients/{client_id}", methods=["PUT"], answer=views.ClientView)
def replace_client(caller: Caller, client_id: str, body: bodies.NewClient, if_match: IfMatch) -> "clients.Client":
    return usecases.clients.change_client(caller, client_id, lambda _: body.details(), desk=wired, check=if_match.check)


@app.route("/v1/clients/{client_id}", methods=["PATCH"], answer=views.ClientView)
def change_client(caller: Caller, client_id: str, body: bodies.ClientPatch, if_match: IfMatch) -> "clients.Client":
    return usecases.clients.change_client(caller, client_id, body.apply, desk=wired, check=if_match.check)


@app.route("/v1/clients/{client_id}", methods=["DELETE"], answer=views.ClientView)
def remove_client(caller: Caller, client_id: str, if_match: IfMatch) -> "clients.Client":
    return usecases.clients.remove_client(caller, client_id, clients=wired.clients, clock=wired.clock, check=if_match.check)


# Work
@app.route("/v1/work", answer=views.WorkList)
def list_work(caller: Caller, query: bodies.WorkQuery) -> "Page[work.LoggedWork]":
    return usecases.work.list_work(caller, query.wanted(), query.page(caller.account_id), work=wired.work)


@app.route("/v1/work/{entry_id}", answer=views.WorkView)
def get_work(caller: Caller, entry_id: str) -> "work.LoggedWork":
    return usecases.work.get_work(caller, entry_id, work=wired.work)


@app.route("/v1/work", methods=["POST"], answer=views.WorkView, status=201, again=get_work)
def log_work(caller: Caller, body: bodies.NewWork, query: bodies.OverlapQuery) -> "work.LoggedWork":
    return usecases.work.log_work(caller, body.details(), allow_overlap=query.allow_overlap, desk=wired)


@app.route("/v1/work/{entry_id}", methods=["PUT"], answer=views.WorkView)
def change_work(
    caller: Caller, entry_id: str, body: bodies.NewWork, query: bodies.OverlapQuery, if_match: IfMatch
) -> "work.LoggedWork":
    return usecases.work.change_work(
        caller, entry_id, body.details(), allow_overlap=query.allow_overlap, desk=wired, check=if_match.check
    )


@app.route("/v1/work/{entry_id}", methods=["DELETE"], answer=views.WorkView)
def remove_work(caller: Caller, entry_id: str, if_match: IfMatch) -> "work.LoggedWork":
    return usecases.work.remove_work(caller, entry_id, work=wired.work, check=if_match.check)


@app.route("/v1/timer", answer=views.TimerView)
def get_timer(caller: Caller) -> "work.Timer":
    return usecases.work.get_timer(caller, timers=wired.timers)


@app.route("/v1/timer", methods=["POST"], answer=views.TimerView, status=201, again=get_timer)
def start_timer(caller: Caller, body: bodies.NewTimer) -> "work.Timer":
    return usecases.work.start_timer(caller, body.client_id, body.description, body.billable, desk=wired)


@app.route("/v1/timer", methods=["DELETE"], answer=views.WorkView)
def finish_timer(caller: Caller, query: bodies.OverlapQuery, if_match: IfMatch) -> "work.LoggedWork":
    return usecases.work.finish_timer(caller, allow_overlap=query.allow_overlap, desk=wired, check=if_match.check)


# Invoices
@app.route("/v1/invoices", answer=views.InvoiceList)
def list_invoices(caller: Caller, query: bodies.InvoiceQuery) -> "Page[usecases.invoices.InvoiceAsOf]":
    return usecases.invoices.list_invoices(caller, query.wanted(), query.page(caller.account_id), books=wired)


@app.route("/v1/invoices/{invoice_id}", answer=views.InvoiceView)
def get_invoice(caller: Caller, invoice_id: str) -> "usecases.invoices.FullInvoice":
    return usecases.invoices.get_invoice(caller, invoice_id, books=wired)


@app.route("/v1/invoices/{invoice_id}/pdf", status=302)
def get_invoice_pdf(caller: Caller, invoice_id: str) -> str:
    return usecases.invoices.link_to_pdf(caller, invoice_id, archive=wired)


@app.route("/v1/invoices", methods=["POST"], answer=views.InvoiceView, status=201, again=get_invoice)
def issue_invoice(caller: Caller, body: bodies.NewInvoice) -> "usecases.invoices.FullInvoice":
    return usecases.invoices.issue_invoice(caller, body.client_id, body.through, books=wired)


@app.route("/v1/invoices/{invoice_id}/payments", methods=["POST"], answer=views.InvoiceView, status=201, again=get_invoice)
def add_payment(caller: Caller, invoice_id: str, body: bodies.NewPayment) -> "usecases.invoices.FullInvoice":
    return usecases.invoices.add_payment(caller, invoice_id, body.details(), books=wired)


def get_note(caller: Caller, note_id: str) -> "invoices.CreditNote":
    return usecases.invoices.get_credit_note(caller, note_id, books=wired)


@app.route("/v1/invoices/{invoice_id}/credit-notes", methods=["POST"], answer=views.CreditNoteView, status=201, again=get_note)
def credit_invoice(caller: Caller, invoice_id: str, body: bodies.NewCreditNote) -> "invoices.CreditNote":
    return usecases.invoices.credit_invoice(caller, invoice_id, body.reason, books=wired)


# Products
@app.route("/v1/products", answer=views.ProductList)
def list_products(caller: Caller, query: bodies.ProductQuery) -> "Page[Product]":
    return usecases.products.list_products(caller, query.page(caller.account_id), products=wired.products)


@app.route("/v1/products/{product_id}", answer=views.ProductView)
def get_product(caller: Caller, product_id: str) -> "Product":
    return usecases.products.get_product(caller, product_id, products=wired.products)


@app.route("/v1/products", methods=["POST"], answer=views.ProductView, status=201, again=get_product)
def add_product(caller: Caller, body: bodies.NewProduct) -> "Product":
    return usecases.products.add_product(caller, body.details(), body.level(), desk=wired)


@app.route("/v1/products/{product_id}", methods=["PUT"], answer=views.ProductView, may_make=True)
def put_product(caller: Caller, product_id: str, body: bodies.PutProduct, if_match: IfMatch) -> "Product | Made[Product]":
    details = body.details_of(product_id)
    return usecases.products.put_product(caller, product_id, details, body.level(), desk=wired, check=if_match.check)


@app.route("/v1/products/{product_id}", methods=["DELETE"], answer=views.ProductView)
def remove_product(caller: Caller, product_id: str, if_match: IfMatch) -> "Product":
    return usecases.products.remove_product(caller, product_id, desk=wired, check=if_match.check)


@app.route("/v1/products/{product_id}/stock", answer=views.StockChangeList)
def list_stock_changes(caller: Caller, product_id: str, query: bodies.StockChangeQuery) -> "Page[StockChange]":
    return usecases.products.list_stock_changes(caller, product_id, query.page(caller.account_id), desk=wired)


@app.route("/v1/products/{product_id}/stock", methods=["POST"], answer=views.ProductView, again=get_product)
def change_stock(caller: Caller, product_id: str, body: bodies.NewStockChange) -> "Product":
    return usecases.products.change_stock(caller, product_id, body.change, body.reason, desk=wired)


# Orders
@app.route("/v1/orders", answer=views.OrderList)
def list_orders(caller: Caller, query: bodies.OrderQuery) -> "Page[orders.Order]":
    return usecases.orders.list_orders(caller, query.wanted(), query.page(caller.account_id), orders=wired.orders)


@app.route("/v1/orders/{order_id}", answer=views.OrderView)
def get_order(caller: Caller, order_id: str) -> "orders.Order":
    return usecases.orders.get_order(caller, order_id, orders=wired.orders)


@app.route("/v1/orders", methods=["POST"], answer=views.OrderView, status=201, again=get_order)
def add_order(caller: Caller, body: bodies.NewOrder) -> "orders.Order":
    return usecases.orders.add_order(caller, body.details(), hold=body.hold, desk=wired)


@app.route("/v1/orders/{order_id}", methods=["PUT"], answer=views.OrderView)
def change_order(caller: Caller, order_id: str, body: bodies.EditedOrder, if_match: IfMatch) -> "orders.Order":
    return usecases.orders.change_order(caller, order_id, body.details(), desk=wired, check=if_match.check)


@app.route("/v1/orders/{order_id}/submit", methods=["POST"], answer=views.OrderView, again=get_order)
def submit_order(caller: Caller, order_id: str, if_match: IfMatch) -> "orders.Order":
    return usecases.orders.submit(caller, order_id, desk=wired, check=if_match.check)


@app.route("/v1/orders/{order_id}/cancel", methods=["POST"], answer=views.OrderView, again=get_order)
def cancel_order(caller: Caller, order_id: str, if_match: IfMatch) -> "orders.Order":
    return usecases.orders.cancel(caller, order_id, desk=wired, check=if_match.check)


# Images, and imports of files
@app.route("/v1/images", answer=views.ImageList)
def list_images(caller: Caller, query: bodies.ImageQuery) -> "Page[usecases.images.ShownImage]":
    return usecases.images.list_images(caller, query.page(caller.account_id), gallery=wired)


@app.route("/v1/images/{image_id}", answer=views.ImageView)
def get_image(caller: Caller, image_id: str) -> "usecases.images.ShownImage":
    return usecases.images.get_image(caller, image_id, gallery=wired)


def get_added_image(caller: Caller, image_id: str) -> "usecases.images.AddedImage":
    return usecases.images.get_added_image(caller, image_id, desk=wired)


@app.route("/v1/images", methods=["POST"], answer=views.AddedImageView, status=201, again=get_added_image)
def add_image(caller: Caller, body: bodies.NewImage) -> "usecases.images.AddedImage":
    return usecases.images.add_image(caller, body.details(), desk=wired)


@app.route("/v1/images/{image_id}", methods=["DELETE"], answer=views.ImageView)
def remove_image(caller: Caller, image_id: str, if_match: IfMatch) -> "usecases.images.ShownImage":
    return usecases.images.remove_image(caller, image_id, desk=wired, check=if_match.check)


@app.route("/v1/imports", answer=views.ImportList)
def list_imports(caller: Caller, query: bodies.ImportQuery) -> "Page[imports.Import]":
    return usecases.imports.list_imports(caller, query.page(caller.account_id), imports=wired.imports)


@app.route("/v1/imports/{import_id}", answer=views.FullImportView)
def get_import(caller: Caller, import_id: str) -> "usecases.imports.FullImport":
    return usecases.imports.get_import(caller, import_id, desk=wired)


def get_opened_import(caller: Caller, import_id: str) -> "usecases.imports.OpenedImport":
    return usecases.imports.get_opened_import(caller, import_id, desk=wired)


@app.route("/v1/imports", methods=["POST"], answer=views.OpenedImportView, status=201, again=get_opened_import)
def add_import(caller: Caller, body: bodies.NewImport) -> "usecases.imports.OpenedImport":
    return usecases.imports.add_import(caller, body.details(), desk=wired)


@app.route("/v1/imports/{import_id}", methods=["DELETE"], status=204)
def remove_import(caller: Caller, import_id: str, if_match: IfMatch) -> None:
    usecases.imports.remove_import(caller, import_id, desk=wired, check=if_match.check)


# Search and reports
@app.route("/v1/search", answer=views.SearchResultsView)
def search(caller: Caller, query: bodies.SearchQuery) -> "SearchResults":
    return usecases.search.search(caller, query.wanted(), index=wired.search_index)


@app.route("/v1/reports/{day}", answer=views.ReportView)
def get_report(caller: Caller, day: date) -> "reports.NightlyReport":
    return usecases.reports.get_report(caller, day, reports=wired.reports)


# Every night: invoices that are due, then what nobody came back for. Whenever it comes: messages, changes, files.
@app.schedule(Cron(0, 2, "*", "*", "?", "*"))
def nightly(event: CloudWatchEvent) -> int:
    return usecases.invoices.ask_for_due_invoices(edge.schedules.time_of(event), desk=wired)


@app.schedule(Cron(30, 2, "*", "*", "?", "*"))
def tidy(event: CloudWatchEvent) -> int:
    return usecases.nights.tidy(edge.schedules.time_of(event), remaining=lambda: edge.schedules.seconds_left(event), desk=wired)


@app.on_sqs_message(queue=settings.invoicing_queue, batch_size=10, maximum_concurrency=5)
def on_invoice_due(event: SQSEvent) -> BatchAnswer:
    return edge.messages.each_invoice_due(
        event, lambda due: usecases.invoices.issue_due(due, ledger=wired.ledger, reports=wired.reports, clock=wired.clock)
    )


@app.on_dynamodb_record(stream_arn=settings.stream_arn, batch_size=100, starting_position="TRIM_HORIZON")
def on_change(event: DynamoDBEvent) -> BatchAnswer:
    return edge.stream_records.each_change(
        event, wired.read_image, lambda told: usecases.changes.publish_changes(told, bus=wired.event_bus)
    )


@app.on_dynamodb_record(
    stream_arn=settings.stream_arn, batch_size=1000, starting_position="TRIM_HORIZON", maximum_batching_window_in_seconds=1
)
def on_searchable_change(event: DynamoDBEvent) -> BatchAnswer:
    return edge.stream_records.each_change(event, wired.read_image, lambda it: usecases.search.index_changes(it, library=wired))


@app.on_sqs_message(queue=settings.reindex_queue, batch_size=1, maximum_concurrency=2)
def on_stale_index(event: SQSEvent) -> BatchAnswer:
    return edge.messages.each_stale_index(
        event, lambda stale: usecases.search.reindex(stale, index=wired.search_index, searchable=wired.searchable)
    )


@app.on_sqs_message(queue=settings.deliveries_queue, batch_size=5, maximum_concurrency=5)
def on_delivery(event: SQSEvent) -> BatchAnswer:
    return edge.announcements.each_announcement(event, lambda told: usecases.deliveries.deliver(told, office=wired))


@app.on_sqs_message(queue=settings.orders_queue, batch_size=10, maximum_concurrency=5)
def on_order_placed(event: SQSEvent) -> BatchAnswer:
    return edge.steps.each_order_placed(event, lambda job: usecases.orders.start_workflow(job, workflow=wired.order_workflow))


@app.on_s3_event(bucket=settings.files_bucket, events=["s3:ObjectCreated:*"], prefix="uploads/")
def on_upload(event: S3Event) -> None:
    edge.uploads.each_upload(event, lambda upload: usecases.images.take_upload(upload, desk=wired))


@app.on_s3_event(bucket=settings.files_bucket, events=["s3:ObjectCreated:*"], prefix="incoming/")
def on_incoming(event: S3Event) -> None:
    edge.uploads.each_upload(event, lambda upload: usecases.imports.queue_import(upload, desk=wired))


@app.on_sqs_message(queue=settings.imports_queue, batch_size=1, maximum_concurrency=5)
def on_import(event: SQSEvent) -> BatchAnswer:
    return edge.messages.each_import_job(
        event, lambda job, left, n: usecases.imports.go_on(job, edge.import_files.rows, remaining=left, tries=n, desk=wired)
    )


# The steps of an order's workflow, which .chalice/order_workflow.asl.json puts together: forward, then back.

validate_order = app.step("validate_order", lambda do: usecases.order_steps.validate_order(do.job, shop=wired))
reserve_inventory = app.step("reserve_inventory", lambda do: usecases.order_steps.reserve_inventory(do.job, shop=wired))
process_payment = app.step("process_payment", lambda do: usecases.order_steps.process_payment(do.job, shop=wired))
create_shipment = app.step("create_shipment", lambda do: usecases.order_steps.create_shipment(do.job, shop=wired))
send_confirmation = app.step("send_confirmation", lambda do: usecases.order_steps.send_confirmation(do.job, shop=wired))
confirm_order = app.step("confirm_order", lambda do: usecases.order_steps.confirm_order(do.job, shop=wired))
void_shipment = app.step("void_shipment", lambda do: usecases.order_steps.void_shipment(do.job, shop=wired))
refund_payment = app.step("refund_payment", lambda do: usecases.order_steps.refund_payment(do.job, shop=wired))
release_inventory = app.step("release_inventory", lambda do: usecases.order_steps.release_inventory(do.job, shop=wired))
notify_customer = app.step("notify_customer", lambda do: usecases.order_steps.notify_customer(do.job, do.news, shop=wired))
fail_order = app.step("fail_order", lambda do: usecases.order_steps.fail_order(do.job, shop=wired))
give_up_order = app.step("give_up_order", lambda do: usecases.order_steps.give_up_order(do.job, shop=wired))
