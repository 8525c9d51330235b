// The rules of a team's name, as the core has them (`iris_domain::ids::TeamName`).

/** The longest team name: it stands in menus, paths and log lines. */
export const TEAM_NAME_MAX = 64;

/** What is wrong with a name, in one sentence; `null` when it is good. */
export function nameProblem(name: string, taken: readonly string[] = []): string | null {
  const characters = [...name];
  if (characters.length === 0) return 'A team needs a name.';
  if (characters.length > TEAM_NAME_MAX) return `A team name has at most ${TEAM_NAME_MAX} characters.`;
  for (const [i, c] of characters.entries()) {
    if (i === 0 ? !/[A-Za-z0-9_@]/.test(c) : !/[A-Za-z0-9_@.-]/.test(c)) {
      const shown = c === ' ' ? 'A space' : `“${c}”`;
      return i === 0 && /[.-]/.test(c)
        ? `A team name does not start with “${c}”.`
        : `${shown} is not allowed: use letters, digits, “_”, “-”, “@” and “.”.`;
    }
  }
  if (name.toLowerCase() === 'console') return '“console” is the name of you, the human; call the team something else.';
  if (taken.includes(name)) return `There is already a team “${name}”.`;
  return null;
}

/** A good name for the team in this folder: the folder's own, made to fit and not yet taken. */
export function proposeName(path: string, taken: readonly string[] = []): string {
  const folder = path.split(/[/\\]/).filter(Boolean).at(-1) ?? '';
  let name = folder
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/[^A-Za-z0-9_@.-]+/g, '-')
    .replace(/^[.-]+/, '')
    .replace(/-+$/, '')
    .slice(0, TEAM_NAME_MAX - 4);
  if (name === '' || name === '~') name = 'team';
  if (name.toLowerCase() === 'console') name = `${name}-team`;
  let proposal = name;
  for (let n = 2; taken.includes(proposal); n += 1) proposal = `${name}-${n}`;
  return proposal;
}
