"""The lines that CloudWatch makes metrics of are documents of its embedded metric format."""

import json
from datetime import UTC, datetime
from typing import Any

import jsonschema_rs
import pytest

from chalicelib.gateways.metrics import EmfMetrics
from tests.fakes import FixedClock

NAME = {"type": "string", "minLength": 1, "maxLength": 1024}
EMF: dict[str, Any] = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "additionalProperties": False,
            "properties": {
                "Timestamp": {"type": "integer", "minimum": 0},
                "CloudWatchMetrics": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["Namespace", "Dimensions", "Metrics"],
                        "additionalProperties": False,
                        "properties": {
                            "Namespace": NAME,
                            "Dimensions": {
                                "type": "array",
                                "minItems": 1,
                                "items": {
                                    "type": "array",
                                    "minItems": 1,
                                    "maxItems": 30,
                                    "items": {"type": "string", "minLength": 1, "maxLength": 250},
                                },
                            },
                            "Metrics": {
                                "type": "array",
                                "minItems": 1,
                                "maxItems": 100,
                                "items": {
                                    "type": "object",
                                    "required": ["Name"],
                                    "additionalProperties": False,
                                    "properties": {
                                        "Name": NAME,
                                        "Unit": {"enum": ["Milliseconds", "Count"]},
                                        "StorageResolution": {"enum": [1, 60]},
                                    },
                                },
                            },
                        },
                    },
                },
            },
        }
    },
}
"""What AWS's specification of the format says; of the units those that are ours."""


@pytest.fixture
def metrics() -> EmfMetrics:
    return EmfMetrics("prod", FixedClock(datetime(2026, 11, 5, 12, 0, 0, 250_000, tzinfo=UTC)))


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    text = capsys.readouterr().out
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def test_a_file_that_was_worked_off_is_one_line_with_its_time_and_its_records(
    metrics: EmfMetrics, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics.worked_off("imports", 1200, 3456)

    assert written(capsys) == [
        {
            "_aws": {
                "Timestamp": 1793880000250,
                "CloudWatchMetrics": [
                    {
                        "Namespace": "DataPipeline",
                        "Dimensions": [["Stage", "Pipeline"]],
                        "Metrics": [
                            {"Name": "ProcessingTime", "Unit": "Milliseconds"},
                            {"Name": "RecordCount", "Unit": "Count"},
                            {"Name": "ProcessingErrors", "Unit": "Count"},
                        ],
                    }
                ],
            },
            "Stage": "prod",
            "Pipeline": "imports",
            "ProcessingTime": 3456,
            "RecordCount": 1200,
            "ProcessingErrors": 0,
        }
    ]


def test_an_attempt_that_failed_counts_as_an_error_and_says_nothing_of_time(
    metrics: EmfMetrics, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics.failed("images")

    [line] = written(capsys)
    assert (line["Stage"], line["Pipeline"], line["ProcessingErrors"]) == ("prod", "images", 1)
    assert line.keys() == {"_aws", "Stage", "Pipeline", "ProcessingErrors"}


def test_every_line_is_a_document_of_the_format(metrics: EmfMetrics, capsys: pytest.CaptureFixture[str]) -> None:
    metrics.worked_off("images", 1, 20)
    metrics.failed("imports")

    for line in written(capsys):
        jsonschema_rs.validator_for(EMF).validate(line)
        for directive in line["_aws"]["CloudWatchMetrics"]:
            # Each name must be that of a member at the root: a text for a dimension, a number for a metric.
            for dimensions in directive["Dimensions"]:
                assert all(0 < len(line[name]) <= 1024 for name in dimensions)
            assert all(isinstance(line[metric["Name"]], int) for metric in directive["Metrics"])
        assert len(json.dumps(line)) < 1024
