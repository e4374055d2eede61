/**
 * Questions to the service that are under way. Two requests with one token may share a question, but only while this
 * process knows of every revocation that was confirmed before the second one came: under the lease, and if none concerned
 * the token since the question was sent. Otherwise the second would be let in by an answer that is older than a logout
 * which was confirmed before it was sent.
 */
interface Flight<T> {
  readonly answer: Promise<T>
  crossed: boolean
}

export function shareValidations<T>(leaseOk: () => boolean) {
  const flights = new Map<string, Flight<T>>()

  function crossAll(): void {
    for (const flight of flights.values()) flight.crossed = true
  }

  return {
    /** The answer to `ask`, or to the same question that someone asked a moment ago. */
    run(hash: string, ask: () => Promise<T>): Promise<T> {
      const known = flights.get(hash)
      if (known && !known.crossed && leaseOk()) return known.answer
      const flight: Flight<T> = {
        crossed: false,
        answer: ask().finally(() => {
          if (flights.get(hash) === flight) flights.delete(hash)
        }),
      }
      flights.set(hash, flight)
      return flight.answer
    },

    /** A token was ended; of a user, or of everybody, no one knows yet which tokens they have. */
    cross(hash: string): void {
      const flight = flights.get(hash)
      if (flight) flight.crossed = true
    },
    crossAll,
  }
}
