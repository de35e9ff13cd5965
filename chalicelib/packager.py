"""Teaches `chalice package` functions that S3 calls, which it refuses: CloudFormation does not change a bucket that is there.

The bucket is one of the same template, and SAM puts the notification into it. Loaded by Chalice's own command line only.
"""

from typing import Any

from chalice.deploy.models import S3BucketNotification
from chalice.package import SAMTemplateGenerator
from chalice.utils import to_cfn_resource_name


def package_s3_events() -> None:
    SAMTemplateGenerator._generate_s3bucketnotification = _generate_s3bucketnotification  # type: ignore[method-assign]


def _generate_s3bucketnotification(
    self: SAMTemplateGenerator, resource: S3BucketNotification, template: dict[str, Any]
) -> None:
    function = template["Resources"][to_cfn_resource_name(resource.lambda_function.resource_name)]
    parts = (("prefix", resource.prefix), ("suffix", resource.suffix))
    rules = [{"Name": name, "Value": value} for name, value in parts if value]
    properties = {"Bucket": {"Ref": bucket_resource(resource.bucket)}, "Events": resource.events}
    if rules:
        properties["Filter"] = {"S3Key": {"Rules": rules}}
    name = self._register_cfn_resource_name(resource.resource_name)
    function["Properties"]["Events"] = {name: {"Type": "S3", "Properties": properties}}


def bucket_resource(name: str) -> str:
    """What the template calls a bucket: `FilesBucket` for `daybook-<stage>-<aws account>-files`."""
    return f"{to_cfn_resource_name(name.rpartition('-')[2])}Bucket"
