"""Settings of `host.json` that are known and mean nothing here, each with the reason."""

_TURNS = "turns never wait for anything, so that one at a time is enough"
_IN_MEMORY = "instances stay in memory after a turn in any case"
_QUEUES = "there are no storage queues, tables or partitions to tune"
_OWNER = "a store has one owner, and refuses a second one"
_GRPC = "nothing here speaks gRPC"
_SPANS = "perdure.telemetry has the spans, and its own settings"
_TRIGGERS = "there are no triggers of that kind"
_NOTHING_TO_DO = "the host has nothing like it"

_TASK = "extensions.durabletask"
_OF_TASK = {
    "maxconcurrentorchestratorfunctions": _TURNS,
    "maxconcurrententityfunctions": _TURNS,
    "extendedsessionsenabled": _IN_MEMORY,
    "extendedsessionidletimeoutinseconds": _IN_MEMORY,
    "entitymessagereorderwindowinminutes": "messages arrive once and in order without it",
    "usegracefulshutdown": "shutting down always waits for what runs",
    "useapplease": _OWNER,
    "appleaseoptions": _OWNER,
    "storeinputsinorchestrationhistory": "the history always has the inputs",
    "localrpcendpointenabled": "clients speak to this server",
    "maxgrpcmessagesizeinbytes": _GRPC,
    "grpchttpclienttimeout": _GRPC,
    "tracing": _SPANS,
    "traceinputsandoutputs": _SPANS,
    "logreplayevents": _SPANS,
    "distributedtracingenabled": _SPANS,
    "distributedtracingprotocol": _SPANS,
    "notificationurl": "management URLs are those of this server",
    "customlifecyclenotificationhelpertype": "it is a class of .NET",
    "controlqueuebatchsize": _QUEUES,
    "controlqueuebufferthreshold": _QUEUES,
    "partitioncount": _QUEUES,
    "controlqueuevisibilitytimeout": _QUEUES,
    "workitemqueuevisibilitytimeout": _QUEUES,
    "maxqueuepollinginterval": _QUEUES,
    "trackingstoreconnectionstringname": _QUEUES,
    "trackingstoreconnectionname": _QUEUES,
    "trackingstorenameprefix": _QUEUES,
    "fetchlargemessagesautomatically": _QUEUES,
    "uselegacypartitionmanagement": _QUEUES,
    "usetablepartitionmanagement": _QUEUES,
    "allowreplayingterminalinstances": _QUEUES,
    "queueclientmessageencoding": _QUEUES,
}
_OF_PROVIDERS = {
    "taskhubname": "the hub is the one of hubName",
    "taskeventlocktimeout": _OWNER,
    "taskeventbatchsize": _QUEUES,
    "createdatabaseifnotexists": "the store is made when it is missing",
    "schemaname": _QUEUES,
    "storageconnectionname": _QUEUES,
    "eventhubsconnectionname": _QUEUES,
    "cacheorchestrationcursors": _IN_MEMORY,
    "appendtocontainerlog": _QUEUES,
}
_OF_HTTP = {
    "maxoutstandingrequests": "requests are not counted; put a proxy in front that does",
    "maxconcurrentrequests": "requests are not counted; put a proxy in front that does",
    "dynamicthrottlesenabled": "requests are not counted; put a proxy in front that does",
    "hsts": "this server speaks plain HTTP; the proxy in front has the certificate",
    "customheaders": "headers come from the functions, or from a proxy in front",
}
_OTHER_EXTENSIONS = (
    "blobs cosmosdb dapr eventgrid eventhubs kafka mcp mysql openai queues rabbitmq sendgrid "
    "servicebus signalr sql tables warmup"
)
_IGNORED = {
    "id": _NOTHING_TO_DO,
    "isdefaulthostconfig": _NOTHING_TO_DO,
    "logging": "the logs are Python's: set up `logging`",
    "applicationinsights": "the logs are Python's: set up `logging`",
    "telemetrymode": _SPANS,
    "tracing": "the logs are Python's: set up `logging`",
    "extensionbundle": "no bundle is needed",
    "functiontimeout": "functions run until they end",
    "aggregator": _NOTHING_TO_DO,
    "concurrency": _NOTHING_TO_DO,
    "customhandler": "functions are Python's",
    "healthmonitor": _NOTHING_TO_DO,
    "manageddependency": "it is for PowerShell",
    "retry": "the functions themselves have retry policies",
    "singleton": _OWNER,
    "snapshots": _NOTHING_TO_DO,
    "watchdirectories": "start the host again to see new code",
    "watchfiles": "start the host again to see new code",
    "queues": _TRIGGERS,
    "servicebus": _TRIGGERS,
    "eventhub": _TRIGGERS,
    "sendgrid": _TRIGGERS,
    **{f"extensions.{name}": _TRIGGERS for name in _OTHER_EXTENSIONS.split()},
    **{f"extensions.http.{name}": reason for name, reason in _OF_HTTP.items()},
    **{f"{_TASK}.{name}": reason for name, reason in _OF_TASK.items()},
    **{
        f"{_TASK}.storageprovider.{name}": reason
        for name, reason in {**_OF_TASK, **_OF_PROVIDERS}.items()
    },
}


def reason_to_ignore(path: str) -> str | None:
    """Why the setting at this path, in lower case, means nothing here; None for all others."""
    return _IGNORED.get(path)
