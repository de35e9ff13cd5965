"""Metrics of the pipelines, as lines of the log that CloudWatch makes metrics of, without being called.

docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chalicelib.ports import Clock

NAMESPACE = "DataPipeline"
_UNITS = {"ProcessingTime": "Milliseconds", "RecordCount": "Count", "ProcessingErrors": "Count"}


class EmfMetrics:
    """`stage` is a dimension beside the pipeline: stages may share an AWS account, and a namespace is all of the account's."""

    def __init__(self, stage: str, clock: "Clock") -> None:
        self._stage = stage
        self._clock = clock

    def worked_off(self, pipeline: str, records: int, milliseconds: int) -> None:
        self._write(pipeline, {"ProcessingTime": milliseconds, "RecordCount": records, "ProcessingErrors": 0})

    def failed(self, pipeline: str) -> None:
        """Without time and records: they would pull down what those of whole files say."""
        self._write(pipeline, {"ProcessingErrors": 1})

    def _write(self, pipeline: str, values: Mapping[str, int]) -> None:
        metrics = [{"Name": name, "Unit": _UNITS[name]} for name in values]
        directive = {"Namespace": NAMESPACE, "Dimensions": [["Stage", "Pipeline"]], "Metrics": metrics}
        told = {"Timestamp": int(self._clock.now().timestamp() * 1000), "CloudWatchMetrics": [directive]}
        sys.stdout.write(json.dumps({"_aws": told, "Stage": self._stage, "Pipeline": pipeline, **values}) + "\n")
        sys.stdout.flush()  # before Lambda lets the environment sleep
