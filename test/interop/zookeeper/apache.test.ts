import { startApache } from '@nodepool/zookeeper/internal/testing/apache';
import { conformance } from './conformance.ts';

conformance('Apache ZooKeeper, one server', async () => {
  const apache = await startApache(1);
  return { servers: apache.servers.map((server) => server.plain), close: () => apache.close() };
});

conformance('Apache ZooKeeper, ensemble of three, TLS', async () => {
  const apache = await startApache(3);
  return { servers: apache.servers.map((server) => server.secure), tls: apache.tls, close: () => apache.close() };
});
