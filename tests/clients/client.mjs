// The official TypeScript SDK as an MCP client of Iris, in the era 2025-11-25.
//
//   node client.mjs http URL               with the header IRIS_TEST_AUTHORIZATION
//   node client.mjs stdio PROGRAM ARG...
//
// What it does is a line on stdout each: a word, then JSON.

import { createRequire } from 'node:module';

// The packages lie outside the repository.
const require = createRequire(`${process.env.IRIS_TEST_CLIENTS}/`);
const { Client } = require('@modelcontextprotocol/sdk/client/index.js');
const { StdioClientTransport } = require('@modelcontextprotocol/sdk/client/stdio.js');
const { StreamableHTTPClientTransport } = require('@modelcontextprotocol/sdk/client/streamableHttp.js');

const [way, target, ...args] = process.argv.slice(2);
const say = (word, what) => console.log(word, JSON.stringify(what));

function transport() {
  if (way === 'stdio') return new StdioClientTransport({ command: target, args, env: process.env });
  const headers = { Authorization: process.env.IRIS_TEST_AUTHORIZATION };
  return new StreamableHTTPClientTransport(new URL(target), { requestInit: { headers } });
}

const client = new Client({ name: 'iris-test', version: '1' });
// Also what is no JSON-RPC on the stdout of `iris mcp`.
client.onerror = (error) => say('error', String(error));
await client.connect(transport());

const { tools } = await client.listTools();
const { prompts } = await client.listPrompts();
const { messages } = await client.getPrompt({ name: 'debugger' });
const teams = await client.callTool({ name: 'list_teams', arguments: {} });
say('sees', {
  tools: tools.map((tool) => tool.name),
  prompts: prompts.map((prompt) => prompt.name),
  prompt: messages[0].content.text,
  teams: teams.structuredContent,
});

// Tells of its progress; `aborting` ends it at the first.
async function send(message, aborting) {
  const ending = new AbortController();
  let told = false;
  const onprogress = () => {
    if (!told) say('progress', message);
    told = true;
    if (aborting) ending.abort();
  };
  const options = { signal: ending.signal, onprogress, timeout: 100_000, resetTimeoutOnProgress: true };
  const call = { name: 'send_message', arguments: { toTeam: 'alpha', message, timeout: 100_000 } };
  return await client.callTool(call, undefined, options);
}

say('answer', (await send('FAKE:bash touch one', false)).structuredContent);
try {
  say('error', await send('FAKE:bash touch two', true));
} catch (error) {
  say('cancelled', String(error));
}
const refused = await client.callTool({ name: 'send_message', arguments: { toTeam: 'nobody', message: 'm' } });
say('refused', { isError: refused.isError, text: refused.content[0].text });
// Over HTTP it keeps the stream of a call that it cancelled, and complains when that ends here.
client.onerror = () => {};
await client.close();
say('end', {});
