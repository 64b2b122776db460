import azure.durable_functions as df
import azure.functions as func


async def main(req: func.HttpRequest, starter: str) -> func.HttpResponse:
    client = df.DurableOrchestrationClient(starter)
    job = int(req.route_params["job"])
    instance_id = f"watch-{job}"
    status = await client.get_status(instance_id)
    if status and status.runtime_status is df.OrchestrationRuntimeStatus.Running:
        return func.HttpResponse("somebody watches this job already", status_code=409)
    await client.start_new("Watch", instance_id, {"job": job, **req.get_json()})
    return client.create_check_status_response(req, instance_id)
