/**
 * What a node proves itself with, out of files: a certificate with its key, who signs the others' certificates, and
 * the secret that the nodes of a cluster share. Everything is looked at before the node starts, so that what is wrong is
 * said in the words of the command line and not by a connection that fails later.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { secretBytesMin } from '../cluster/credentials.ts';
import type { TlsOptions } from '../cluster/node-options.ts';
import { wrongUsage } from './exit-codes.ts';
import type { NodeSettings } from './settings.ts';

export interface Credentials {
  readonly tls: TlsOptions | undefined;
  readonly secret: Buffer | undefined;
  readonly warnings: readonly string[];
}

type CredentialSettings = Pick<NodeSettings, 'tlsCert' | 'tlsKey' | 'tlsCa' | 'secretFile'>;

/** A certificate that ends sooner than this is warned of. */
const expiryWarningMs = 14 * 24 * 60 * 60 * 1_000;

/**
 * @param directory what relative paths are relative to
 * @param nowMs milliseconds since 1970
 * @throws CommandLineError exit code 2 for a file that is missing, cannot be read or does not hold what it should
 */
export function readCredentials(settings: CredentialSettings, directory: string, nowMs: number): Credentials {
  const tls = readTls(settings, directory, nowMs);
  const secret = settings.secretFile === undefined ? undefined : readSecret(settings.secretFile, directory);
  return {
    tls: tls?.options,
    secret: secret?.bytes,
    warnings: [...(tls?.warnings ?? []), ...(secret?.warnings ?? [])],
  };
}

function readTls(
  { tlsCert, tlsKey, tlsCa }: CredentialSettings,
  directory: string,
  nowMs: number,
): { options: TlsOptions; warnings: string[] } | undefined {
  if (tlsCert === undefined && tlsKey === undefined && tlsCa === undefined) return undefined;
  if (tlsCert === undefined) {
    throw wrongUsage(`${tlsKey === undefined ? '--tls-ca' : '--tls-key'} is of no use without --tls-cert`);
  }
  if (tlsKey === undefined) throw wrongUsage('--tls-cert needs its private key, too: give --tls-key');
  const cert = readText('--tls-cert', tlsCert, directory);
  const key = readText('--tls-key', tlsKey, directory);
  const ca = tlsCa === undefined ? undefined : readText('--tls-ca', tlsCa, directory);
  const certificate = parseCertificate('--tls-cert', cert);
  if (ca !== undefined) parseCertificate('--tls-ca', ca);
  checkKey(key, cert, certificate);
  return {
    options: { cert: cert.text, key: key.text, ...(ca === undefined ? {} : { ca: ca.text }) },
    warnings: [...validityWarnings(cert.path, certificate, nowMs), ...accessWarnings(key.path)],
  };
}

interface TextFile {
  readonly path: string;
  readonly text: string;
}

function readText(flag: string, file: string, directory: string): TextFile {
  const path = resolve(directory, file);
  try {
    return { path, text: readFileSync(path, 'utf8') };
  } catch (error) {
    throw wrongUsage(`${flag} cannot be read: ${(error as Error).message}`);
  }
}

function parseCertificate(flag: string, { path, text }: TextFile): X509Certificate {
  if (!text.includes('-----BEGIN CERTIFICATE-----')) {
    const found = /-----BEGIN ([A-Z0-9 ]+)-----/.exec(text)?.[1]?.toLowerCase();
    const what = found === undefined ? 'it is not PEM' : `it holds a ${found}`;
    throw wrongUsage(
      `${flag}: ${path} holds no certificate: ${what}`,
      'a certificate in PEM begins with -----BEGIN CERTIFICATE-----',
    );
  }
  try {
    return new X509Certificate(text);
  } catch (error) {
    throw wrongUsage(`${flag}: the certificate in ${path} cannot be read: ${(error as Error).message}`);
  }
}

function checkKey({ path, text }: TextFile, cert: TextFile, certificate: X509Certificate): void {
  if (!/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/.test(text)) {
    throw wrongUsage(
      `--tls-key: ${path} holds no private key in PEM`,
      'a key in PEM begins with -----BEGIN PRIVATE KEY-----',
    );
  }
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/.test(text)) {
    throw wrongUsage(
      `--tls-key: the key in ${path} is encrypted, and there is nobody here to ask for its passphrase`,
      `decrypt it: openssl pkey -in ${path} -out node.key`,
    );
  }
  let matches: boolean;
  try {
    matches = certificate.checkPrivateKey(createPrivateKey(text));
  } catch (error) {
    throw wrongUsage(`--tls-key: the key in ${path} cannot be read: ${(error as Error).message}`);
  }
  if (!matches) throw wrongUsage(`--tls-key: the key in ${path} is not the one of the certificate in ${cert.path}`);
}

function validityWarnings(path: string, certificate: X509Certificate, nowMs: number): string[] {
  const endMs = Date.parse(certificate.validTo);
  if (Date.parse(certificate.validFrom) > nowMs)
    return [`the certificate in ${path} is not valid before ${certificate.validFrom}: callers will refuse it`];
  if (endMs < nowMs) return [`the certificate in ${path} ended on ${certificate.validTo}: callers will refuse it`];
  return endMs - nowMs < expiryWarningMs ? [`the certificate in ${path} ends on ${certificate.validTo}`] : [];
}

/** One line break at the end is the editor's, and not part of the secret. */
function readSecret(file: string, directory: string): { bytes: Buffer; warnings: string[] } {
  const path = resolve(directory, file);
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw wrongUsage(`--secret-file cannot be read: ${(error as Error).message}`);
  }
  const hint = `make one: openssl rand -hex 32 > ${file}`;
  let end = bytes.length;
  if (bytes[end - 1] === 0x0a) end -= bytes[end - 2] === 0x0d ? 2 : 1;
  const secret = bytes.subarray(0, end);
  if (secret.toString('latin1').trim() === '') throw wrongUsage(`--secret-file: ${path} is empty`, hint);
  if (secret.length < secretBytesMin) {
    throw wrongUsage(
      `--secret-file: the secret in ${path} has ${secret.length} bytes and could be guessed; it takes ${secretBytesMin} at least`,
      hint,
    );
  }
  return { bytes: secret, warnings: accessWarnings(path) };
}

function accessWarnings(path: string): string[] {
  if (process.platform === 'win32' || (statSync(path).mode & 0o044) === 0) return [];
  return [`${path} can be read by other users of this machine: chmod 600 ${path}`];
}
