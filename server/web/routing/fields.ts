/** The fields that several routes take, each with the words of its refusal. */
import { z } from 'zod'

// Marks of direction turn around what follows them. Joiners, which are invisible too, belong to names.
const unprintable = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u200E\u200F\u202A-\u202E\u2066-\u2069]/u
const visible = /[\p{L}\p{N}\p{P}\p{S}]/u

/** One line of text for people: no control characters, no half characters, no more than `max`. */
export function line(max: number) {
  return z
    .string()
    .trim()
    .min(1)
    .max(max)
    .refine((text) => !unprintable.test(text), 'must not contain control or invisible characters')
    .refine((text) => visible.test(text), 'must contain something to read')
}

export const email = z
  .string()
  .trim()
  .max(254)
  // No lists, comments or display names: a mail server would read them as other addresses.
  .regex(/^[^\s@<>()[\],;:\\"]+@[^\s@<>()[\],;:\\"]+$/u, 'must be an e-mail address')
  .refine((text) => !unprintable.test(text), 'must be an e-mail address')

/** What users of an application's own accounts call themselves: an address, a login, a number. */
export const accountName = line(254)

/** A password to compare: no rules but a bound, since rules for new passwords change over the years. */
export const givenPassword = z.string().min(1).max(1_024)

/** A password to set; the rules proper need to know whose it is, so the routes apply them. */
export const newPassword = z.string().min(1).max(1_024)

export const label = line(100)

/** At least one of the roles that there are. */
export function roleList(roles: readonly string[]) {
  return z
    .array(z.enum(roles))
    .min(1)
    .max(roles.length)
    .refine((list) => new Set(list).size === list.length, 'must not name a role twice')
}

/** An id of ours: nothing that could mean something else in a key or a log line. */
export const id = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'is not an id of ours')

/** How many entries a page of a list has. */
export const pageLimit = z
  .string()
  .regex(/^[1-9]\d{0,2}$/, 'must be a number from 1 to 200')
  .transform(Number)
  .refine((limit) => limit <= 200, 'must be a number from 1 to 200')
  .default(50)
