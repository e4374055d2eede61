import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'

/** The token of the link in a mail to this address; throws when there is none (yet). */
export async function resetTokenFor(address: string, { dataDir }: { dataDir: string }): Promise<string> {
  const directory = path.join(dataDir, 'mail')
  for (const name of await readdir(directory)) {
    const mail = textOf(await readFile(path.join(directory, name), 'utf8'))
    const token = mail.includes(address) ? /#token=([\w-]+)/.exec(mail)?.[1] : undefined
    if (token) return token
  }
  throw new Error(`there is no mail with a link to ${address}`)
}

/** Without quoted-printable: `=3D` is an equals sign, and a line that ends with one goes on in the next. */
function textOf(mail: string): string {
  return mail.replace(/=\r?\n/g, '').replace(/=3D/g, '=')
}
