import { isTheme, themeOf, toggled, type Theme } from '../state/index.js';
import { byId, setAttribute } from './elements.js';
import { recall, remember } from './memory.js';

const KEY = 'gan-cluster-theme';

/** Light or dark: the system's, or what the user chose here before. */
export class ThemeToggle {
  private readonly system = matchMedia('(prefers-color-scheme: dark)');
  private readonly button = byId('theme', HTMLButtonElement);
  private chosen: Theme | null;

  constructor(private readonly onChange: () => void) {
    const recalled = recall(KEY);
    this.chosen = isTheme(recalled) ? recalled : null;
    this.system.addEventListener('change', () => this.apply());
    this.button.addEventListener('click', () => {
      this.chosen = toggled(this.chosen, this.systemTheme());
      remember(KEY, this.chosen);
      this.apply();
    });
    this.apply();
  }

  private systemTheme(): Theme {
    return this.system.matches ? 'dark' : 'light';
  }

  private apply(): void {
    if (this.chosen === null) document.documentElement.removeAttribute('data-theme');
    else setAttribute(document.documentElement, 'data-theme', this.chosen);
    const other = themeOf(this.chosen, this.systemTheme()) === 'dark' ? 'Light theme' : 'Dark theme';
    setAttribute(this.button, 'aria-label', other);
    setAttribute(this.button, 'title', other);
    this.onChange();
  }
}
