/**
 * What strangers may add to the audit trail. Anybody can ask for a password reset or guess at an address that does not
 * exist, as often as the limits allow, and each would be a row in the accounts database for months. The first of an
 * address are noted one by one, the others are counted, and one entry at the end of the window says how many there were.
 * What is about a known account or done by a known user is always noted.
 */
import type { AuditEntry } from '../../../../shared/accounts/audit.ts'
import { systemClock, type Clock } from '../../../../shared/kernel/clock.ts'
import { addressKey } from '../../../../shared/limits/address.ts'

type Note = Omit<AuditEntry, 'id'>

export interface StrangerLimits {
  readonly windowMs: number
  /** Of each address and action. */
  readonly perAddress: number
  /** Of all strangers together, however many addresses they have. */
  readonly inAll: number
}

const usual: StrangerLimits = { windowMs: 10 * 60_000, perAddress: 5, inAll: 500 }

export interface CondensedNotes {
  record(note: Note): void
  /** Says now what was only counted so far. */
  flush(): void
}

interface Tally {
  noted: number
  counted: number
  readonly ip: string | null
  readonly action: string
}

/** The tally of those for whom there is none of their own. */
const others = 'others'

export function condenseStrangers(
  write: (note: Note) => void,
  { limits = usual, clock = systemClock }: { limits?: StrangerLimits; clock?: Clock } = {},
): CondensedNotes {
  const { windowMs, perAddress, inAll } = limits
  let tallies = new Map<string, Tally>()
  let noted = 0
  let timer: NodeJS.Timeout | undefined

  function tallyOf({ ip, action }: Note): Tally {
    const address = ip === null || noted >= inAll ? others : addressKey(ip)
    const key = `${action} ${address}`
    const known = tallies.get(key)
    if (known) return known
    const fresh = { noted: 0, counted: 0, ip: address === others ? null : ip, action }
    tallies.set(key, fresh)
    return fresh
  }

  function flush(): void {
    clearTimeout(timer)
    timer = undefined
    const ended = tallies
    tallies = new Map()
    noted = 0
    for (const { ip, action, counted } of ended.values()) {
      if (counted === 0) continue
      const details = { repeated: counted, withinMs: windowMs }
      write({
        at: clock.wall(),
        actor: null,
        action,
        subject: null,
        session: null,
        ip,
        requestId: null,
        details,
      })
    }
  }

  return {
    record(note) {
      if (note.actor !== null || note.subject !== null) return write(note)
      timer ??= setTimeout(flush, windowMs).unref()
      const tally = tallyOf(note)
      if (tally.noted >= perAddress || noted >= inAll) {
        tally.counted++
        return
      }
      tally.noted++
      noted++
      write(note)
    },
    flush,
  }
}
