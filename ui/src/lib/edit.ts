// The input of a request as text to edit, and back.
import type { ApprovalView } from '../bindings/ApprovalView';
import { isObject } from './display';

type Request = Pick<ApprovalView, 'tool' | 'input'>;

/** The field of each tool that a person edits as the text that it is; its other fields stay. */
const TEXTS: Record<string, { field: string; label: string }> = {
  Bash: { field: 'command', label: 'The command' },
  Write: { field: 'content', label: 'The content of the file' },
  Edit: { field: 'new_string', label: 'The new text' },
  NotebookEdit: { field: 'new_source', label: 'The new source' },
  WebFetch: { field: 'url', label: 'The address' },
  WebSearch: { field: 'query', label: 'What is searched for' },
  ExitPlanMode: { field: 'plan', label: 'The plan' },
};
/** Fields that may not be empty: what would run is not what a person sees then. */
const NEEDED = ['command', 'url', 'query'];

/** The text to edit: that of the field that says all, or the JSON of the whole input. */
export function editable(request: Request): string {
  const field = fieldOf(request);
  return field === null ? JSON.stringify(request.input, null, 2) : String((request.input as Record<string, unknown>)[field]);
}

/** What the text is, as a label. */
export function editLabel(request: Request): string {
  return fieldOf(request) === null ? 'The input, as JSON' : (TEXTS[request.tool]?.label ?? 'The text');
}

/** The input that an edited text stands for, or what is wrong with it. */
export function readEdit(request: Request, text: string): { input: unknown; problem: string | null } {
  const field = fieldOf(request);
  if (field !== null) {
    return text.trim() === '' && NEEDED.includes(field)
      ? { input: null, problem: `${TEXTS[request.tool]?.label ?? 'It'} is empty.` }
      : { input: { ...(request.input as object), [field]: text }, problem: null };
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

function fieldOf({ tool, input }: Request): string | null {
  const field = TEXTS[tool]?.field;
  return field !== undefined && isObject(input) && typeof input[field] === 'string' ? field : null;
}
