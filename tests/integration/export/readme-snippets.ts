import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const README = join(import.meta.dirname, '../../../README.md');
const HEADING = '### The generator in other tools';

/** The code in README's section on the exported files that is written in `language`. */
export function readmeSnippets(language: 'js' | 'python'): string[] {
  const [, section = ''] = readFileSync(README, 'utf8').split(`\n${HEADING}\n`);
  const [body = ''] = section.split(/^#+ /m);
  const snippets = [...body.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(
    ([, code = '']) => code,
  );
  if (snippets.length === 0) throw new Error(`README has no ${language} under "${HEADING}"`);
  return snippets;
}
