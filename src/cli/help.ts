/** The examples at the end of every command's help. */

/** Lines of `[command, what it does]`. */
export function examples(lines: readonly (readonly [command: string, meaning: string])[]): string {
  const width = Math.max(...lines.map(([command]) => command.length));
  const body = lines.map(([command, meaning]) =>
    meaning === '' ? `  ${command}` : `  ${command.padEnd(Math.min(width, 60))}  # ${meaning}`,
  );
  return `\nExamples:\n${body.join('\n')}`;
}
