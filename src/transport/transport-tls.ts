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
  return /alert (bad|unknown|no|unsupported|revoked|expired)? ?(certificate|ca)|CERTIFICATE_REQUIRED|UNKNOWN_CA|DID_NOT_RETURN_A_CERTIFICATE/i.test(
    `${code} ${message}`,
  );
}

/** What answers in place of TLS, and is none: TLS reads its first bytes as a version. */
export function isPlain({
  code = '',
  message,
}: {
  readonly code?: string | undefined;
  readonly message: string;
}): boolean {
  return code === 'ERR_SSL_WRONG_VERSION_NUMBER' || (code === 'EPROTO' && message.includes('wrong version number'));
}

/** The first byte of a connection that begins with TLS (RFC 8446 §5.1: a record of type handshake). */
export const tlsFirstByte = 0x16;

/**
 * To who speaks plain HTTP where TLS is spoken. Source: RFC 2817 §4.2, "Mandatory Advertisement".
 */
export const wantsTlsResponse =
  'HTTP/1.1 426 Upgrade Required\r\nUpgrade: TLS/1.2, HTTP/1.1\r\nConnection: Upgrade, close\r\nContent-Length: 0\r\n\r\n';

/** Whether that is what it says. */
export function wantsTls(statusCode: number | undefined, upgrade: string | undefined): boolean {
  return statusCode === 426 && upgrade !== undefined && /^TLS\b/i.test(upgrade);
}
