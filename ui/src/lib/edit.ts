// The input of a request as text to edit, and back.
import type { ApprovalView } from '../bindings/ApprovalView';
import { isObject } from './display';

type Request = Pick<ApprovalView, 'tool' | 'input'>;

/** The text to edit: the command of Bash (its other fields stay), the JSON of everything else. */
export function editable(request: Request): string {
  return commandOf(request) ?? JSON.stringify(request.input, null, 2);
}

/** The input that an edited text stands for, or what is wrong with it. */
export function readEdit(request: Request, text: string): { input: unknown; problem: string | null } {
  if (commandOf(request) !== null) {
    return text.trim() === ''
      ? { input: null, problem: 'The command is empty.' }
      : { input: { ...(request.input as object), command: text }, problem: null };
  }
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value)
      ? { input: value, problem: null }
      : { input: null, problem: 'The input must be a JSON object.' };
  } catch (error) {
    return { input: null, problem: `This is not JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
}

function commandOf({ tool, input }: Request): string | null {
  return tool === 'Bash' && isObject(input) && typeof input.command === 'string' ? input.command : null;
}
