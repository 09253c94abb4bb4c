// A worker that runs the activities and the workflow of docs/howto/other-languages.md.

import { NativeConnection, Worker } from '@temporalio/worker';
import * as activities from './activities';

async function main(address: string, namespace: string, taskQueue: string): Promise<void> {
  const connection = await NativeConnection.connect({ address });
  const workflowsPath = require.resolve('./workflows');
  const worker = await Worker.create({ connection, namespace, taskQueue, workflowsPath, activities });
  console.log('ready worker');
  await worker.run();
  await connection.close();
}

const [address, namespace, taskQueue] = process.argv.slice(2);
main(address!, namespace!, taskQueue!);
