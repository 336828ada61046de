/** Stands where a number is not known. */
export const UNKNOWN = '–';

const GROUPED = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const CLOCK = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const DATE = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });

/** 9,360 */
export const grouped = (value: number): string => GROUPED.format(value);

export const measure = (value: number | null | undefined, digits: number): string =>
  value === null || value === undefined ? UNKNOWN : value.toFixed(digits);

/** 8 s, 3 min 20 s, 2 h 05 min, 3 d 04 h. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number): string => String(value).padStart(2, '0');
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${two(whole % 60)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${two(minutes % 60)} min`;
  return `${Math.floor(hours / 24)} d ${two(hours % 24)} h`;
}

const shortened = (value: number): string => (value < 10 ? value.toFixed(1) : value.toFixed(0));

/** 950, 1.2k, 35k, 1.8M: for axes and narrow columns. */
export function short(value: number): string {
  if (Math.abs(value) < 1_000) return String(Math.round(value * 100) / 100);
  const [unit, name] = value < 999_500 ? [1e3, 'k'] : value < 999_500_000 ? [1e6, 'M'] : [1e9, 'G'];
  return `${shortened(value / unit).replace(/\.0$/, '')}${name}`;
}

/** 812 B, 1.4 MB, 35 GB. */
export function bytes(value: number): string {
  const names = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let place = 0;
  let scaled = value;
  while (scaled >= 999.5 && place < names.length - 1) {
    scaled /= 1000;
    place += 1;
  }
  return place === 0 ? `${Math.round(value)} B` : `${shortened(scaled)} ${names[place]}`;
}

export const clock = (atMs: number): string => CLOCK.format(atMs);
export const dateAndTime = (atMs: number): string => DATE.format(atMs);

/** 1 worker, 2 workers. */
export const counted = (count: number, word: string): string =>
  `${grouped(count)} ${word}${count === 1 ? '' : 's'}`;
