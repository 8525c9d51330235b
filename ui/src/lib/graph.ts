// Who talks to whom, as a drawing: the person in the middle, the teams around them, an arrow for each
// ordered pair.

/** Half the width of a node. */
export const RADIUS = 18;

/** Room around the nodes, for their names. */
const MARGIN = { x: 112, y: 60 };

/** One end of arrows. */
export interface Node {
  name: string;
  x: number;
  y: number;
  /** Where its name stands. */
  label: { x: number; y: number; anchor: 'start' | 'middle' | 'end' };
}

/** An ordered pair. */
export interface Way {
  from: string;
  to: string;
  /** How much goes along it. */
  messages: number;
}

/** A way as it is drawn. */
export interface Arrow {
  path: string;
  /** The three corners of its head. */
  head: string;
  width: number;
  /** The middle of it. */
  x: number;
  y: number;
}

/** The places of everybody: `centre` in the middle, the others on an ellipse around it, clockwise from the
 * top; with one or two others it stands above them, so that no arrow goes behind it. */
export function places(centre: string, others: readonly string[], width: number, height: number): Node[] {
  const few = others.length <= 2;
  const [cx, cy] = [width / 2, height / 2];
  const rx = Math.max(cx - MARGIN.x, RADIUS * 3) * (few ? 0.8 : 1);
  const ry = Math.max(cy - MARGIN.y, RADIUS * 3) * (few ? 0.6 : 1);
  if (few) {
    const above = { name: centre, x: cx, y: cy - ry, label: { x: cx, y: cy - ry, anchor: 'middle' as const } };
    const below = others.map((name, i): Node => {
      const [x, y] = [cx + (i * 2 - (others.length - 1)) * rx, cy + ry];
      return { name, x, y, label: { x, y: y + RADIUS + 17, anchor: 'middle' } };
    });
    return [above, ...below];
  }
  const first = -Math.PI / 2;
  const around = others.map((name, i): Node => {
    const angle = first + (i * 2 * Math.PI) / others.length;
    const [dx, dy] = [Math.cos(angle), Math.sin(angle)];
    const [x, y] = [cx + rx * dx, cy + ry * dy];
    const beside = Math.abs(dx) > 0.6;
    const label = beside
      ? { x: x + Math.sign(dx) * (RADIUS + 7), y: y + 4, anchor: dx > 0 ? ('start' as const) : ('end' as const) }
      : { x, y: dy < 0 ? y - RADIUS - 8 : y + RADIUS + 17, anchor: 'middle' as const };
    return { name, x, y, label };
  });
  return [{ name: centre, x: cx, y: cy, label: { x: cx, y: cy + RADIUS + 17, anchor: 'middle' } }, ...around];
}

/** The arrow of a way; `null` where an end of it is not drawn. Both ways of two teams bend apart. */
export function arrow(way: Way, nodes: readonly Node[], most: number, widest = 5): Arrow | null {
  const from = nodes.find((node) => node.name === way.from);
  const to = nodes.find((node) => node.name === way.to);
  if (!from || !to || from === to) return null;
  const width = 1.2 + (widest - 1.2) * (Math.log1p(way.messages) / Math.log1p(Math.max(most, 1)));
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = Math.hypot(dx, dy) || 1;
  // The control point, to the left of who walks along.
  const bend = Math.min(0.16 * length, 56);
  const c = { x: (from.x + to.x) / 2 + (dy / length) * bend, y: (from.y + to.y) / 2 - (dx / length) * bend };
  const towards = (a: { x: number; y: number }, by: number) => {
    const far = Math.hypot(c.x - a.x, c.y - a.y) || 1;
    return { x: a.x + ((c.x - a.x) / far) * by, y: a.y + ((c.y - a.y) / far) * by };
  };
  const size = 6 + width;
  const start = towards(from, RADIUS + 3);
  const tip = towards(to, RADIUS + 3);
  const base = towards(to, RADIUS + 3 + size);
  const side = { x: ((tip.y - base.y) / size) * size * 0.55, y: ((base.x - tip.x) / size) * size * 0.55 };
  const p = (a: { x: number; y: number }) => `${a.x.toFixed(1)} ${a.y.toFixed(1)}`;
  const corner = (sign: number) => p({ x: base.x + sign * side.x, y: base.y + sign * side.y });
  return {
    path: `M${p(start)}Q${p(c)} ${p(base)}`,
    head: `M${p(tip)}L${corner(1)}L${corner(-1)}Z`,
    width,
    x: (start.x + 2 * c.x + base.x) / 4,
    y: (start.y + 2 * c.y + base.y) / 4,
  };
}

/** A name in so many characters. */
export function shortName(name: string, most: number): string {
  const all = [...name];
  return all.length <= most ? name : `${all.slice(0, most - 1).join('')}…`;
}
