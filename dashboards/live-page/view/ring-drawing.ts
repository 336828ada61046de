import type { LiveWorker } from '../contract.js';
import {
  counted,
  grouped,
  keyed,
  RING_HEIGHT,
  RING_WIDTH,
  ringLayout,
  ringWords,
  type Front,
  type RingLayout,
} from '../state/index.js';
import { setAttribute, setText, svgElement } from './elements.js';
import { RingNode } from './ring-node.js';

/** The ring as a circle of workers; data goes clockwise. */
export class RingDrawing {
  private readonly circle = svgElement('circle', { class: 'ring-circle' });
  private readonly arrows = svgElement('g', { class: 'ring-arrows' });
  private readonly nodeLayer = svgElement('g');
  private readonly above = svgElement('text', { class: 'ring-note', y: '-22' });
  private readonly epoch = svgElement('text', { class: 'ring-epoch', y: '10' });
  private readonly below = svgElement('text', { class: 'ring-note', y: '30' });
  private readonly svg: SVGSVGElement;
  private readonly nodes = new Map<string, RingNode>();
  private layout: RingLayout = ringLayout(0);

  constructor(host: HTMLElement) {
    const head = svgElement('path', { d: 'M 0 0 L 8 4 L 0 8 Z', class: 'arrow-head' });
    const marker = svgElement(
      'marker',
      {
        id: 'arrow-head',
        markerWidth: '8',
        markerHeight: '8',
        refX: '1',
        refY: '4',
        orient: 'auto',
        markerUnits: 'userSpaceOnUse',
      },
      head,
    );
    const middle = svgElement('g', { class: 'ring-middle' }, this.above, this.epoch, this.below);
    this.svg = svgElement(
      'svg',
      {
        class: 'ring-drawing',
        role: 'img',
        viewBox: `${-RING_WIDTH / 2} ${-RING_HEIGHT / 2} ${RING_WIDTH} ${RING_HEIGHT}`,
      },
      svgElement('defs', {}, marker),
      this.circle,
      this.arrows,
      middle,
      this.nodeLayer,
    );
    host.append(this.svg);
    setAttribute(this.circle, 'r', String(this.layout.radius));
  }

  render(ring: readonly LiveWorker[], front: Front, ringEpoch: number): void {
    if (ring.length !== this.layout.places.length) this.lay(ring.length);
    const workers = keyed(ring);
    for (const [key, node] of this.nodes) {
      if (workers.has(key)) continue;
      node.root.remove();
      this.nodes.delete(key);
    }
    let place = 0;
    for (const [key, worker] of workers) {
      const at = this.layout.places[place++];
      if (at !== undefined) this.nodeOf(key).render(worker, at, this.layout, front);
    }
    setText(this.above, ringEpoch === 0 ? '' : 'ring epoch');
    setText(this.epoch, ringEpoch === 0 ? '' : grouped(ringEpoch));
    setText(this.below, ring.length === 0 ? 'no ring yet' : counted(ring.length, 'worker'));
    setAttribute(this.svg, 'aria-label', ringWords(ring));
  }

  private nodeOf(key: string): RingNode {
    const known = this.nodes.get(key);
    if (known !== undefined) return known;
    const node = new RingNode();
    this.nodes.set(key, node);
    this.nodeLayer.append(node.root);
    return node;
  }

  private lay(count: number): void {
    this.layout = ringLayout(count);
    setAttribute(this.circle, 'r', String(this.layout.radius));
    this.arrows.replaceChildren(
      ...this.layout.arrows.map((d) => svgElement('path', { d, 'marker-end': 'url(#arrow-head)' })),
    );
  }
}
