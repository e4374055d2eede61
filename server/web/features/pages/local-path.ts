/**
 * Paths of this site, for links and redirects that work wherever a proxy puts us: every link of our pages is
 * relative, so that `https://example.com/tools/sign-in` leads to `https://example.com/tools/admin/queues` although
 * we see neither the host nor `/tools`.
 */

const longest = 2_048

/**
 * The path and query that a client named as the place to go on, or null when it is not one of this site: `//host`,
 * `/\host` and `https://host` lead elsewhere, and control characters may vanish on the way to the browser.
 */
export function localPath(text: string | undefined): string | null {
  if (text === undefined || text.length > longest || !/^\/(?![/\\])[^\\\p{Cc}]*$/u.test(text)) return null
  const base = 'http://local.invalid'
  if (!URL.canParse(text, base)) return null
  const { origin, pathname, search, hash } = new URL(text, base)
  // Dots are resolved by now, and may have left two slashes at the beginning.
  return origin === base && !pathname.startsWith('//') ? `${pathname}${search}${hash}` : null
}

/** What leads from the page at `path` to `target`, a local path: `../../sign-in` for `/admin/queues/x`. */
export function relativeTo(path: string, target: string): string {
  const depth = path.split('/').length - 2
  return `${depth <= 0 ? './' : '../'.repeat(depth)}${target.slice(1)}`
}
