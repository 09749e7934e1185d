/** Which names may be commands: the one rule that classes, refs on a node and refs outside the cluster go by. */

/** Names that JavaScript itself asks objects for, the id, and the hooks. */
const reserved: ReadonlySet<string> = new Set([
  'constructor',
  'then',
  'catch',
  'finally',
  'toJSON',
  'toString',
  'valueOf',
  'id',
  'onActivate',
  'onPassivate',
]);

/** Whether a method of this name is a command; names that begin with `_` are private. */
export function mayBeCommand(name: string): boolean {
  return !reserved.has(name) && !name.startsWith('_');
}
