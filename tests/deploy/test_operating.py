"""What tells an operator that something is wrong: alarms, whom they tell, and the dashboard."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.gateways.metrics import NAMESPACE, EmfMetrics
from tests.fakes import FixedClock

Json = dict[str, Any]

FREE_METRICS = 50
"""A dashboard with more costs three dollars a month (CloudWatch pricing)."""


def alarms(resources: Json) -> dict[str, Json]:
    return {name: part["Properties"] for name, part in resources.items() if part["Type"] == "AWS::CloudWatch::Alarm"}


def dimensions(alarm: Json) -> Json:
    return {dimension["Name"]: dimension["Value"] for dimension in alarm["Dimensions"]}


def watched(resources: Json, namespace: str) -> list[Json]:
    return [alarm for alarm in alarms(resources).values() if alarm["Namespace"] == namespace]


def metrics_written(capsys: pytest.CaptureFixture[str]) -> Json:
    metrics = EmfMetrics("local", FixedClock())
    metrics.worked_off("images", 1, 1)
    line: Json = json.loads(capsys.readouterr().out)
    return line


@pytest.mark.parametrize("pipeline", ["images", "imports"])
def test_five_failed_attempts_of_a_pipeline_within_five_minutes_ring(
    pipeline: str, resources: Json, capsys: pytest.CaptureFixture[str]
) -> None:
    [alarm] = [one for one in watched(resources, NAMESPACE) if dimensions(one)["Pipeline"] == pipeline]
    assert (alarm["MetricName"], alarm["Statistic"]) == ("ProcessingErrors", "Sum")
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (5, "GreaterThanOrEqualToThreshold")
    assert (alarm["Period"], alarm["EvaluationPeriods"]) == (300, 1)
    line = metrics_written(capsys)
    [directive] = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == alarm["Namespace"]
    assert [set(names) for names in directive["Dimensions"]] == [set(dimensions(alarm))]
    assert alarm["MetricName"] in {metric["Name"] for metric in directive["Metrics"]}
    assert dimensions(alarm)["Stage"] == {"Ref": "Stage"}


def test_any_message_that_was_given_up_on_or_waits_for_a_person_rings(resources: Json) -> None:
    queues = {
        name: part["Properties"]["QueueName"]["Fn::Sub"]
        for name, part in resources.items()
        if "SQS::Queue" in part["Type"] and "QueueName" in part["Properties"]
    }
    ends = ("-dlq", "-dlq.fifo", "-attention")
    watched_queues = {}
    for alarm in watched(resources, "AWS/SQS"):
        assert (alarm["MetricName"], alarm["Statistic"]) == ("ApproximateNumberOfMessagesVisible", "Maximum")
        assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "GreaterThanOrEqualToThreshold")
        assert (alarm["Period"], alarm["EvaluationPeriods"]) == (60, 1)
        name, attribute = dimensions(alarm)["QueueName"]["Fn::GetAtt"]
        assert attribute == "QueueName"
        watched_queues[name] = queues[name]
    assert watched_queues == {name: queue for name, queue in queues.items() if queue.endswith(ends)}
    assert len(watched_queues) == 10


def test_every_execution_of_the_orders_workflow_that_ends_badly_rings(resources: Json) -> None:
    found = watched(resources, "AWS/States")
    assert {alarm["MetricName"] for alarm in found} == {"ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"}
    for alarm in found:
        assert dimensions(alarm) == {"StateMachineArn": {"Ref": "OrderWorkflow"}}
        assert (alarm["Statistic"], alarm["Threshold"]) == ("Sum", 1)


def test_every_alarm_tells_the_topic_when_it_rings_and_when_it_is_over_and_is_quiet_while_nothing_happens(
    resources: Json,
) -> None:
    named = set()
    for name, alarm in alarms(resources).items():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlarmsTopic"}], name
        assert alarm["TreatMissingData"] == "notBreaching", name
        assert alarm["AlarmName"]["Fn::Sub"].startswith("daybook-${Stage}-"), name
        named.add(alarm["AlarmName"]["Fn::Sub"])
    assert len(named) == len(alarms(resources)) == 15


def test_the_topic_is_encrypted_with_a_key_that_cloudwatch_may_use(resources: Json) -> None:
    # docs.aws.amazon.com/sns/latest/dg/sns-key-management.html: nobody can allow that of the key that AWS keeps for SNS.
    assert resources["AlarmsTopic"]["Properties"]["KmsMasterKeyId"] == {"Ref": "AlarmsKey"}
    by_policies, for_alarms = resources["AlarmsKey"]["Properties"]["KeyPolicy"]["Statement"]
    assert by_policies["Principal"] == {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
    assert for_alarms["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert set(for_alarms["Action"]) == {"kms:Decrypt", "kms:GenerateDataKey*"}
    assert resources["AlarmsKey"]["Properties"]["EnableKeyRotation"] is True


def test_only_this_stages_alarms_may_publish(resources: Json) -> None:
    policy = resources["AlarmsTopicPolicy"]["Properties"]
    assert policy["Topics"] == [{"Ref": "AlarmsTopic"}]
    [statement] = policy["PolicyDocument"]["Statement"]
    assert (statement["Principal"], statement["Action"]) == ({"Service": "cloudwatch.amazonaws.com"}, "sns:Publish")
    arn = "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:daybook-${Stage}-*"
    assert statement["Condition"] == {"ArnLike": {"aws:SourceArn": {"Fn::Sub": arn}}}


@pytest.mark.parametrize(
    ("address", "taken"),
    [("", True), ("mara@business.test", True), ("mara", False), ("a@b@c", False), ("mara @business.test", False)],
)
def test_alarms_are_mailed_only_if_an_address_is_given(address: str, taken: bool, template: Json) -> None:
    parameter = template["Parameters"]["AlarmMail"]
    assert parameter["Default"] == ""
    assert (re.fullmatch(parameter["AllowedPattern"], address) is not None) == taken
    mail = template["Resources"]["AlarmsMail"]
    assert (mail["Condition"], mail["Properties"]["Endpoint"]) == ("HasAlarmMail", {"Ref": "AlarmMail"})
    assert template["Conditions"]["HasAlarmMail"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "AlarmMail"}, ""]}]}


# The dashboard


@pytest.fixture
def widgets(resources: Json) -> list[Json]:
    dashboard = resources["Dashboard"]["Properties"]
    assert dashboard["DashboardName"] == {"Fn::Sub": "daybook-${Stage}"}
    parsed: list[Json] = json.loads(dashboard["DashboardBody"]["Fn::Sub"])["widgets"]
    return parsed


def shown(widgets: list[Json]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Namespace, metric and dimensions."""
    for widget in widgets:
        for metric in widget["properties"].get("metrics", []):
            namespace, name, *rest = [part for part in metric if isinstance(part, str)]
            yield namespace, name, dict(zip(rest[::2], rest[1::2], strict=True))


