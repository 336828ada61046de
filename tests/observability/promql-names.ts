/** A series that an expression names, with the labels it asks for or works with. */
export interface Selector {
  readonly name: string;
  readonly labels: readonly string[];
}

const WORDS = new Set([
  'and',
  'or',
  'unless',
  'by',
  'without',
  'on',
  'ignoring',
  'group_left',
  'group_right',
  'offset',
  'bool',
]);

/** The series that an expression selects. Of PromQL it knows as much as this project uses. */
export function selectorsOf(expr: string): Selector[] {
  const bare = expr
    .replace(/"(?:[^"\\]|\\.)*"/g, '""')
    .replace(/\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, ' ')
    .replace(/\[[^\]]*\]/g, ' ')
    .replace(/\$\w+/g, ' ');
  const found: Selector[] = [];
  for (const [, name = '', matchers] of bare.matchAll(/(?<![\w:.])([a-zA-Z_:][\w:]*)\s*(\{[^}]*\}|\()?/g)) {
    if (matchers === '(' || WORDS.has(name)) continue;
    const labels = [...(matchers ?? '').matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label);
    found.push({ name, labels });
  }
  return found;
}
