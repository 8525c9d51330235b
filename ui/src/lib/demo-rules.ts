// Made-up rules, and what would come of others.
import type { Differs } from '../bindings/Differs';
import type { RulesEdit } from './api';
import { aRulesView, someConsequences, type FakeApi } from './fake';

/** `types`: a rule is typed into the form that is opened. */
export function demoRules(api: FakeApi, types: boolean): void {
  const common = [{ text: 'Bash(git push --force:*)', line: 6 }];
  api.rules.set('', aRulesView({ deny: { own: common, common: [], builtIn: [] } }));
  api.rules.set(
    'api',
    aRulesView({
      deny: { own: [{ text: 'Read(.env)', line: 16 }, { text: 'WebFetch', line: 17 }], common, builtIn: [] },
      autoApprove: { own: [{ text: 'mcp__iris__*', line: 20 }, { text: 'Bash(cargo test:*)', line: 21 }], common: [], builtIn: ['mcp__iris__*'] },
    }),
  );
  api.consequences = (edit) => {
    const file = (policy: RulesEdit) => `{\n  "teams": {\n    "api": {\n      "path": "~/code/api",\n      "approvalPolicy": {\n        // nothing secret leaves\n        "deny": [${listed(policy.deny)}],\n        "autoApprove": [${listed(policy.autoApprove)}]\n      }\n    }\n  }\n}\n`;
    const now: RulesEdit = { deny: ['Read(.env)', 'WebFetch'], autoApprove: ['mcp__iris__*', 'Bash(cargo test:*)'] };
    return someConsequences({
      newlyAllowed: [
        differs(9, 'git push --force origin main', { decision: 'deny', decidedBy: 'human:tray:you' }),
        differs(7, 'curl -fsS https://hooks.internal/notify -d @/tmp/after.txt \u202e# gnp.exe'),
        ...Array.from({ length: 9 }, (_, i) => differs(i + 10, `cargo build -p billing-${i}`)),
      ],
      newlyAsked: [differs(4, 'https://docs.rs/axum', { tool: 'WebFetch', then: 'ask' })],
      config: { before: file(now), after: file({ ...now, ...edit.approvalPolicy }) },
    });
  };
  if (location.hash.startsWith('#policy')) {
    setTimeout(() => {
      const select = document.querySelector<HTMLSelectElement>('[data-testid="team-policy-select"]');
      if (!select) return;
      select.value = 'balanced';
      select.dispatchEvent(new Event('change', { bubbles: true }));
      select.scrollIntoView();
    }, 3500);
  }
  if (!types) return;
  setTimeout(() => {
    document.querySelector<HTMLElement>('[data-testid="rule-list-autoApprove"] [data-testid="rule-add"]')?.click();
    setTimeout(() => {
      type('autoApprove', 'Bash');
      if (location.hash.includes('bad')) type('deny', 'WebFetch(domain:docs.rs');
    }, 200);
  }, 3500);
}

function type(list: string, value: string) {
  const input = [...document.querySelectorAll<HTMLInputElement>(`[data-testid="rule-list-${list}"] input`)].at(-1);
  if (!input) return;
  input.value = value;
  input.dispatchEvent(new Event('input', { bubbles: true }));
}

const listed = (rules: string[] | null | undefined) => (rules ?? []).map((rule) => JSON.stringify(rule)).join(', ');

function differs(minutes: number, summary: string, more: Partial<Differs> = {}): Differs {
  return {
    seq: 900 - minutes, time: new Date(Date.now() - minutes * 60_000).toISOString(), team: 'api', tool: 'Bash', summary, decision: 'allow',
    decidedBy: 'human:notification:you', now: 'ask', then: 'allow', why: 'The rule `Bash` (autoApprove, line 22 of the config) allows it.', ...more,
  };
}
