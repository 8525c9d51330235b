// Questions of an agent (`AskUserQuestion`): read from the tool's input, answered by an edited
// input, `{questions, answers: {question: answer}}` (measured with Claude Code 2.1.330).
import { isObject } from './display';

/** The tool with which an agent asks. */
export const QUESTION_TOOL = 'AskUserQuestion';

export interface Choice {
  label: string;
  description: string;
  /** What choosing it would give, as text; empty: nothing is shown. */
  preview: string;
}

export interface Question {
  question: string;
  header: string;
  multiSelect: boolean;
  options: Choice[];
}

/** The questions in an input; `null` when it does not have the known shape (shown as JSON then). */
export function readQuestions(input: unknown): Question[] | null {
  if (!isObject(input) || !Array.isArray(input.questions) || input.questions.length === 0) return null;
  const out: Question[] = [];
  for (const raw of input.questions as unknown[]) {
    if (!isObject(raw) || typeof raw.question !== 'string') return null;
    const options: Choice[] = [];
    for (const option of Array.isArray(raw.options) ? (raw.options as unknown[]) : []) {
      if (!isObject(option) || typeof option.label !== 'string') return null;
      options.push({ label: option.label, description: text(option.description), preview: text(option.preview) });
    }
    out.push({ question: raw.question, header: text(raw.header), multiSelect: raw.multiSelect === true, options });
  }
  return out;
}

/** What a person chose for one question. */
export interface Reply {
  chosen: string[];
  /** Own words. */
  other: string;
}

/** The answer in the client's form: labels and own words, joined by a comma; empty when none. */
export function replyText(reply: Reply): string {
  const own = reply.other.trim();
  return [...reply.chosen, ...(own ? [own] : [])].join(', ');
}

/** The input that carries the answers back to the agent. */
export function answeredInput(input: unknown, questions: Question[], replies: Reply[]): unknown {
  const answers = Object.fromEntries(
    questions.map((q, i) => [q.question, replyText(replies[i] ?? { chosen: [], other: '' })]),
  );
  return { questions: isObject(input) ? input.questions : [], answers };
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
