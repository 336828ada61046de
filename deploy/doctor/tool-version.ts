import { execFile } from 'node:child_process';

const ANSWER_WITHIN_MS = 10_000;

export type ToolAnswer =
  | { readonly kind: 'said'; readonly text: string }
  | { readonly kind: 'missing' }
  /** It is there, and could not tell. */
  | { readonly kind: 'failed'; readonly why: string };

/** What a program on PATH says about itself, in its first line. */
export function askTool(program: string, args: readonly string[]): Promise<ToolAnswer> {
  return new Promise((resolve) => {
    execFile(program, [...args], { timeout: ANSWER_WITHIN_MS, encoding: 'utf8' }, (error, stdout, stderr) => {
      const line = (text: string): string => text.trim().split('\n')[0] ?? '';
      if (error === null) return resolve({ kind: 'said', text: line(stdout) });
      if (error.code === 'ENOENT') return resolve({ kind: 'missing' });
      resolve({ kind: 'failed', why: line(stderr) || line(error.message) });
    });
  });
}
