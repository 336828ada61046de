/**
 * The shapes of the drawn digits: for each digit the ways people write it, each a list of pen strokes, each stroke the
 * points a smooth curve runs through. x grows to the right, y down, a glyph is one unit high. A point given twice is a
 * corner: the curve stops being smooth there.
 */
export type Point = readonly [x: number, y: number];
export type Stroke = readonly Point[];

export interface Glyph {
  /** How often this way of writing is drawn, relative to the digit's others. */
  readonly weight: number;
  readonly strokes: readonly Stroke[];
}

const corner = (x: number, y: number): [Point, Point] => [
  [x, y],
  [x, y],
];

/** Glyphs by digit, 0 to 9. */
export const DIGIT_GLYPHS: readonly (readonly Glyph[])[] = [
  [
    {
      weight: 3, // round
      strokes: [
        // prettier-ignore
        [[0.56, 0.03], [0.3, 0.06], [0.1, 0.35], [0.1, 0.7], [0.3, 0.97], [0.56, 0.95], [0.76, 0.66], [0.77, 0.3], [0.62, 0.05], [0.5, 0.03]],
      ],
    },
    {
      weight: 2, // narrow
      strokes: [
        // prettier-ignore
        [[0.5, 0.02], [0.3, 0.14], [0.2, 0.48], [0.24, 0.82], [0.42, 0.99], [0.6, 0.84], [0.67, 0.5], [0.6, 0.16], [0.48, 0.02], [0.42, 0.05]],
      ],
    },
  ],
  [
    { weight: 4, strokes: [[[0.5, 0], [0.5, 0.5], [0.5, 1]]] }, // prettier-ignore
    { weight: 2, strokes: [[[0.3, 0.24], ...corner(0.52, 0.01), [0.51, 0.5], [0.5, 1]]] },
    {
      weight: 1, // with a foot
      strokes: [
        [[0.3, 0.22], ...corner(0.5, 0.01), [0.5, 0.5], [0.5, 0.98]],
        [[0.26, 0.98], [0.5, 0.98], [0.76, 0.97]], // prettier-ignore
      ],
    },
  ],
  [
    {
      weight: 3, // straight foot
      strokes: [
        // prettier-ignore
        [[0.1, 0.24], [0.22, 0.06], [0.45, 0], [0.68, 0.1], [0.7, 0.31], [0.54, 0.56], [0.3, 0.8], ...corner(0.08, 0.98), [0.42, 0.96], [0.8, 0.97]],
      ],
    },
    {
      weight: 2, // with a loop
      strokes: [
        // prettier-ignore
        [[0.1, 0.2], [0.34, 0.01], [0.62, 0.09], [0.66, 0.34], [0.48, 0.68], [0.24, 0.94], [0.06, 0.92], [0.1, 0.77], [0.32, 0.8], [0.56, 0.95], [0.84, 0.93]],
      ],
    },
  ],
  [
    {
      weight: 3, // round
      strokes: [
        // prettier-ignore
        [[0.12, 0.13], [0.34, 0], [0.62, 0.07], [0.65, 0.28], [0.5, 0.42], ...corner(0.3, 0.47), [0.56, 0.5], [0.74, 0.67], [0.68, 0.9], [0.4, 1], [0.1, 0.9]],
      ],
    },
    {
      weight: 1, // flat top
      strokes: [
        // prettier-ignore
        [[0.14, 0.03], [0.4, 0.03], ...corner(0.68, 0.02), [0.54, 0.2], ...corner(0.36, 0.4), [0.6, 0.46], [0.74, 0.68], [0.62, 0.93], [0.36, 1], [0.1, 0.9]],
      ],
    },
  ],
  [
    {
      weight: 3, // open
      strokes: [
        [[0.2, 0.02], [0.13, 0.3], ...corner(0.08, 0.56), [0.42, 0.55], [0.82, 0.52]], // prettier-ignore
        [[0.66, 0.04], [0.63, 0.5], [0.58, 1]], // prettier-ignore
      ],
    },
    {
      weight: 1, // closed
      strokes: [
        // prettier-ignore
        [[0.56, 1], [0.58, 0.5], ...corner(0.61, 0), [0.34, 0.33], ...corner(0.06, 0.65), [0.45, 0.66], [0.84, 0.64]],
      ],
    },
  ],
  [
    {
      weight: 2, // one stroke
      strokes: [
        // prettier-ignore
        [[0.76, 0.02], [0.5, 0.03], ...corner(0.24, 0.04), [0.21, 0.22], ...corner(0.17, 0.45), [0.42, 0.38], [0.68, 0.48], [0.75, 0.7], [0.62, 0.93], [0.36, 1], [0.1, 0.91]],
      ],
    },
    {
      weight: 1, // belly, then a rising bar
      strokes: [
        // prettier-ignore
        [[0.28, 0.06], [0.24, 0.24], ...corner(0.2, 0.45), [0.46, 0.4], [0.66, 0.55], [0.66, 0.8], [0.44, 0.98], [0.12, 0.94]],
        [[0.28, 0.06], [0.52, 0.04], [0.82, 0]], // prettier-ignore
      ],
    },
  ],
  [
    {
      weight: 3, // bent stem
      strokes: [
        // prettier-ignore
        [[0.6, 0], [0.36, 0.18], [0.18, 0.46], [0.12, 0.76], [0.32, 0.99], [0.6, 0.93], [0.68, 0.72], [0.52, 0.56], [0.3, 0.62], [0.16, 0.8]],
      ],
    },
    {
      weight: 2, // upright stem
      strokes: [
        // prettier-ignore
        [[0.34, 0], [0.22, 0.3], [0.16, 0.62], [0.24, 0.92], [0.5, 0.99], [0.7, 0.82], [0.62, 0.6], [0.4, 0.58], [0.2, 0.76]],
      ],
    },
  ],
  [
    { weight: 3, strokes: [[[0.08, 0.06], [0.42, 0.05], ...corner(0.76, 0.03), [0.54, 0.44], [0.38, 1]]] }, // prettier-ignore
    {
      weight: 1, // with a bar
      strokes: [
        [[0.06, 0.05], [0.42, 0.05], ...corner(0.78, 0.03), [0.54, 0.46], [0.38, 1]], // prettier-ignore
        [[0.28, 0.54], [0.52, 0.51], [0.76, 0.49]], // prettier-ignore
      ],
    },
    {
      weight: 1, // with a serif
      strokes: [[[0.09, 0.22], ...corner(0.11, 0.05), [0.44, 0.06], ...corner(0.76, 0.04), [0.56, 0.42], [0.46, 1]]], // prettier-ignore
    },
  ],
  [
    {
      weight: 3, // one stroke
      strokes: [
        // prettier-ignore
        [[0.63, 0.12], [0.46, 0.01], [0.29, 0.11], [0.3, 0.32], [0.46, 0.48], [0.64, 0.67], [0.62, 0.9], [0.42, 1], [0.22, 0.9], [0.24, 0.68], [0.44, 0.48], [0.63, 0.3], [0.65, 0.13], [0.57, 0.04]],
      ],
    },
    {
      weight: 1, // two rings
      strokes: [
        [[0.5, 0.01], [0.33, 0.1], [0.33, 0.36], [0.49, 0.47], [0.64, 0.35], [0.63, 0.1], [0.46, 0.01]], // prettier-ignore
        [[0.49, 0.47], [0.26, 0.58], [0.24, 0.86], [0.47, 1], [0.69, 0.86], [0.68, 0.6], [0.47, 0.47]], // prettier-ignore
      ],
    },
  ],
  [
    {
      weight: 3, // straight tail
      strokes: [
        // prettier-ignore
        [[0.68, 0.14], [0.44, 0.01], [0.2, 0.14], [0.18, 0.38], [0.4, 0.48], [0.6, 0.36], ...corner(0.68, 0.14), [0.66, 0.5], [0.58, 1]],
      ],
    },
    {
      weight: 1, // bent tail
      strokes: [
        // prettier-ignore
        [[0.68, 0.16], [0.46, 0.01], [0.22, 0.12], [0.19, 0.36], [0.4, 0.48], [0.62, 0.36], ...corner(0.69, 0.14), [0.7, 0.5], [0.62, 0.86], [0.4, 1], [0.2, 0.92]],
      ],
    },
  ],
];
