export function signInPath(next: string | null): string {
  return next === null ? '/sign-in' : `/sign-in?next=${encodeURIComponent(next)}`
}
