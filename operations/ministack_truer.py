"""Starts MiniStack with its differences from AWS mended, where Daybook or `chalice deploy` would notice them.

Runs in MiniStack's own virtual environment, not in the project's, with MiniStack's own environment variables, until its
standard input closes. Each mend says what AWS does. They reach into MiniStack's private functions, so they hold for one
version, and any other is refused. What stays different is listed in docs/operations.md.
"""

import atexit
import base64
import copy
import email
import email.utils
import hashlib
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
import types
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Final

from ministack.core import iam_actions, lambda_runtime
from ministack.services import apigateway_v1 as gateway
from ministack.services import dynamodb, s3, sqs
from ministack.services import lambda_svc as functions
from ministack.services import stepfunctions as workflows
from ministack.services.cloudformation import provisioners

MENDED_VERSION: Final = "1.5.33"
ANY_METHOD: Final = "x-amazon-apigateway-any-method"
# AWS waits longer between the tries of a stream's batch, which here nobody wants to.
FIRST_RETRY_SECONDS: Final = 0.05
LONGEST_RETRY_SECONDS: Final = 1.0

Json = dict[str, Any]


def mend() -> None:
    mend_openapi_import()
    mend_context_path()
    mend_rest_api_calls()
    mend_rest_api_update()
    mend_error_type()
    mend_waiting()
    mend_cold_start()
    mend_stream_retries()
    mend_kept_streams()
    mend_batch_actions()
    mend_mail_resource()
    mend_execution_names()
    mend_message_moves()
    mend_versioned_reads()


# API Gateway


def mend_openapi_import() -> None:
    """An imported OpenAPI document brings all it says: mock integrations with their responses, which answer CORS
    preflights, what serves any other method, binary media types and gateway responses. MiniStack keeps of the methods
    that have a name the integration's type, method and address."""
    import_operation, import_rest_api = gateway._import_operation, gateway._import_rest_api

    def import_whole_operation(
        api_id: str,
        resource_id: str,
        verb: str,
        operation: Json,
        schemes: Json | None = None,
        security: list[Any] | None = None,
    ) -> None:
        import_operation(api_id, resource_id, verb, operation, schemes, security)
        for status, response in operation.get("responses", {}).items():
            headers = {f"method.response.header.{name}": False for name in response.get("headers", {})}
            gateway._put_method_response(api_id, resource_id, verb, str(status), {"responseParameters": headers})
        integration = operation.get("x-amazon-apigateway-integration")
        if integration:
            gateway._put_integration(api_id, resource_id, verb, whole_integration(integration))
            for pattern, response in integration.get("responses", {}).items():
                answer = {
                    "selectionPattern": "" if pattern == "default" else pattern,
                    "responseParameters": response.get("responseParameters", {}),
                    "responseTemplates": response.get("responseTemplates", {}),
                }
                status = str(response.get("statusCode", "200"))
                gateway._put_integration_response(api_id, resource_id, verb, status, answer)

    def import_whole_rest_api(document: Json, base: Json | None = None) -> str:
        api_id: str = import_rest_api(document, base)
        import_settings(api_id, document)
        return api_id

    import_path_item = gateway._import_path_item

    def import_any_method_too(
        api_id: str, path: str, item: Json, schemes: Json | None = None, security: list[Any] | None = None
    ) -> None:
        import_path_item(api_id, path, item, schemes, security)
        any_method = item.get(ANY_METHOD)
        if any_method is not None:
            resource = next(one for one in gateway._resources[api_id].values() if one["path"] == path)
            import_whole_operation(api_id, resource["id"], "ANY", any_method, schemes, security)

    gateway._import_path_item = import_any_method_too
    gateway._import_operation = import_whole_operation
    gateway._import_rest_api = import_whole_rest_api


