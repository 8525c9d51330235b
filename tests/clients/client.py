"""The official Python SDK as an MCP client of Iris, in the era 2026-07-28.

    python client.py http URL               with the header IRIS_TEST_AUTHORIZATION
    python client.py stdio PROGRAM ARG...

What it does is a line on stdout each: a word, then JSON.
"""

import asyncio
import json
import logging
import os
import sys

from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client


def say(word, what):
    print(word, json.dumps(what), flush=True)


class Heard(logging.Handler):
    """What the SDK warns of, such as what is no JSON-RPC on the stdout of `iris mcp`."""

    def emit(self, record):
        say("error", record.getMessage())


def server(way, target, *args):
    if way == "stdio":
        return StdioServerParameters(command=target, args=list(args), env=dict(os.environ))
    headers = {"Authorization": os.environ["IRIS_TEST_AUTHORIZATION"]}
    return streamable_http_client(target, http_client=create_mcp_http_client(headers=headers))


async def heard(message):
    """An error of the transport comes in place of a message."""
    if isinstance(message, Exception):
        say("error", str(message))


async def send(client, message, told):
    async def on_progress(_progress, _total, _message):
        if not told.is_set():
            say("progress", message)
            told.set()

    arguments = {"toTeam": "alpha", "message": message, "timeout": 100_000}
    return await client.call_tool("send_message", arguments, progress_callback=on_progress)


async def main():
    async with Client(server(*sys.argv[1:]), message_handler=heard) as client:
        tools = await client.list_tools()
        prompts = await client.list_prompts()
        prompt = await client.get_prompt("debugger")
        teams = await client.call_tool("list_teams", {})
        say(
            "sees",
            {
                "version": client.protocol_version,
                "tools": [tool.name for tool in tools.tools],
                "prompts": [prompt.name for prompt in prompts.prompts],
                "prompt": prompt.messages[0].content.text,
                "teams": teams.structured_content,
            },
        )

        answer = await send(client, "FAKE:bash touch one", asyncio.Event())
        say("answer", answer.structured_content)

        told = asyncio.Event()
        sending = asyncio.create_task(send(client, "FAKE:bash touch two", told))
        await told.wait()
        sending.cancel()
        try:
            say("error", repr(await sending))
        except asyncio.CancelledError:
            say("cancelled", "CancelledError")

        refused = await client.call_tool("send_message", {"toTeam": "nobody", "message": "m"})
        say("refused", {"isError": refused.is_error, "text": refused.content[0].text})
    say("end", {})


handler = Heard()
handler.setLevel(logging.WARNING)
logging.basicConfig(handlers=[handler])
asyncio.run(main())
