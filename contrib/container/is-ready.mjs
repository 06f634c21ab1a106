#!/usr/bin/env node
// Status 0 when the launcher of this container takes requests. NODEPOOL_READY_URL where its port or address is another one.
const url = process.env.NODEPOOL_READY_URL ?? 'http://127.0.0.1:8005/ready';
const answer = await fetch(url, { signal: AbortSignal.timeout(4000) }).catch((error) => ({ error }));
if (!answer.ok) {
  console.error(`${url}: ${answer.status ?? answer.error.message}`);
  process.exit(1);
}
