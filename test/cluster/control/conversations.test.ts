/** The conversations in `conversations/`: each line there is followed by what it must lead to. `UPDATE=1` writes them anew. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Conversation } from './conversation.ts';

const folder = fileURLToPath(new URL('./conversations/', import.meta.url));
const names = readdirSync(folder).filter((name) => name.endsWith('.txt'));

test.each(names)('%s goes as written', (name) => {
  const written = readFileSync(`${folder}${name}`, 'utf8');
  const conversation = new Conversation();
  const heard = written
    .split('\n')
    .filter((line) => !line.startsWith('  '))
    .flatMap((line) => {
      if (line === '' || line.startsWith('#')) return [line];
      return [line, ...conversation.say(line).map((said) => `  ${said}`)];
    })
    .join('\n');
  if (process.env.UPDATE) writeFileSync(`${folder}${name}`, heard);
  else expect(heard).toBe(written);
});
