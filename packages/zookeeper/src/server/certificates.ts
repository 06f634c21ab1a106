/** A small authority with one server and one client certificate, for the coordinator's TLS port. */
import 'reflect-metadata'; // @peculiar/x509 needs it to be there first
import { createPrivateKey, webcrypto } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { systemRuntime } from '../runtime/runtime.ts';
import { CoordinatorError } from './storage/data-directory.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const dayMs = 86_400_000;
const validDays = 3650;
const files = ['ca.pem', 'server.pem', 'server.key', 'client.pem', 'client.key'];

/** Writes ca.pem, server.pem, server.key, client.pem, client.key; refuses to overwrite. `names`: further ones of the server. */
export async function makeCertificates(directory: string, names: readonly string[] = []): Promise<void> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const taken = files.find((file) => existsSync(join(directory, file)));
  if (taken !== undefined)
    throw new CoordinatorError('tls', `${join(directory, taken)} exists already; certificates are not overwritten`);
  const now = systemRuntime.nowMs();
  const validity = { notBefore: new Date(now - dayMs), notAfter: new Date(now + validDays * dayMs) };
  const caKeys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const ca = await X509CertificateGenerator.createSelfSigned({
    ...validity,
    serialNumber: serial(),
    name: 'CN=nodepool-coordinator-ca',
    keys: caKeys,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(caKeys.publicKey),
    ],
  });
  write(directory, 'ca.pem', ca.toString('pem'));
  for (const who of ['server', 'client'] as const) {
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const certificate: X509Certificate = await X509CertificateGenerator.create({
      ...validity,
      serialNumber: serial(),
      subject: `CN=${who === 'server' ? 'localhost' : 'nodepool-client'}`,
      issuer: ca.subject,
      publicKey: keys.publicKey,
      signingKey: caKeys.privateKey,
      signingAlgorithm: algorithm,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        await SubjectKeyIdentifierExtension.create(keys.publicKey),
        await AuthorityKeyIdentifierExtension.create(caKeys.publicKey),
        new ExtendedKeyUsageExtension([who === 'server' ? ExtendedKeyUsage.serverAuth : ExtendedKeyUsage.clientAuth]),
        new SubjectAlternativeNameExtension(
          ['localhost', '127.0.0.1', '::1', ...names].map((name) => ({
            type: isIP(name) ? ('ip' as const) : ('dns' as const),
            value: name,
          })),
        ),
      ],
    });
    write(directory, `${who}.pem`, certificate.toString('pem'));
    const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
    write(
      directory,
      `${who}.key`,
      createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }).export({ type: 'pkcs8', format: 'pem' }) as string,
    );
  }
}

function write(directory: string, file: string, text: string): void {
  writeFileSync(join(directory, file), text, { mode: 0o600, flag: 'wx' });
}

/** Positive, and without zeros in front, as the standard wants it. */
const serial = (): string => `1${systemRuntime.randomHex(15)}`;
