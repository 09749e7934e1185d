/**
 * The dashboard: plain files from the package's `dashboard/` folder, read once. They hold no data (the page asks for
 * it like any other caller), so they need no token. The page may load nothing from elsewhere and run nothing inline.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import type { Exchange } from './exchange.ts';

interface Asset {
  readonly type: string;
  readonly body: Buffer;
  readonly tag: string;
}

const folder = new URL('../../dashboard/', import.meta.url);
const mediaTypes: ReadonlyMap<string, string> = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
  ['.svg', 'image/svg+xml'],
]);

/** Scripts, styles and requests only from here; no frames around it, no forms that leave. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

export class Dashboard {
  readonly #assets: ReadonlyMap<string, Asset> = readAssets();

  /** `GET /` and `GET /-/{asset}`. @returns false if there is no such asset */
  serve(exchange: Exchange, name: string): boolean {
    const asset = this.#assets.get(name);
    if (asset === undefined) return false;
    const headers = [
      'ETag',
      asset.tag,
      'Content-Security-Policy',
      contentSecurityPolicy,
      'Referrer-Policy',
      'no-referrer',
    ];
    exchange.isCacheable = true;
    if (exchange.request.headers['if-none-match'] === asset.tag) exchange.empty(304, headers);
    else exchange.text(200, asset.type, asset.body, headers);
    return true;
  }
}

function readAssets(): ReadonlyMap<string, Asset> {
  const assets = new Map<string, Asset>();
  for (const name of readdirSync(folder)) {
    const type = mediaTypes.get(extname(name));
    if (type === undefined) continue;
    const body = readFileSync(new URL(name, folder));
    assets.set(name, { type, body, tag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 20)}"` });
  }
  return assets;
}
