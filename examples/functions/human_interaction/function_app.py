"""Human interaction: ask somebody, wait for the answer, and go on without one after a while."""

from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="leave", methods=["POST"])
@app.durable_client_input(client_name="client")
async def request_leave(req: func.HttpRequest, client) -> func.HttpResponse:
    wish = req.get_json()
    instance_id = await client.start_new("leave_request", f"leave-{wish['name']}", wish)
    return client.create_check_status_response(req, instance_id)


@app.route(route="leave/{name}/{answer:regex(^(yes|no)$)}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def answer_request(req: func.HttpRequest, client) -> func.HttpResponse:
    instance_id = f"leave-{req.route_params['name']}"
    status = await client.get_status(instance_id)
    if not status or status.runtime_status is not df.OrchestrationRuntimeStatus.Running:
        return func.HttpResponse("nobody asked, or it is decided", status_code=404)
    await client.raise_event(instance_id, "answer", req.route_params["answer"] == "yes")
    return func.HttpResponse(status_code=202)


@app.orchestration_trigger(context_name="context")
def leave_request(context: df.DurableOrchestrationContext):
    wish = context.get_input()
    yield context.call_activity("ask_manager", wish)
    context.set_custom_status({"waiting for": "the manager"})
    deadline = context.current_utc_datetime + timedelta(seconds=wish.get("patience", 86_400))
    timeout = context.create_timer(deadline)
    answer = context.wait_for_external_event("answer")
    winner = yield context.task_any([answer, timeout])
    if winner is timeout:
        boss = yield context.call_sub_orchestrator("escalation", wish["name"])
        return f"{boss} decides"
    timeout.cancel()
    return "granted" if answer.result else "refused"


@app.orchestration_trigger(context_name="context", orchestration="escalation")
def ask_higher_up(context: df.DurableOrchestrationContext):
    return (yield context.call_activity("find_boss", context.get_input()))


@app.activity_trigger(input_name="wish")
def ask_manager(wish: dict) -> None:
    print(f"may {wish['name']} have {wish['days']} days off?")


@app.activity_trigger(input_name="name", activity="find_boss")
def look_up_boss(name: str) -> str:
    return f"the boss of {name}"
