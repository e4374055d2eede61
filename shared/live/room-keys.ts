/** What rooms are called in Redis. Each log is a key of its own, so that they spread over a Cluster. */
export interface RoomKeys {
  /** `lv:people`: what is told to users and sessions. */
  readonly people: string
  /** `lv:room:news`: the pub/sub channel of a room. */
  room(name: string): string
  /** `lv:log:news`: a stream of the last events of a channel. */
  log(name: string): string
}

/** Applications that share a Redis use different prefixes. */
export function roomKeys(prefix = 'lv'): RoomKeys {
  return {
    people: `${prefix}:people`,
    room: (name) => `${prefix}:room:${name}`,
    log: (name) => `${prefix}:log:${name}`,
  }
}