def mend_context_path() -> None:
    """`$context.path` in a gateway response is the path that was asked for, with the stage before it."""
    execute, render = gateway._execute_in_scope, gateway._gateway_error_response

    async def execute_noting_path(request: Json, api_id: str, stage: str, method: str, path: str, *rest: object) -> object:
        request["path"] = f"/{stage}{path}"
        return await execute(request, api_id, stage, method, path, *rest)

    def render_with_path(error: object, request: Json) -> tuple[int, Json, bytes]:
        status, headers, body = render(error, request)
        return status, headers, body.replace(b"$context.path", request.get("path", "").encode())

    gateway._execute_in_scope = execute_noting_path
    gateway._gateway_error_response = render_with_path


def whole_integration(integration: Json) -> Json:
    plain = (
        "uri",
        "httpMethod",
        "credentials",
        "requestParameters",
        "requestTemplates",
        "contentHandling",
        "timeoutInMillis",
    )
    kept = {name: integration[name] for name in plain if integration.get(name) is not None}
    kept["type"] = integration.get("type", "").upper()
    kept["passthroughBehavior"] = integration.get("passthroughBehavior", "when_no_match").upper()
    return kept


def import_settings(api_id: str, document: Json) -> None:
    binary = document.get("x-amazon-apigateway-binary-media-types")
    if binary:
        gateway._rest_apis[api_id]["binaryMediaTypes"] = list(binary)
    for kind, response in document.get("x-amazon-apigateway-gateway-responses", {}).items():
        gateway._put_gateway_response(api_id, kind, response)


def overwrite_rest_api(api_id: str, document: Json) -> None:
    """What PutRestApi does with mode=overwrite: the same API with everything in it replaced."""
    root = next(resource for resource in gateway._resources[api_id].values() if resource["path"] == "/")
    root["resourceMethods"] = {}
    gateway._resources[api_id] = {root["id"]: root}
    gateway._authorizers_v1[api_id] = {}
    gateway._gateway_responses[api_id] = {}
    schemes = gateway._import_security_schemes(api_id, document)
    for path, item in document.get("paths", {}).items():
        gateway._import_path_item(api_id, path, item, schemes, document.get("security"))
    import_settings(api_id, document)


def mend_rest_api_calls() -> None:
    """ImportRestApi and PutRestApi exist, and UpdateRestApi takes numbers as strings, as its patches have them.
    `chalice deploy` calls all three."""
    handle_request, update_rest_api = gateway.handle_request, gateway._update_rest_api

    async def handle_import_too(method: str, path: str, headers: Json, body: bytes, query: Json) -> tuple[int, Json, bytes]:
        parts = path.strip("/").split("/")
        if method == "POST" and parts == ["restapis"] and first(query.get("mode")) == "import":
            kind = first(query.get("endpointConfigurationTypes")) or "EDGE"
            api_id = gateway._import_rest_api(json.loads(body), {"endpointConfiguration": {"types": [kind]}})
            answer: tuple[int, Json, bytes] = gateway._v1_response(rest_api_view(api_id), 201)
        elif method == "PUT" and len(parts) == 2 and parts[0] == "restapis":
            if parts[1] in gateway._rest_apis:
                overwrite_rest_api(parts[1], json.loads(body))
                answer = gateway._v1_response(rest_api_view(parts[1]))
            else:
                answer = gateway._v1_error("NotFoundException", "Invalid API identifier specified", 404)
        else:
            answer = await handle_request(method, path, headers, body, query)
        return answer

    def update_with_numbers(api_id: str, update: Json) -> object:
        for patch in update.get("patchOperations", []):
            if patch.get("path") == "/minimumCompressionSize":
                patch["value"] = int(patch["value"]) if patch.get("value") else None
        return update_rest_api(api_id, update)

    gateway.handle_request = handle_import_too
    gateway._update_rest_api = update_with_numbers


def first(values: list[str] | str | None) -> str | None:
    return values[0] if isinstance(values, list) else values


def rest_api_view(api_id: str) -> object:
    return gateway._rest_api_view(gateway._rest_apis[api_id])


