"""What a deployment asks of AWS, without any."""

import boto3
import pytest

from operations.deploy import Account, object_url


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-east-1", "s3.us-east-1.amazonaws.com"),
        ("eu-central-1", "s3.eu-central-1.amazonaws.com"),
        ("cn-north-1", "s3.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_cloudformation_reads_the_template_from_the_regions_own_host(region: str, host: str) -> None:
    session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name=region)
    s3 = Account(session, "123456789012", region, None).s3()
    assert object_url(s3, "artifacts", "a.json") == f"https://{host}/artifacts/a.json"
