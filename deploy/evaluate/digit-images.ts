/** All that is scored are grey images of this many pixels a side, a byte each, 0 black. */
export const SIDE = 28;
export const IMAGE_SIZE = SIDE * SIDE;
/** Classes: 0 to 9. */
export const DIGITS = 10;
