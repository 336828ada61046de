/**
 * Ends this process when the one that started it is gone, however it went: the launcher holds the other end of our
 * standard input, which the kernel closes with it. Only when GAN_TETHER is set, as the local launcher does.
 */
export function tetherToParent(environment: NodeJS.ProcessEnv, onLost: () => void): void {
  if (environment['GAN_TETHER'] !== 'stdin') return;
  process.stdin.on('end', onLost).on('error', onLost).resume();
  process.stdin.unref();
}
