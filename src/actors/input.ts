/** Input schemas (Standard Schema): checked on the owner, in the mailbox's order, for every caller. */
import { GreenroomError, type Issue } from '../core/errors.ts';
import { findNotPlain } from '../core/plain-data.ts';
import type { StandardSchema } from './actor.ts';

interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[];
}

/** The schema's output, or the error for the caller. A schema that throws or is asynchronous is the class's fault, said as such. */
export function validateInput(
  schema: StandardSchema,
  input: unknown,
  type: string,
  command: string,
): { readonly value: unknown } | { readonly error: GreenroomError } {
  let result: { value?: unknown; issues?: readonly StandardIssue[] };
  try {
    result = schema['~standard'].validate(input) as typeof result;
  } catch (error) {
    return {
      error: new GreenroomError('COMMAND_FAILED', `the input schema of ${type}.${command} threw`, { cause: error }),
    };
  }
  if (typeof (result as { then?: unknown } | undefined)?.then === 'function') {
    return {
      error: new GreenroomError(
        'COMMAND_FAILED',
        `the input schema of ${type}.${command} is asynchronous; it must be synchronous`,
      ),
    };
  }
  if (result.issues) {
    const issues = result.issues.map(({ message, path }): Issue => ({ path: formatPath(path), message }));
    return {
      error: new GreenroomError(
        'INVALID_INPUT',
        `${type}.${command} does not accept this input: ${issues.map(describe).join('; ')}`,
        { issues },
      ),
    };
  }
  const wrong = findNotPlain(result.value);
  if (wrong)
    return {
      error: new GreenroomError(
        'COMMAND_FAILED',
        `what the input schema of ${type}.${command} made${wrong.path} ${wrong.problem}`,
      ),
    };
  return { value: result.value };
}

function formatPath(path: StandardIssue['path']): string {
  return (path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
}

function describe(issue: Issue): string {
  return issue.path ? `${issue.path}: ${issue.message}` : issue.message;
}
