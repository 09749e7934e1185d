/** Authorities and certificates made at test time, with the openssl of the machine. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TransportTls } from '../src/transport/transport-tls.ts';

/** What a node is given, as texts. */
export type Certificate = { readonly [part in keyof TransportTls]: string };

export interface Wanted {
  readonly authority: string;
  readonly host: string;
  readonly signs?: boolean;
}

/**
 * @param authorities to make
 * @param wanted by name, in the order of making: who signs it, the IP address it is for, and whether it signs others
 */
export function makeCertificates<Name extends string>(
  authorities: readonly string[],
  wanted: Readonly<Record<Name, Wanted>>,
): Readonly<Record<Name, Certificate>> {
  const directory = mkdtempSync(join(tmpdir(), 'greenroom-certificates-'));
  const openssl = (text: string): void =>
    void execFileSync('openssl', text.split(' '), { stdio: 'pipe', cwd: directory });
  const read = (file: string): string => readFileSync(join(directory, file), 'utf8');
  const newKey = (name: string): string =>
    `-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ${name}.key -subj /CN=${name}`;
  try {
    for (const name of authorities) openssl(`req -x509 ${newKey(name)} -out ${name}.pem -days 30`);
    const made = Object.entries<Wanted>(wanted).map(([name, { authority, host, signs = false }]) => {
      const extensions = `subjectAltName=IP:${host}\nbasicConstraints=CA:${signs ? 'TRUE' : 'FALSE'}\n`;
      writeFileSync(join(directory, `${name}.ext`), extensions);
      openssl(`req ${newKey(name)} -out ${name}.csr`);
      const signer = `-CA ${authority}.pem -CAkey ${authority}.key -CAcreateserial`;
      openssl(`x509 -req -in ${name}.csr -out ${name}.pem ${signer} -days 30 -extfile ${name}.ext`);
      return [name, { cert: read(`${name}.pem`), key: read(`${name}.key`), ca: read(`${authority}.pem`) }] as const;
    });
    return Object.fromEntries(made) as Record<Name, Certificate>;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