def mend_rest_api_update() -> None:
    """A stack update with changed routes keeps the API's id, and so its address. MiniStack makes a new API."""
    update = provisioners._apigw_rest_api_update

    def update_in_place(api_id: str, old: Json, new: Json, stack: str, logical_id: str | None = None) -> object:
        if isinstance(new.get("Body"), dict) and new["Body"] != old.get("Body"):
            overwrite_rest_api(api_id, new["Body"])
            old = old | {"Body": new["Body"]}
        return update(api_id, old, new, stack, logical_id)

    handlers = [
        table["AWS::ApiGateway::RestApi"]
        for table in vars(provisioners).values()
        if isinstance(table, dict) and isinstance(table.get("AWS::ApiGateway::RestApi"), dict)
    ]
    for handler in handlers:
        if handler.get("update") is update:
            handler["update"] = update_in_place
    provisioners._apigw_rest_api_update = update_in_place


# Lambda


def mend_error_type() -> None:
    """A failed invocation's errorType is the class of the Python exception; here it is always Runtime.HandlerError."""
    execute = functions._execute_function_warm

    def execute_with_error_type(function: Json, event: object, request_id: str) -> Json:
        answer: Json = execute(function, event, request_id)
        body = answer.get("body")
        if answer.get("error") and isinstance(body, dict) and body.get("errorType") == "Runtime.HandlerError":
            trace = answer.get("log", "").rsplit("\nTraceback (most recent call last):", 1)[-1]
            # Of a traceback only the line with the exception is not indented; notes may follow it.
            names = re.findall(r"^([A-Za-z_][\w.]*?)(?::|$)", trace, re.MULTILINE)
            if names:
                body["errorType"] = names[0].rsplit(".", 1)[-1]
        return answer

    functions._execute_function_warm = execute_with_error_type


def mend_execution_names() -> None:
    """Who starts an execution that runs already, with the same input, is told of that one; here every name that was used is
    refused, of one that runs too.
    """
    start = workflows._start_execution

    def start_or_find(data: Json) -> Any:
        answer = start(data)
        if answer[0] == 400 and b"ExecutionAlreadyExists" in answer[2]:
            for execution in workflows._executions.values():
                known = (execution["stateMachineArn"], execution["name"], execution["input"], execution["status"])
                if known == (data["stateMachineArn"], data["name"], data.get("input", "{}"), "RUNNING"):
                    started = {name: execution[name] for name in ("executionArn", "startDate")}
                    return workflows.json_response(started)
        return answer

    workflows._start_execution = start_or_find


def mend_waiting() -> None:
    """A new function is active at once, queues are looked at ten times a second, and a handler that prints nothing is not
    waited on for 50 ms for its output, but one that fails is: its environment goes, with what it has printed. On AWS none of
    these costs a caller anything; here boto3's waiter would ask again only after 5 s for each function, and a first message
    would wait as long."""
    functions._LAMBDA_STATE_TRANSITION_DELAY = 0

    def look_again() -> None:
        while True:
            time.sleep(0.1)
            functions._esm_wake.set()

    threading.Thread(target=look_again, name="look-again", daemon=True).start()
    first_line_wait, idle_confirm, hard_cap = 0.003, 0.002, 0.1
    lambda_runtime.Worker._drain_stderr_bounded.__defaults__ = (first_line_wait, idle_confirm, hard_cap)
    invoke = lambda_runtime.Worker.invoke

    def invoke_and_hear_out(worker: Any, *arguments: Any, **named: Any) -> Json:
        response: Json = invoke(worker, *arguments, **named)
        if response.get("status") == "error":
            rest = worker._drain_stderr_bounded(first_line_wait=0.05, idle_confirm=0.02, hard_cap=0.25)
            response["log"] = "\n".join(part for part in (response.get("log", ""), rest) if part)
        return response

    lambda_runtime.Worker.invoke = invoke_and_hear_out


class SharedCode(zipfile.ZipFile):
    """Unpacks a function's zip once, and from then on only links what is there."""

    folder: ClassVar[Path]
    lock: ClassVar[threading.Lock] = threading.Lock()

    def extractall(
        self, path: str | os.PathLike[str] | None = None, members: Iterable[Any] | None = None, pwd: bytes | None = None
    ) -> None:
        target = Path(path or ".")
        if target.name != "code" or members is not None or self.filename is None:
            super().extractall(path, members, pwd)
            return
        unpacked = self.folder / hashlib.sha256(Path(self.filename).read_bytes()).hexdigest()
        with self.lock:
            if not unpacked.exists():
                unfinished = unpacked.with_suffix(".part")
                super().extractall(unfinished)
                unfinished.rename(unpacked)
        for entry in unpacked.iterdir():
            (target / entry.name).symlink_to(entry)


