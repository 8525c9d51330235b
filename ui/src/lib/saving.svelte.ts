import type { Problem } from '../bindings/Problem';
import { asProblem } from './problem';

/** A form that is sent: whether it is on its way, and what kept it from being taken, which stands in the form. */
export class Saving {
  busy = $state(false);
  problem = $state.raw<Problem | null>(null);

  /** Runs what sends it; true when it was taken. */
  async run(send: () => Promise<void>): Promise<boolean> {
    this.busy = true;
    this.problem = null;
    try {
      await send();
      return true;
    } catch (thrown) {
      this.problem = asProblem(thrown);
      return false;
    } finally {
      this.busy = false;
    }
  }
}
