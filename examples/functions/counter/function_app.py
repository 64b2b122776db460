"""A counter entity: signalled and read over HTTP, called by an orchestrator."""

import json

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.entity_trigger(context_name="context", entity_name="Counter")
def counter(context: df.DurableEntityContext):
    value = context.get_state(lambda: 0)
    match context.operation_name:
        case "add":
            value += context.get_input() or 1
        case "reset":
            value = 0
        case "get":
            pass
        case other:
            raise ValueError(f"a counter cannot {other}")
    context.set_state(value)
    context.set_result(value)


@app.route(route="counter/{key}/{operation:alpha}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def signal_counter(req: func.HttpRequest, client) -> func.HttpResponse:
    entity = df.EntityId("Counter", req.route_params["key"])
    amount = req.get_json() if req.get_body() else None
    await client.signal_entity(entity, req.route_params["operation"], amount)
    return func.HttpResponse(status_code=202)


@app.route(route="counter/{key}", methods=["GET"])
@app.durable_client_input(client_name="client")
async def read_counter(req: func.HttpRequest, client) -> func.HttpResponse:
    state = await client.read_entity_state(df.EntityId("Counter", req.route_params["key"]))
    if not state.entity_exists:
        return func.HttpResponse(status_code=404)
    return func.HttpResponse(json.dumps(state.entity_state), mimetype="application/json")


@app.route(route="counter/{key}/double", methods=["POST"])
@app.durable_client_input(client_name="client")
async def double_counter(req: func.HttpRequest, client) -> func.HttpResponse:
    instance_id = await client.start_new("double", client_input=req.route_params["key"])
    return await client.wait_for_completion_or_create_check_status_response(
        req, instance_id, 10_000, 100
    )


@app.orchestration_trigger(context_name="context")
def double(context: df.DurableOrchestrationContext):
    entity = df.EntityId("Counter", context.get_input())
    before = yield context.call_entity(entity, "get")
    after = yield context.call_entity(entity, "add", before)
    return {"before": before, "after": after}
