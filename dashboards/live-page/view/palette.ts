const NAMES = ['discriminator', 'generator', 'rate', 'muted', 'grid', 'accent', 'warning'] as const;

/** Colours of the style sheet, as a canvas understands them. */
export type Palette = Readonly<Record<(typeof NAMES)[number], string>>;

/** The custom properties as they are now: they follow the theme. */
export function readPalette(): Palette {
  const probe = document.createElement('span');
  document.body.append(probe);
  const colours = NAMES.map((name) => {
    probe.style.color = `var(--${name})`;
    return [name, getComputedStyle(probe).color] as const;
  });
  probe.remove();
  return Object.fromEntries(colours) as Palette;
}
