"""Function chaining: each step gets what the one before it made; a failure undoes what was done."""

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

once_more = df.RetryOptions(first_retry_interval_in_milliseconds=100, max_number_of_attempts=2)


@app.route(route="orders", methods=["POST"])
@app.durable_client_input(client_name="client")
async def place_order(req: func.HttpRequest, client) -> func.HttpResponse:
    order = req.get_json()
    instance_id = await client.start_new("process_order", client_input=order)
    return await client.wait_for_completion_or_create_check_status_response(
        req, instance_id, timeout_in_milliseconds=10_000, retry_interval_in_milliseconds=100
    )


@app.orchestration_trigger(context_name="context")
def process_order(context: df.DurableOrchestrationContext):
    order = context.get_input()
    reservation = yield context.call_activity("reserve", order)
    try:
        receipt = yield context.call_activity_with_retry("charge", once_more, order)
    except Exception:
        yield context.call_activity("release", reservation)
        return {"status": "refused", "released": reservation["id"]}
    parcel = yield context.call_activity("ship", {"order": order, "receipt": receipt})
    return {"status": "shipped", "parcel": parcel}


@app.activity_trigger(input_name="order")
def reserve(order: dict) -> dict:
    return {"id": f"reservation-{order['item']}", "amount": order["amount"]}


@app.activity_trigger(input_name="order")
async def charge(order: dict) -> str:
    if order["amount"] > 100:
        raise ValueError(f"the card does not cover {order['amount']}")
    return f"receipt-{order['amount']}"


@app.activity_trigger(input_name="reservation")
def release(reservation: dict) -> None:
    print(f"released {reservation['id']}")


@app.activity_trigger(input_name="work")
def ship(work: dict) -> str:
    return f"parcel-{work['order']['item']}-{work['receipt']}"
