import {
  factsOf,
  linkNews,
  linkWords,
  noticeOf,
  titleOf,
  type LinkState,
  type PageState,
} from '../state/index.js';
import { byId, element, setAttribute, setHidden, setText } from './elements.js';

/** Which run this is, and how the page stands with its coordinator. */
export class HeaderView {
  private readonly runId = byId('run-id', HTMLElement);
  private readonly facts = byId('facts', HTMLElement);
  private readonly link = byId('link', HTMLElement);
  private readonly linkWords = byId('link-words', HTMLElement);
  private readonly linkNews = byId('link-news', HTMLElement);
  private readonly notice = byId('notice', HTMLElement);
  private shownRun: PageState['run'] = null;

  render(state: PageState, link: LinkState, puzzled: boolean, nowMs: number): void {
    if (document.title !== titleOf(state)) document.title = titleOf(state);
    this.renderRun(state.run);
    setText(this.linkWords, linkWords(link, nowMs));
    setText(this.linkNews, linkNews(link));
    setAttribute(this.link, 'data-kind', link.kind);
    const stale = state.now !== null && (link.kind === 'waiting' || link.kind === 'connecting');
    document.body.classList.toggle('stale', stale);
    this.renderNotice(state, puzzled);
  }

  private renderRun(run: PageState['run']): void {
    if (run === this.shownRun || run === null) return;
    this.shownRun = run;
    setText(this.runId, run.runId);
    const facts = factsOf(run).map(([name, value]) =>
      element('div', {}, element('dt', {}, name), element('dd', {}, value)),
    );
    this.facts.replaceChildren(...facts);
  }

  private renderNotice(state: PageState, puzzled: boolean): void {
    const notice = puzzled
      ? {
          level: 'warning',
          text: 'The coordinator said something that this page does not know: reload the page.',
        }
      : noticeOf(state);
    setHidden(this.notice, notice === null);
    setText(this.notice, notice?.text ?? '');
    setAttribute(this.notice, 'data-level', notice?.level ?? 'info');
  }
}
