/**
 * Declarations that do not throw. An application module that stops at its first mistake makes its author find them one
 * start at a time; so what is wrong with a declaration is kept in its place, and reported with everything else when the
 * application is loaded. Nothing runs with one that is wrong.
 */
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { messageOf } from '../kernel/errors.ts'

/** What stands in the place of a declaration that is wrong. */
interface Broken {
  readonly '~broken': string
}

/** The declaration, or what is wrong with it and where it was written. */
export function declare<Declared extends object>(make: () => Declared): Declared {
  const here = new Error('here')
  try {
    return make()
  } catch (cause) {
    const broken: Broken = { '~broken': `${messageOf(cause)}${writtenAt(here.stack)}` }
    return broken as unknown as Declared
  }
}

/** What is wrong with a declaration, or null. */
export function brokenness(declaration: unknown): string | null {
  const broken = (declaration as Partial<Broken> | null | undefined)?.['~broken']
  return typeof broken === 'string' ? broken : null
}

/** ` (app.js:12)`: below `declare` and the function of ours that called it, whichever files those are built into. */
function writtenAt(stack: string | undefined): string {
  const [, , place] = placesIn(stack)
  return place === undefined ? '' : ` (${path.basename(place.file)}:${place.line})`
}

/** Where in files a stack has been, innermost first. */
export function placesIn(stack: string | undefined): { file: string; line: number }[] {
  return (stack ?? '').split('\n').flatMap((row) => {
    const [, url, line] = /(file:\/\/[^\s)]+?|(?<=\(|at |^)\/[^\s)]+?):(\d+)(?::\d+)?\)?$/.exec(row) ?? []
    if (url === undefined) return []
    return [
      {
        file: url.startsWith('file:') ? fileURLToPath(url.split('?')[0] as string) : url,
        line: Number(line),
      },
    ]
  })
}