def mend_cold_start() -> None:
    """A new environment of a function does not wait for its zip to be unpacked, which takes seconds here each time.
    AWS has the code ready."""
    SharedCode.folder = Path(tempfile.mkdtemp(prefix="ministack-code-"))
    atexit.register(shutil.rmtree, SharedCode.folder, ignore_errors=True)
    shared = types.ModuleType(zipfile.__name__)
    vars(shared).update(vars(zipfile) | {"ZipFile": SharedCode})
    lambda_runtime.zipfile = shared


def mend_batch_actions() -> None:
    """SQS has no policies for batches: `sqs:SendMessage` allows SendMessageBatch, and so on.

    docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html
    """
    action_of = iam_actions.extract_iam_action

    def single_action_of(service: str, *arguments: Any, **named: Any) -> Any:
        action = action_of(service, *arguments, **named)
        return action.removesuffix("Batch") if service == "sqs" and action else action

    iam_actions.extract_iam_action = single_action_of


def mend_mail_resource() -> None:
    """SendRawEmail is allowed or not for the identity that the mail comes from, not for `*`, and a policy may ask for the
    address in its From (`ses:FromAddress`)."""
    resource_of, context_of = iam_actions.extract_resource_arn, iam_actions.request_tag_context

    def identity_of(service: str, method: str, path: str, headers: Any, body: bytes, query_params: Json, *where: str) -> Any:
        source = first(query_params.get("Source"))
        if service == "ses" and source:
            region, account = where
            return f"arn:aws:ses:{region}:{account}:identity/{source}"
        return resource_of(service, method, path, headers, body, query_params, *where)

    def context_with_sender(service: str, action: str, body: bytes, query_params: Json) -> Json:
        context: Json = context_of(service, action, body, query_params)
        raw = first(query_params.get("RawMessage.Data"))
        if service == "ses" and raw:
            header = email.message_from_bytes(base64.b64decode(raw)).get("From", "")
            context = context | {"ses:FromAddress": email.utils.parseaddr(str(header))[1]}
        return context

    iam_actions.extract_resource_arn = identity_of
    iam_actions.request_tag_context = context_with_sender


@dataclass(slots=True)
class Checkpoint:
    """How an event source goes on with the batch that begins at a record."""

    sequence_number: str
    size: int
    tries: int


