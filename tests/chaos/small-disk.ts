import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const mount = (...args: string[]): void => void execFileSync('mount', args, { stdio: 'pipe' });
const unmount = (folder: string): void => void execFileSync('umount', [folder], { stdio: 'pipe' });

/** A file system of a few megabytes, in memory, in a folder of its own. */
export class SmallDisk {
  private constructor(readonly folder: string) {}

  static mount(megabytes: number): SmallDisk {
    const folder = mkdtempSync(join(tmpdir(), 'gan-chaos-disk-'));
    mount('-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder);
    return new SmallDisk(folder);
  }

  grow(megabytes: number): void {
    mount('-o', `remount,size=${megabytes}m`, this.folder);
  }

  unmount(): void {
    unmount(this.folder);
    rmSync(this.folder, { recursive: true });
  }

  /** Whether this user may mount file systems. */
  static isPossible(): boolean {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
    try {
      SmallDisk.mount(1).unmount();
      return true;
    } catch {
      return false;
    }
  }
}
