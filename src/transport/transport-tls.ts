/**
 * TLS between nodes, mutual: both sides show a certificate of the cluster's authority. A dialler also checks that the
 * certificate names the host it dialled, so a node's certificate has to list its addresses.
 */
export interface TransportTls {
  /** PEM of this node's certificate, and of those between it and the authority. */
  readonly cert: string | Buffer;
  /** PEM of its private key. */
  readonly key: string | Buffer;
  /** PEM of the authority that signed every node's certificate. Should sign nothing else. */
  readonly ca: string | Buffer;
}

export function serverTlsOptions({ cert, key, ca }: TransportTls) {
  return { cert, key, ca, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.2' } as const;
}

export function clientTlsOptions({ cert, key, ca }: TransportTls) {
  return { cert, key, ca, rejectUnauthorized: true, minVersion: 'TLSv1.2' } as const;
}

/** Whether one side did not accept the other's certificate: here, or as an alert from there. */
export function isNotTrusted({
  code = '',
  message,
}: {
  readonly code?: string | undefined;
  readonly message: string;
}): boolean {
  if (/^(CERT_|UNABLE_TO_|ERR_TLS_CERT|INVALID_CA|INVALID_PURPOSE)|SELF_SIGNED|HOSTNAME_MISMATCH/.test(code))
    return true;
  return /alert (bad|unknown|no|unsupported|revoked|expired)? ?(certificate|ca)|CERTIFICATE_REQUIRED|UNKNOWN_CA/i.test(
    `${code} ${message}`,
  );
}