def mend_stream_retries() -> None:
    """A DynamoDB event source honours ReportBatchItemFailures (all before the lowest failed record is done),
    BisectBatchOnFunctionError (a batch whose function failed is tried again by halves, which counts as no retry) and
    MaximumRetryAttempts (then the batch is described to the on-failure destination and passed over). MiniStack tries
    a failed batch again as it is, for ever, and takes a partial failure for success."""
    execute, poll = functions._execute_function, functions._poll_dynamodb_streams
    polling = threading.local()
    checkpoints: dict[str, Checkpoint] = {}

    def poll_with_checkpoints() -> bool:
        polling.positions, polling.waits = {}, {}
        try:
            moved: bool = poll()
        finally:
            positions, polling.positions = polling.positions, None
        with functions._dynamodb_stream_positions_lock:
            functions._dynamodb_stream_positions.update(positions)
        functions._esm_backoff_until.update(polling.waits)
        return moved

    def execute_batch(function: Json, event: Json) -> Json:
        positions = getattr(polling, "positions", None)
        source = event_source(function, event) if positions is not None else None
        if positions is None or source is None:
            plain: Json = execute(function, event)
            return plain
        start: int = functions._dynamodb_stream_positions[source["UUID"]]
        answer, done = attempt(function, event["Records"], source)
        if done:  # of those that passed the filter; what it left out among them is passed over too
            table = source["EventSourceArn"].split("/")[1]
            read = dynamodb.stream_records_since(table, start, source.get("BatchSize", 100))
            numbers = [sequence_number(record) for record in read]
            positions[source["UUID"]] = start + numbers.index(sequence_number(event["Records"][done - 1])) + 1
        else:
            positions[source["UUID"]] = start
        return answer

    def attempt(function: Json, records: list[Json], source: Json) -> tuple[Json, int]:
        """The answer for MiniStack's poller, which goes on after success and waits after an error, and how many records
        are dealt with."""
        checkpoint = checkpoints.pop(source["UUID"], None)
        if checkpoint is None or checkpoint.sequence_number != sequence_number(records[0]):
            checkpoint = Checkpoint(sequence_number(records[0]), len(records), 0)
        batch = records[: checkpoint.size]
        answer = execute(function, {"Records": batch})
        failed_at = first_failure(answer, batch, source)
        if failed_at is None:
            return answer, len(batch)
        if failed_at > 0:
            checkpoints[source["UUID"]] = Checkpoint(sequence_number(batch[failed_at]), len(batch) - failed_at, 0)
            return succeeded(answer), failed_at
        retries = source.get("MaximumRetryAttempts")
        if answer.get("error") and source.get("BisectBatchOnFunctionError") and len(batch) > 1:
            checkpoint.size = (len(batch) + 1) // 2
            wait = 0.0
        elif retries is not None and 0 <= int(retries) <= checkpoint.tries:
            functions._send_ddb_stream_failure_record(
                source, function, batch, source["EventSourceArn"], answer, "RetryAttemptsExhausted"
            )
            return succeeded(answer), len(batch)
        else:
            checkpoint.tries += 1
            wait = min(FIRST_RETRY_SECONDS * 2 ** (checkpoint.tries - 1), LONGEST_RETRY_SECONDS)
        checkpoints[source["UUID"]] = checkpoint
        polling.waits[source["UUID"]] = time.time() + wait
        return answer | {"error": True}, 0

    functions._execute_function = execute_batch
    functions._poll_dynamodb_streams = poll_with_checkpoints


def mend_kept_streams() -> None:
    """A stream outlives a restart, as its readers' places in it do: else they would wait there until as many records have
    come again."""
    state_of, restore = dynamodb.get_state, dynamodb.load_persisted_state
    kept = {"stream_records": dynamodb._stream_records, "stream_trimmed": dynamodb._stream_trimmed}

    def get_state() -> Json:
        state: Json = state_of()
        return state | {name: copy.deepcopy(part) for name, part in kept.items()}

    def load_persisted_state(state: Json) -> None:
        restore(state)
        for name, part in kept.items():
            part.update(state.get(name, {}))

    dynamodb.get_state, dynamodb.load_persisted_state = get_state, load_persisted_state


def event_source(function: Json, event: Json) -> Json | None:
    name = (function.get("config") or function).get("FunctionName")
    arn = event["Records"][0].get("eventSourceARN")
    for _, _, source in functions._iter_all_esms():
        if source.get("EventSourceArn") == arn and source.get("FunctionName") == name:
            found: Json = source
            return found
    return None


def sequence_number(record: Json) -> str:
    return str(record["dynamodb"]["SequenceNumber"])


def first_failure(answer: Json, batch: list[Json], source: Json) -> int | None:
    """Where in the batch the first failed record is; an identifier that is not in the batch fails all of it."""
    if answer.get("error"):
        return 0
    body = answer.get("body")
    if "ReportBatchItemFailures" not in (source.get("FunctionResponseTypes") or []) or not isinstance(body, dict):
        return None
    failed = {failure.get("itemIdentifier") for failure in body.get("batchItemFailures") or []}
    if not failed:
        return None
    known = {sequence_number(record): at for at, record in enumerate(batch)}
    return min((known.get(identifier, 0) for identifier in failed), default=0)


def succeeded(answer: Json) -> Json:
    return {"body": None, "log": answer.get("log", "")}


# SQS


