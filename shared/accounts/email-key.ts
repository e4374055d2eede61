/**
 * What two e-mail addresses have in common when they are one account: letter case and the form in which
 * Unicode writes an accent make no difference.
 */
export function emailKey(email: string): string {
  // Composed again at the end: a letter that has no single lower-case form falls apart when it is lowered.
  return email.trim().normalize('NFC').toLowerCase().normalize('NFC')
}
