/**
 * Passwords that are tried first when someone guesses, at least as long as we demand: the list of zxcvbn (some 18,000
 * of what leaks held most often, by frequency) and what it leaves to rules of its own: runs along the alphabet, the digits
 * and the rows of a keyboard, and common words with what people put behind them when digits are asked for. In lower case:
 * the letter case of a guess costs nothing.
 *
 * Of the first 3,000 passwords of eight characters or more in the SecLists' ten-million list all are refused, with the
 * repetitions in password-rules.ts (ASVS 6.2.4).
 */
import { createRequire } from 'node:module'
import type * as LanguageCommon from '@zxcvbn-ts/language-common'

const shortest = 8

const words = `
  admin administrator andrea angel apple arsenal asdf asdfgh asdfghjkl ashley azerty banana barcelona baseball
  basketball batman bitch boomer buster charlie cheese chelsea chocolate computer cookie daniel demo dragon eagles
  ferrari flower football forever freedom friday fuckyou george google guest guitar hallo hannah happy hello hockey
  hunter iloveyou internet jessica jesus jordan joshua killer letmein liverpool london lockstep login love lovely lucky
  manager marina master matrix michael michelle monday monkey monster mustang naruto nicole ninja orange p@ssw0rd
  p@ssword parola pass passw0rd password pepper pokemon princess purple qazwsx qwer qwert qwerty ranger root samsung
  secret senha server shadow silver soccer spring starwars summer sunday sunshine superman support temp test tigger
  user welcome whatever william winter yankees zxcvbn zxcvbnm autumn
`

const endings = `
  1 11 12 13 21 22 23 69 77 88 99 00 01 007 111 123 321 666 1234 12345 123456 1! 123! ! @123 #1
  2019 2020 2021 2022 2023 2024 2025 2026
`

const runs = [
  '0123456789',
  '1234567890',
  'abcdefghijklmnopqrstuvwxyz',
  'qwertyuiop',
  'asdfghjkl',
  'zxcvbnm,./',
]

/** A date that leads such lists, and what the list of zxcvbn leaves out beside rows. */
const others = ['01012009', 'iloveyou!', 'rockyou123']

let built: ReadonlySet<string> | undefined

/** The list, loaded and made when it is first asked for: most processes never need it. */
export function commonPasswords(): ReadonlySet<string> {
  return (built ??= new Set(
    [...leaked(), ...others, ...wordsWithEndings(), ...straightRuns()].filter(
      ({ length }) => length >= shortest,
    ),
  ))
}

function leaked(): string[] {
  const require = createRequire(import.meta.url)
  const { dictionary } = require('@zxcvbn-ts/language-common') as typeof LanguageCommon
  return dictionary['passwords-common'].map((password) => password.toLowerCase())
}

function listed(text: string): string[] {
  return text.trim().split(/\s+/)
}

function wordsWithEndings(): string[] {
  return listed(words).flatMap((word) => [word, ...listed(endings).map((ending) => word + ending)])
}

function straightRuns(): string[] {
  return runs
    .flatMap((run) => [run, [...run].reverse().join('')])
    .flatMap((run) =>
      Array.from(run, (_, start) => Array.from(run, (_, end) => run.slice(start, end + 1))).flat(),
    )
}