def test_the_dashboard_shows_what_an_operator_looks_at(widgets: list[Json]) -> None:
    metrics = {(namespace, name) for namespace, name, _ in shown(widgets)}
    assert metrics >= {
        *((NAMESPACE, name) for name in ("ProcessingTime", "RecordCount", "ProcessingErrors")),
        *(("AWS/SQS", name) for name in ("ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage")),
        *(("AWS/Lambda", name) for name in ("Errors", "Throttles", "Duration", "IteratorAge")),
        *(("AWS/ApiGateway", name) for name in ("5XXError", "4XXError", "Latency")),
        *(("AWS/States", f"Executions{how}") for how in ("Succeeded", "Failed", "TimedOut", "Aborted")),
    }
    assert sum(1 for _ in shown(widgets)) <= FREE_METRICS


def test_the_dashboard_shows_every_alarm_and_every_queue_that_has_one(widgets: list[Json], resources: Json) -> None:
    [states] = [widget["properties"]["alarms"] for widget in widgets if widget["type"] == "alarm"]
    assert sorted(states) == sorted(f"${{{name}.Arn}}" for name in alarms(resources))
    ringing = {dimensions(alarm)["QueueName"]["Fn::GetAtt"][0] for alarm in watched(resources, "AWS/SQS")}
    visible = {where["QueueName"] for _, name, where in shown(widgets) if name == "ApproximateNumberOfMessagesVisible"}
    assert visible == {f"${{{queue}.QueueName}}" for queue in ringing}


def test_the_dashboard_names_only_what_is_there(widgets: list[Json], resources: Json) -> None:
    for namespace, name, where in shown(widgets):
        for value in where.values():
            referred = re.fullmatch(r"\$\{(\w+)(?:\.QueueName)?\}", value)
            assert referred is None or referred[1] in resources or value == "${Stage}", (namespace, name, value)
    functions = {
        where["FunctionName"] for namespace, name, where in shown(widgets) if (namespace, name) == ("AWS/Lambda", "Errors")
    }
    of_workflow = set(resources["OrderWorkflow"]["Properties"]["DefinitionSubstitutions"])
    all_functions = {name for name, part in resources.items() if part["Type"] == "AWS::Serverless::Function"}
    assert functions == {f"${{{name}}}" for name in all_functions - of_workflow}  # the workflow's say it by its executions


def test_the_dashboards_widgets_lie_side_by_side(widgets: list[Json]) -> None:
    taken: set[tuple[int, int]] = set()
    for widget in widgets:
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert max(x for x, _ in cells) < 24  # the grid's columns
        assert taken.isdisjoint(cells), widget["properties"]["title"]
        taken |= cells


def test_metrics_know_the_api_by_its_stage(resources: Json, widgets: list[Json]) -> None:
    title = resources["RestAPI"]["Properties"]["DefinitionBody"]["info"]["title"]
    assert title == {"Fn::Sub": "daybook-${Stage}"}
    names = {where["ApiName"] for namespace, _, where in shown(widgets) if namespace == "AWS/ApiGateway"}
    assert names == {"daybook-${Stage}"}