def mend_message_moves() -> None:
    """Dead letters can be moved back to the queues that they came from: StartMessageMoveTask, ListMessageMoveTasks and
    ListDeadLetterSourceQueues exist. Here a move is over before its answer; AWS moves on after it.

    docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
    """
    tasks: dict[str, list[Json]] = {}

    def sources_of(arn: str) -> list[str]:
        policies = ((url, json.loads(queue["attributes"].get("RedrivePolicy") or "{}")) for url, queue in sqs._queues.items())
        return [url for url, policy in policies if policy.get("deadLetterTargetArn") == arn]

    def start(data: Json, _url: str) -> Json:
        arn = data["SourceArn"]
        with sqs._queues_lock:
            queue = sqs._queue_by_arn(arn)
            if queue is None:
                raise sqs._Err("ResourceNotFoundException", "The resource that you specified for the SourceArn doesn't exist.")
            if not sources_of(arn):
                raise sqs._Err("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
            stay, moved = [], 0
            for message in queue["messages"]:
                target = sqs._queue_by_arn(data.get("DestinationArn") or message["sys"].get("DeadLetterQueueSourceArn", ""))
                if target is None or message["visible_at"] > time.time():
                    stay.append(message)
                    continue
                moved += 1
                target["messages"].append(as_new(message))
            queue["messages"] = stay
        handle = base64.b64encode(json.dumps({"taskId": f"{len(tasks.get(arn, []))}", "sourceArn": arn}).encode()).decode()
        task = {"Status": "COMPLETED", "SourceArn": arn, "ApproximateNumberOfMessagesMoved": moved}
        tasks.setdefault(arn, []).insert(0, task | {"StartedTimestamp": int(time.time() * 1000)})
        functions._esm_wake.set()
        return {"TaskHandle": handle}

    sqs._HANDLERS |= {
        "StartMessageMoveTask": start,
        "ListMessageMoveTasks": lambda data, _: {"Results": tasks.get(data["SourceArn"], [])[: data.get("MaxResults", 1)]},
        "ListDeadLetterSourceQueues": lambda data, url: {
            "queueUrls": sources_of(sqs._get_q(data.get("QueueUrl", url))["attributes"]["QueueArn"])
        },
    }


def as_new(message: Json) -> Json:
    """A moved message has been received by nobody."""
    now = time.time()
    told = {name: value for name, value in message["sys"].items() if name != "DeadLetterQueueSourceArn"}
    fresh = {"receipt_handle": None, "receive_count": 0, "first_receive_at": None, "sent_at": now, "visible_at": now}
    return message | fresh | {"sys": told | {"SentTimestamp": str(int(now * 1000))}}


def mend_versioned_reads() -> None:
    """A version that is named is read like any other: `Range` and the `response-*` parameters count.

    docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """
    get = s3._get_object

    def get_version(bucket: str, key: str, headers: Json, query: Json | None = None) -> Any:
        status, told, body = answer = get(bucket, key, headers, query)
        asked = query or {}
        if status != 200 or not asked.get("versionId"):
            return answer
        if wanted := headers.get("range", ""):
            found = s3._parse_range(wanted, len(body))
            if found is None:
                told = {"Content-Type": "application/xml", "Content-Range": f"bytes */{len(body)}"}
                return 416, told, s3._xml_body(s3._range_error_xml(bucket, key))
            start, end = found
            told = {name: value for name, value in told.items() if not name.lower().startswith("x-amz-checksum-")}
            told["Content-Range"] = f"bytes {start}-{end}/{len(body)}"
            status, body = 206, body[start : end + 1]
            told["Content-Length"] = str(len(body))
        s3._apply_response_overrides(told, asked)
        return status, told, body

    s3._get_object = get_version


def end_with_standard_input() -> None:
    """Whoever started this server holds its standard input; when they are gone, the server goes too."""

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="end-with-standard-input", daemon=True).start()


def main() -> None:
    found = version("ministack")
    if found != MENDED_VERSION:
        sys.exit(f"These mends are for MiniStack {MENDED_VERSION}, not {found}.")
    mend()
    from ministack.app import main as serve

    end_with_standard_input()
    serve()


if __name__ == "__main__":
    main()
