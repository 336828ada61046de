import { describe, expect, it } from 'vitest';
import { isTrusted } from '../../../coordinator/live/origin.js';

describe('a request to the live page', () => {
  it.each([
    ['localhost:8080', undefined],
    ['127.0.0.1:8080', 'http://127.0.0.1:8080'],
    ['[::1]:8080', 'http://[::1]:8080'],
    ['192.168.1.5', 'http://192.168.1.5'],
    ['gan.example:80', undefined],
    ['GAN.example', 'http://GAN.example'.toLowerCase()],
  ])('to %s from %s is served', (host, origin) => {
    const trusted = isTrusted({ host: host.toLowerCase(), ...(origin && { origin }) }, ['gan.example']);
    expect(trusted).toBe(true);
  });

  it.each([
    [undefined, undefined],
    ['evil.example', undefined], // a name that was pointed here
    ['localhost:8080', 'http://evil.example'],
    ['localhost:8080', 'http://localhost:9090'],
    ['localhost:8080', 'null'],
    ['localhost.evil.example', undefined],
    ['127.0.0.1.evil.example:8080', undefined],
  ])('to %s from %s is refused', (host, origin) => {
    expect(isTrusted({ ...(host && { host }), ...(origin && { origin }) }, [])).toBe(false);
  });
});
