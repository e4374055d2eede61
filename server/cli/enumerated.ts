/** `list`, `list or revoke`, `user, viewer or admin`. */
export function enumerated(words: readonly string[], conjunction: 'and' | 'or'): string {
  return [words.slice(0, -1).join(', '), ...words.slice(-1)]
    .filter((part) => part !== '')
    .join(` ${conjunction} `)
}
