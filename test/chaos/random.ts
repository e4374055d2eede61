export type Random = ReturnType<typeof createRandom>

/** Chance that can be repeated: the same seed, the same choices (xorshift32). */
export function createRandom(seed: number) {
  let state = seed | 1
  function next(): number {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
  return {
    below: (limit: number) => Math.floor(next() * limit),
    chance: (probability: number) => next() < probability,
    pick: <T>(from: readonly T[]): T | undefined => from[Math.floor(next() * from.length)],
  }
}
