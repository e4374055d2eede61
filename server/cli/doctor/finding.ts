/** What the doctor found out about one thing. */
export interface Finding {
  readonly about:
    | 'configuration'
    | 'server'
    | 'deployment'
    | 'redis'
    | 'database'
    | 'ports'
    | 'sign-in'
    | 'clock'
    | 'system'
    | 'traces'
  /** `problem`: the server would not start, or not keep its promises. `warning`: it would, and something is amiss. */
  readonly level: 'ok' | 'warning' | 'problem'
  /** What was found, with the way out where something is wrong. */
  readonly text: string
}

/** Findings about one thing are made by one of these. */
export function findingsAbout(about: Finding['about']) {
  return {
    ok: (text: string): Finding => ({ about, level: 'ok', text }),
    warning: (text: string): Finding => ({ about, level: 'warning', text }),
    problem: (text: string): Finding => ({ about, level: 'problem', text }),
  }
}
