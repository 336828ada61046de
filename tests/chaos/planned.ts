import type { Fault } from '../../proto/runtime/fault-injection.js';

/** A planned fault whose id says what it is. */
export const planned = (
  who: string,
  point: Fault['point'],
  update: number,
  action: Fault['action'],
  always?: true,
): Fault => ({
  id: `${action}-${who}-${point}-${update}`,
  who,
  point,
  update,
  action,
  ...(always === undefined ? {} : { always }),
});
