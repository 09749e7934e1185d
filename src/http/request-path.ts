/**
 * A request's address. The raw path is split first and each segment decoded once, so that an id may hold `/`, `%`
 * and every other character, and none is decoded twice (RFC 3986, section 2.4).
 */
import { GreenroomError } from '../core/errors.ts';
import { shorten } from './problem.ts';

export interface RequestPath {
  /** Without the leading empty one; `['']` for `/`. */
  readonly segments: readonly string[];
  /** Raw, without the question mark. */
  readonly query: string;
}

const notAscii = /[^\x21-\x7e]/;

/** @throws GreenroomError `BAD_REQUEST` for an address that is no path, or not percent-encoded as UTF-8 */
export function parseRequestPath(url: string): RequestPath {
  if (url.charCodeAt(0) !== 0x2f) throw malformed('the address must be a path that starts with /');
  if (notAscii.test(url)) throw malformed('the address must be ASCII: percent-encode other characters as UTF-8');
  const question = url.indexOf('?');
  const path = question < 0 ? url : url.slice(0, question);
  const segments = path.slice(1).split('/');
  if (path.includes('%')) {
    for (let i = 0; i < segments.length; i++) segments[i] = decode(segments[i]!);
  }
  return { segments, query: question < 0 ? '' : url.slice(question + 1) };
}

/**
 * The parameters of a query, each known and given once.
 *
 * @throws GreenroomError `BAD_REQUEST` naming the parameter
 */
export function parseQuery(query: string, known: readonly string[]): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  if (query === '') return parameters;
  for (const part of query.split('&')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const name = decode(equals < 0 ? part : part.slice(0, equals));
    if (!known.includes(name)) {
      const hint = known.length === 0 ? 'none is taken here' : `known here: ${known.join(', ')}`;
      throw malformed(`unknown query parameter '${shorten(name)}'; ${hint}`);
    }
    if (parameters.has(name)) throw malformed(`query parameter '${name}' is given twice`);
    parameters.set(name, equals < 0 ? '' : decode(part.slice(equals + 1).replaceAll('+', ' ')));
  }
  return parameters;
}

/** A whole number in a query parameter or header; undefined if it is absent or empty. @throws GreenroomError `BAD_REQUEST` */
export function parseWhole(name: string, text: string | undefined, min: number, max: number): number | undefined {
  if (text === undefined || text === '') return undefined;
  const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(number) && number >= min && number <= max) return number;
  const upTo = max === Number.MAX_SAFE_INTEGER ? '' : ` to ${max}`;
  throw malformed(`${name} is '${shorten(text)}'; it is a whole number from ${min}${upTo}`);
}

function decode(segment: string): string {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    throw malformed(`'${shorten(segment)}' is not percent-encoded UTF-8`);
  }
}

function malformed(problem: string): GreenroomError {
  return new GreenroomError('BAD_REQUEST', problem);
}
