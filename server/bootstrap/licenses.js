import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * The licences of the packages whose files these are, which ask to be passed on with them.
 *
 * @param {string} root
 * @param {string[]} inputs
 */
export function licensesOf(root, inputs) {
  const packages = new Set(
    inputs.flatMap(
      (input) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input.replaceAll('\\', '/'))?.[0] ?? [],
    ),
  )
  return [...packages]
    .sort()
    .map((path) => {
      const directory = join(root, path)
      const { name, version, license } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
      const file = readdirSync(directory).find((entry) => /^licen[cs]e/i.test(entry))
      const text =
        file && existsSync(join(directory, file)) ? readFileSync(join(directory, file), 'utf8') : ''
      return `${name} ${version} (${license})\n\n${text.trim()}\n`
    })
    .join(`\n${'-'.repeat(80)}\n\n`)
}
