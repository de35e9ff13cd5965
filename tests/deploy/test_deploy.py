"""What a deployment asks of AWS, without any."""

import boto3
import pytest

from operations.deploy import Account, DeploymentFailed, check_python, object_url


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


@pytest.mark.parametrize("version", [(3, 11), (3, 10)])
def test_a_package_whose_python_has_no_full_text_search_on_aws_is_not_deployed_there(version: tuple[int, ...]) -> None:
    session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1")

    with pytest.raises(DeploymentFailed, match=r"Python 3\.12 or later"):
        check_python(Account(session, "123456789012", "us-east-1", None), version)
    check_python(Account(session, "123456789012", "us-east-1", None), (3, 12))
    check_python(Account(session, "123456789012", "us-east-1", "http://127.0.0.1:4566"), version)
