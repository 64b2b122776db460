"""The durable part of the app."""

from pathlib import Path

import azure.durable_functions as df

blueprint = df.Blueprint()

SHELVES = Path(__file__).parent / "shelves"


@blueprint.orchestration_trigger(context_name="context")
def count_shelf(context: df.DurableOrchestrationContext):
    texts = yield context.call_activity(find_texts, context.get_input())
    context.set_custom_status(f"{len(texts)} texts")
    counts = yield context.task_all([context.call_activity(count_text, text) for text in texts])
    return {"texts": len(texts), "words": sum(counts)}


@blueprint.activity_trigger(input_name="shelf")
def find_texts(shelf: str) -> list:
    return sorted(str(path) for path in (SHELVES / shelf).glob("*.txt"))


@blueprint.activity_trigger(input_name="text")
def count_text(text: str) -> int:
    return len(Path(text).read_text("utf-8").split())
