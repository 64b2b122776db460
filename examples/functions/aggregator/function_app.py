"""Aggregator: readings come in one by one, an entity per sensor keeps their sum, a timer reports.

The functions come from `func.FunctionApp`, which has the durable decorators as well, and every
part of the report is made by an orchestrator that a timer starts.
"""

import json
import logging

import azure.durable_functions as df
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="sensors/{sensor}/readings", methods=["POST"])
@app.durable_client_input(client_name="client")
async def take_reading(req: func.HttpRequest, client) -> func.HttpResponse:
    reading = float(req.get_json()["value"])
    sensor = req.route_params["sensor"]
    await client.signal_entity(df.EntityId("summary", sensor), "add", reading)
    await client.signal_entity(df.EntityId("sensors", "all"), "seen", sensor)
    return func.HttpResponse(status_code=202)


@app.route(route="report", methods=["GET"])
@app.durable_client_input(client_name="client")
async def show_report(req: func.HttpRequest, client) -> func.HttpResponse:
    status = await client.get_status("report")
    return func.HttpResponse(json.dumps(status.output), mimetype="application/json")


@app.timer_trigger(arg_name="timer", schedule="%REPORT_SCHEDULE%", use_monitor=False)
@app.durable_client_input(client_name="client")
async def report(timer: func.TimerRequest, client) -> None:
    logging.info("a report is made, late: %s", timer.past_due)
    await client.start_new("make_report", "report")


@app.orchestration_trigger(context_name="context")
def make_report(context: df.DurableOrchestrationContext):
    sensors = yield context.call_entity(df.EntityId("sensors", "all"), "list")
    summaries = yield context.task_all(
        [context.call_entity(df.EntityId("summary", sensor), "get") for sensor in sensors]
    )
    return dict(zip(sensors, summaries, strict=True))


@app.entity_trigger(context_name="context")
def summary(context: df.DurableEntityContext):
    kept = context.get_state(lambda: {"readings": 0, "sum": 0.0})
    if context.operation_name == "add":
        value = context.get_input() or 0.0  # the durable client of 1.x sends no input for a zero
        kept = {"readings": kept["readings"] + 1, "sum": kept["sum"] + value}
        context.set_state(kept)
    context.set_result(kept)


@app.entity_trigger(context_name="context")
def sensors(context: df.DurableEntityContext):
    known = context.get_state(list)
    if context.operation_name == "seen":
        context.set_state(sorted({*known, context.get_input()}))
    context.set_result(known)
