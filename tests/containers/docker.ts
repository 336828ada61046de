import { spawn } from 'node:child_process';

export interface CommandEnd {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly timeoutMs?: number;
  /** Sends Ctrl-C once standard output holds this. */
  readonly interruptAt?: string | undefined;
}

/** Runs a program to its end; a status other than 0 is for the caller to judge. */
export function run(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandEnd> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: options.timeoutMs ?? 120_000,
      detached: options.interruptAt !== undefined,
    });
    let stdout = '';
    let stderr = '';
    let interrupted = false;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      if (interrupted || options.interruptAt === undefined || !stdout.includes(options.interruptAt)) return;
      interrupted = true;
      // To all that a terminal would send it to: docker and its plugin.
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGINT');
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.once('error', reject);
    child.once('close', (status) => resolve({ status, stdout, stderr }));
  });
}

/** Standard output of a docker command, which is to succeed. */
export async function docker(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await run('docker', args);
  if (status !== 0) throw new Error(`docker ${args.join(' ')} ended with ${status}: ${stderr}`);
  return stdout.trim();
}

export const hasImage = async (name: string): Promise<boolean> =>
  (await run('docker', ['image', 'inspect', name])).status === 0;

/** Why containers cannot be tried here, in words; null when they can. */
export async function whyNoContainers(): Promise<string | null> {
  try {
    const engine = await run('docker', ['info', '--format', '{{.ServerVersion}}'], { timeoutMs: 20_000 });
    if (engine.status !== 0) return `no container engine answers (${lastLine(engine.stderr)})`;
    const compose = await run('docker', ['compose', 'version', '--short']);
    if (compose.status !== 0) return 'docker has no compose plugin';
    const [major = 0, minor = 0] = compose.stdout.trim().replace(/^v/, '').split('.').map(Number);
    if (major < 2 || (major === 2 && minor < 26))
      return `Docker Compose 2.26 or newer is needed, found ${compose.stdout.trim()}`;
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'docker is not installed' : String(error);
  }
}

const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? '';
