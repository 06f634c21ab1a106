/** Makes certificates for the embedded coordinator. */
import type { CommandDeclaration } from './declaration.ts';
import { collected } from './option-values.ts';

export const coordinatorCertsCommand: CommandDeclaration = {
  name: 'coordinator-certs',
  description: 'make a small CA, a server and a client certificate for the coordinator',
  examples: ['nodepool coordinator-certs /etc/nodepool/certs --host zk.example.org'],
  declare: (command) =>
    command
      .argument('<directory>')
      .option('--host <name>', 'further name or address of the server; repeat for several', collected, [])
      .action(async (directory: string, { host }: { host: string[] }) => {
        const { makeCertificates } = await import('@nodepool/zookeeper/certificates');
        await makeCertificates(directory, host);
        console.log(`made ca.pem, server.pem, server.key, client.pem, client.key in ${directory}`);
      }),
};
