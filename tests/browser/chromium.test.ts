import { describe, expect, it, vi } from 'vitest';
import { chromiumForTests, findChromium } from './chromium.js';

describe('the browser of these tests', () => {
  it('is what CHROMIUM_PATH says, if that can be run', () => {
    expect(findChromium({ CHROMIUM_PATH: process.execPath, PATH: '' })).toBe(process.execPath);
    expect(() => findChromium({ CHROMIUM_PATH: '/nowhere/chromium' })).toThrow('found /nowhere/chromium');
  });

  it('may lack on a machine of ours, which is then told', () => {
    const warn = vi.spyOn(console, 'warn').mockReturnValue();
    expect(chromiumForTests({ PATH: '/nowhere' })).toBeNull();
    expect(warn.mock.lastCall?.[0]).toContain('skipped: no Chromium');
    warn.mockRestore();
  });

  it.each(['CI', 'GAN_REQUIRE_CHROMIUM'])('must be there where %s is set', (name) => {
    expect(() => chromiumForTests({ PATH: '/nowhere', [name]: '1' })).toThrow('no Chromium');
  });
});
