"""What the framework alone can do: an answer of ten items that is always the same.

`dict` goes through FastAPI's own way of writing JSON, `bytes` is written by orjson.
"""

import socket
import sys

import orjson
import uvicorn
from fastapi import FastAPI
from fastapi.responses import Response

app = FastAPI()
ITEMS = [
    {"item_id": f"i{n}", "title": f"thing {n}", "category": "c", "price": 1.0, "rank": n + 1}
    for n in range(10)
]


@app.get("/readyz")
async def ready() -> dict:
    """It listens."""
    return {}


@app.get("/dict/{user_id}")
async def as_dict(user_id: str, k: int = 10) -> dict:
    """The answer as most would write it."""
    return {"user_id": user_id, "items": ITEMS[:k]}


@app.get("/bytes/{user_id}")
async def as_bytes(user_id: str, k: int = 10) -> Response:
    """The answer without the framework's JSON."""
    body = orjson.dumps({"user_id": user_id, "items": ITEMS[:k]})
    return Response(body, media_type="application/json")


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", file=sys.stderr, flush=True)
    config = uvicorn.Config(app, access_log=False, log_level="error")
    uvicorn.Server(config).run(sockets=[listening])
