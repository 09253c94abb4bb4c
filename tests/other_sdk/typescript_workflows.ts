// A worker that runs the workflow of docs/howto/activities-by-name.md, and no activities.

import { NativeConnection, Worker } from '@temporalio/worker';

async function main(address: string, namespace: string, taskQueue: string): Promise<void> {
  const connection = await NativeConnection.connect({ address });
  const workflowsPath = require.resolve('./workflows');
  const worker = await Worker.create({ connection, namespace, taskQueue, workflowsPath });
  console.log('ready worker');
  await worker.run();
  await connection.close();
}

const [address, namespace, taskQueue] = process.argv.slice(2);
main(address!, namespace!, taskQueue!);
