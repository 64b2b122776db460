"""Fan-out and fan-in: one activity says what there is to do, many do it, the results are added up.

The durable functions lie in a blueprint, as in apps that have grown.
"""

import azure.durable_functions as df
import azure.functions as func
from counting import blueprint

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
app.register_functions(blueprint)


@app.route(route="words/{shelf}", methods=["GET"])
@app.durable_client_input(client_name="client")
async def count_words(req: func.HttpRequest, client) -> func.HttpResponse:
    instance_id = await client.start_new("count_shelf", client_input=req.route_params["shelf"])
    return client.create_check_status_response(req, instance_id)
