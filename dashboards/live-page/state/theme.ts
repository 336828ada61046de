export type Theme = 'light' | 'dark';

export const isTheme = (value: unknown): value is Theme => value === 'light' || value === 'dark';

/** The user's word goes before the system's. */
export const themeOf = (chosen: Theme | null, system: Theme): Theme => chosen ?? system;

/** What is chosen after the toggle was pressed: who goes back to the system's theme follows it again. */
export function toggled(chosen: Theme | null, system: Theme): Theme | null {
  const next: Theme = themeOf(chosen, system) === 'dark' ? 'light' : 'dark';
  return next === system ? null : next;
}
