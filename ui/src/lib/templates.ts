// Made-up policy templates, for tests and for looking at the window: the core has the real ones.
import type { PolicyTemplate } from '../bindings/PolicyTemplate';

const ALWAYS = ['session_fork', 'session_delete', 'session_reboot', 'WebFetch', 'WebSearch', 'Bash(git push:*)', 'Bash(rm:*)', 'Read(.env*)', 'Edit(.git)'];
const LOOKING = ['Read(/**)', 'list_teams', 'team_status'];
const RUNS = 'A build or a test runs what stands in the project, with your rights: who may edit it can run what they want that way. Run what you do not trust as another user or on another host.';

function template(name: string, more: Pick<PolicyTemplate, 'says' | 'allows' | 'asks' | 'autoApprove'> & Partial<PolicyTemplate>): PolicyTemplate {
  return { name, grantPermission: 'ask', denies: ['Changing Iris’s own files and your SSH settings'], deny: ['Edit(~/.iris/**)', 'Edit(~/.ssh/**)'], requireApproval: ALWAYS, ...more };
}

export const TEMPLATES: PolicyTemplate[] = [
  template('conservative', {
    says: 'The agent looks at the project, and asks before anything else.',
    allows: ['Reading and searching files in the project', 'Asking Iris which teams there are, how they are, and what became of a message'],
    asks: ['Every edit and every command', 'Every message to another team', 'The web, other MCP servers, and files outside of the project', 'Files that look like secrets'],
    autoApprove: LOOKING,
  }),
  template('balanced', {
    says: 'The agent edits the project, builds and tests it, and asks for what goes further.',
    allows: ['Reading, searching and editing files in the project', 'Building, testing and linting with the usual commands; looking at files and at git’s state', 'Subagents, and messages to other teams'],
    asks: ['Every other command: commits, installing, deleting, scripts', 'The web, other MCP servers, and what lies outside of the project', 'Files that look like secrets, and those that change what runs by itself (.git, .claude, CI)'],
    mind: RUNS,
    autoApprove: [...LOOKING, 'mcp__iris__*', 'Edit(/**)', 'Bash(cargo test:*)', 'Bash(npm test:*)', 'Bash(make test)'],
  }),
  template('autonomous', {
    says: 'The agent works a task through in the project, up to the commit, and asks for what is dangerous or leaves it.',
    allows: ['Reading, searching and editing files in the project', 'The project’s own npm, pnpm and yarn scripts, and the usual commands on its files: copying, moving, comparing', 'Branches and commits in the project’s own repository', 'Subagents, and messages to other teams'],
    asks: ['Deleting, throwing work away, pushing, publishing, deploying, installing', 'The web, other hosts, other MCP servers, and what lies outside of the project', 'Files that look like secrets, and those that change what runs by itself (.git, .claude, CI)', 'Programs that are not on the list'],
    mind: RUNS,
    autoApprove: [...LOOKING, 'mcp__iris__*', 'Edit(/**)', 'Bash(cargo test:*)', 'Bash(npm test:*)', 'Bash(make test)', 'Bash(git commit:*)', 'Bash(npm run:*)'],
  }),
];
