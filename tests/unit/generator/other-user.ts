/** Neither root nor the owner of any file. */
const NOBODY = 65_534;

/**
 * Does `work` as a user who may do only what permissions allow: root, as whom tests may be run, may do everything. What it
 * needs has to be loaded before.
 */
export async function withoutPrivileges<T>(work: () => Promise<T>): Promise<T> {
  if (process.getuid?.() !== 0) return work();
  process.seteuid?.(NOBODY);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
  }
}
