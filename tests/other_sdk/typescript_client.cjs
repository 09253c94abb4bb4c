// Temporal's TypeScript SDK as a program: one JSON request to a line, one JSON reply to a line.

const readline = require('node:readline');
const { AsyncCompletionClient, Connection } = require('@temporalio/client');
const { ApplicationFailure } = require('@temporalio/common');

async function answer(client, { verb, token, ids, value }) {
  const target = token === null ? ids : Buffer.from(token, 'base64');
  if (verb === 'fail') {
    return client.fail(target, ApplicationFailure.create(value));
  }
  return client[verb](target, value);
}

async function main() {
  const [address, namespace] = process.argv.slice(2);
  const connection = await Connection.connect({ address });
  const client = new AsyncCompletionClient({ connection, namespace });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    let reply = { error: null };
    try {
      await answer(client, JSON.parse(line));
    } catch (error) {
      reply = { error: error.name, message: error.message };
    }
    process.stdout.write(`${JSON.stringify(reply)}\n`);
  }
  await connection.close();
}

main();
