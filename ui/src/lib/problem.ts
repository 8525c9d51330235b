import type { Problem } from '../bindings/Problem';

/** Whatever was thrown, as something to show: never an empty or a cryptic text alone. */
export function asProblem(thrown: unknown): Problem {
  if (isProblem(thrown)) return thrown;
  const text = thrown instanceof Error ? thrown.message : typeof thrown === 'string' ? thrown : '';
  return {
    code: 'internal',
    message: text || 'Something in Iris went wrong and did not say what.',
    hint: 'Try again. If it stays, look at the newest file in the logs folder of Iris.',
  };
}

/** What is wrong and what to do, where there is one text: as the core writes it. */
export function inOneText(problem: Pick<Problem, 'message' | 'hint'>): string {
  const stop = /[.!?…]$/.test(problem.message) ? '' : '.';
  return `${problem.message}${stop} ${problem.hint}`;
}

function isProblem(value: unknown): value is Problem {
  return (
    typeof value === 'object' &&
    value !== null &&
    'code' in value &&
    'message' in value &&
    'hint' in value &&
    typeof value.message === 'string' &&
    typeof value.hint === 'string'
  );
}
