"""Monitor: ask again and again, with durable pauses, until it is done or not worth waiting for."""

from datetime import timedelta

import azure.durable_functions as df


def watch(context: df.DurableOrchestrationContext):
    order = context.get_input()
    for look in range(order["looks"]):
        state = yield context.call_activity("AskStatus", {"job": order["job"], "look": look})
        context.set_custom_status(state)
        if state == "done":
            return f"job {order['job']} was done at look {look + 1}"
        pause = timedelta(seconds=order["seconds"])
        yield context.create_timer(context.current_utc_datetime + pause)
    return f"job {order['job']} takes too long"


main = df.Orchestrator.create(watch)
