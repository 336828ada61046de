import type { LiveEvent } from '../contract.js';
import { clock, counted, dateAndTime, grouped, type EventLog, type PageState } from '../state/index.js';
import { byId, element, setHidden, setText } from './elements.js';

/** What happened, newest first. */
export class EventsView {
  private readonly log = byId('event-log', HTMLElement);
  private readonly list = byId('events', HTMLElement);
  private readonly none = byId('no-events', HTMLElement);
  private readonly count = byId('events-count', HTMLElement);
  private shown: EventLog = [];

  render({ events }: PageState): void {
    if (events === this.shown) return;
    const last = this.shown.at(-1);
    const known = last === undefined ? -1 : events.indexOf(last);
    if (known < 0) this.replace(events);
    else for (const event of events.slice(known + 1)) this.list.prepend(entryOf(event));
    while (this.list.childElementCount > events.length) this.list.lastElementChild?.remove();
    this.shown = events;
    setHidden(this.none, events.length > 0);
    setHidden(this.log, events.length === 0);
    setText(this.count, events.length === 0 ? '' : counted(events.length, 'event'));
  }

  /** What is told anew is not read out: only what comes after it. */
  private replace(events: EventLog): void {
    this.log.setAttribute('aria-live', 'off');
    this.list.replaceChildren(...events.map(entryOf).reverse());
    setTimeout(() => this.log.setAttribute('aria-live', 'polite'), 500);
  }
}

function entryOf({ atMs, step, level, text }: LiveEvent): HTMLElement {
  const time = element(
    'time',
    { datetime: new Date(atMs).toISOString(), title: dateAndTime(atMs) },
    clock(atMs),
  );
  const words = element('p', {}, text);
  const labels = level === 'info' ? [] : [element('span', { class: 'level' }, level)];
  const foot = element(
    'p',
    { class: 'event-foot' },
    time,
    element('span', {}, `step ${grouped(step)}`),
    ...labels,
  );
  return element('li', { 'data-level': level }, foot, words);
}
