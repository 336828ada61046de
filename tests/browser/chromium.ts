import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium, type Browser } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

type Environment = Readonly<Record<string, string | undefined>>;

/** The browser's program: what CHROMIUM_PATH says, else the first of its usual names on PATH; null where there is none. */
export function findChromium(environment: Environment = process.env): string | null {
  const told = environment['CHROMIUM_PATH'];
  if (told !== undefined && told !== '') {
    if (!mayRun(told)) throw new Error(`CHROMIUM_PATH: a program was expected, found ${told}`);
    return told;
  }
  const folders = (environment['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const candidates = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  return candidates.find(mayRun) ?? null;
}

/**
 * The browser's program, or null with the reason printed. Where the tests are required, in CI or with GAN_REQUIRE_CHROMIUM, its
 * lack is an error.
 */
export function chromiumForTests(environment: Environment = process.env): string | null {
  const found = findChromium(environment);
  if (found !== null) return found;
  const reason = `no Chromium: neither CHROMIUM_PATH nor ${NAMES.join(', ')} on PATH (Debian: apt-get install chromium)`;
  const required = [environment['CI'], environment['GAN_REQUIRE_CHROMIUM']].some(
    (value) => (value ?? '') !== '',
  );
  if (required) throw new Error(reason);
  console.warn(`The browser tests are skipped: ${reason}.`);
  return null;
}

export const launchChromium = (executablePath: string): Promise<Browser> =>
  chromium.launch({ executablePath, args: ['--disable-gpu', '--disable-dev-shm-usage'] });

function mayRun(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
