"""Makes search indexes anew from the table: of one account, or of all of them one after the other."""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import DaybookError
from chalicelib.domain.identifiers import is_id
from chalicelib.domain.search import StaleIndex
from chalicelib.repositories.search_index import S3SearchIndex
from chalicelib.repositories.searchable import DynamoSearchable
from chalicelib.repositories.table import Table
from chalicelib.usecases.search import reindex
from operations.deploy import Account
from operations.project import stages


def account_ids(aws: Account, table: str) -> Iterator[str]:
    """Of all accounts; the one place that reads a whole table, for no request ever asks for all accounts."""
    pages = aws.session.client("dynamodb", endpoint_url=aws.endpoint).get_paginator("scan")
    for page in pages.paginate(
        TableName=table,
        FilterExpression="#type = :account",
        ProjectionExpression="id",
        ExpressionAttributeNames={"#type": "type"},
        ExpressionAttributeValues={":account": {"S": "account"}},
    ):
        yield from (item["id"]["S"] for item in page["Items"])


def reindex_accounts(stage: str, aws: Account, only: str | None = None) -> Iterator[tuple[str, str]]:
    """Each account's id, and what went wrong with it, as they are done: one that cannot be indexed holds up no other."""
    name = f"daybook-{stage}"
    table = Table(aws.session.client("dynamodb", endpoint_url=aws.endpoint), name)
    with tempfile.TemporaryDirectory(prefix="daybook-reindex-") as folder:
        index = S3SearchIndex(aws.s3(), f"{name}-{aws.id}-search", Path(folder))
        for account_id in (only,) if only else account_ids(aws, name):
            try:
                reindex(StaleIndex(account_id=account_id), index=index, searchable=DynamoSearchable(table))
            except DaybookError as problem:
                yield account_id, problem.detail
            else:
                yield account_id, ""


def main() -> None:
    parser = argparse.ArgumentParser(prog="reindex", description="Make search indexes anew from the table.")
    parser.add_argument("--stage", required=True, choices=stages())
    parser.add_argument("--account", help="id of the one account; all of them if left out")
    parser.add_argument("--endpoint", help="address of a local AWS; AWS itself if left out and AWS_ENDPOINT_URL is not set")
    arguments = parser.parse_args()
    if arguments.account and not is_id("acc", arguments.account):
        sys.exit(f"{arguments.account} is not the id of an account.")
    try:
        aws = Account.of(boto3.Session(), arguments.endpoint)
        failed = 0
        for account_id, problem in reindex_accounts(arguments.stage, aws, arguments.account):
            failed += bool(problem)
            print(f"{account_id}  {problem or 'done'}", flush=True)
    except (BotoCoreError, ClientError) as fault:
        sys.exit(str(fault))
    if failed:
        sys.exit(f"{failed} could not be made.")


if __name__ == "__main__":
    main()
