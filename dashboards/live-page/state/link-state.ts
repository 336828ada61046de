/** How the page stands with its coordinator. */
export type LinkState =
  | { readonly kind: 'connecting'; readonly again: boolean }
  | { readonly kind: 'live' }
  | { readonly kind: 'waiting'; readonly untilMs: number }
  | { readonly kind: 'over' };

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 5_000;

/**
 * Time before attempt `attempt` (from 0) to connect again: 0.5 s, doubled each time up to 5 s. Up to a fifth is taken off by
 * chance, so that many pages do not come back in the same moment.
 * @param chance 0 to 1
 */
export function retryDelayMs(attempt: number, chance: number): number {
  const full = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(attempt, 10));
  return Math.max(FIRST_DELAY_MS, full * (1 - chance / 5));
}

/** The same without the countdown, which nobody wants to have read out. */
export const linkNews = (link: LinkState): string =>
  link.kind === 'waiting' ? linkWords({ kind: 'connecting', again: true }, 0) : linkWords(link, 0);

export function linkWords(link: LinkState, nowMs: number): string {
  switch (link.kind) {
    case 'connecting':
      return link.again ? 'Reconnecting' : 'Connecting';
    case 'live':
      return 'Live';
    case 'waiting': {
      const seconds = Math.max(1, Math.ceil((link.untilMs - nowMs) / 1000));
      return `Reconnecting in ${seconds} s`;
    }
    case 'over':
      return 'The run is over';
  }
}
