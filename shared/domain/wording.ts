/** How what is wrong with a Redis is put: in the words of whoever chose it, by variables or by options. */
export interface Wording {
  redis(place: string): string
  /** What to correct when it does not answer. */
  readonly correct: string
  /** How to do without it; empty where that can't be done. */
  readonly otherwise: string
  durability(mode: string): string
  nodes(count: number): string
  /** How to go back to what is found out. */
  readonly unsetDurability: string
  readonly askOnConnection: string
}

/** For anyone who runs the server. */
export const variables: Wording = {
  redis: (place) => `REDIS_URL=${place}`,
  correct: 'correct REDIS_URL, or unset REDIS_URL to have a private Redis started',
  otherwise: ', or unset REDIS_URL',
  durability: (mode) => `SESSION_DURABILITY=${mode}`,
  nodes: (count) => `REDIS_NODES=${count}`,
  unsetDurability: 'unset SESSION_DURABILITY',
  askOnConnection: 'set REDIS_IDENTITY=connection',
}

/** For anyone who calls us from an application. */
export const options: Wording = {
  redis: (place) => `the Redis at ${place}`,
  correct: 'or correct the option redis',
  otherwise: '',
  durability: (mode) => `durability: '${mode}'`,
  nodes: (count) => `redisNodes: ${count}`,
  unsetDurability: 'leave durability out',
  askOnConnection: "set redisIdentity: 'connection'",
}
