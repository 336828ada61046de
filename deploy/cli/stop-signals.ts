/** Ctrl-C (or SIGTERM) once asks for an end in order, twice for an end at once. */
export function stopSignals(): { readonly interrupt: AbortSignal; readonly kill: AbortSignal } {
  const interrupt = new AbortController();
  const kill = new AbortController();
  const onSignal = (): void => {
    if (interrupt.signal.aborted) kill.abort();
    else interrupt.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return { interrupt: interrupt.signal, kill: kill.signal };
}
