import { accessSync, constants, existsSync } from 'node:fs'
import path from 'node:path'
import type { Config } from '../../../shared/config/config.ts'
import { openFilesLimit, openFilesProblem } from '../../../shared/process/open-files.ts'
import { availableCpus } from '../../cluster/boot/available-cpus.ts'
import { objectionTo } from '../../cluster/boot/data-directory.ts'
import { findingsAbout, type Finding } from './finding.ts'

export interface SystemFacts {
  readonly cpus: number
  /** Files and connections that a process may have open; null where the system does not tell. */
  readonly openFiles: number | null
}

/** Each connection is an open file; so many are a busy day. */
const fewFiles = 10_000

const { ok, warning, problem } = findingsAbout('system')

/** What the machine gives us: CPUs, files to open, a directory to write to. And whom mails reach. */
export async function examineSystem(
  { workers, dataDir, mail, production }: Config,
  { cpus, openFiles }: SystemFacts = systemFacts(),
): Promise<Finding[]> {
  const findings = [
    workersFinding(workers.web, cpus),
    filesFinding(openFiles),
    await directoryFinding(dataDir),
  ]
  if (production && mail.url === null) {
    findings.push(
      warning('MAIL_URL is not set: mails become files in DATA_DIR/mail, and a lost password stays lost'),
    )
  }
  return findings
}

function workersFinding(web: number, cpus: number): Finding {
  const text = `WORKERS is ${web}, on ${cpus} CPUs`
  return web <= 2 * cpus ? ok(text) : warning(`${text}: more than one on each only costs memory; lower it`)
}

function filesFinding(openFiles: number | null): Finding {
  if (openFiles === null) return ok('the limit of open files is unknown on this system')
  const tooFew = openFilesProblem(openFiles)
  if (tooFew !== null) return problem(tooFew)
  const text = `a process may have ${openFiles} files and connections open`
  return openFiles >= fewFiles
    ? ok(text)
    : warning(
        `${text}: beyond that connections are refused; set LimitNOFILE=65536 (systemd) or ulimit -n 65536`,
      )
}

/** It is made by the first start, so what is there already has to let us. */
async function directoryFinding(directory: string): Promise<Finding> {
  let existing = directory
  while (!existsSync(existing)) existing = path.dirname(existing)
  try {
    accessSync(existing, constants.W_OK | constants.X_OK)
    const objection = existing === directory ? await objectionTo(directory) : null
    if (objection !== null) return problem(objection)
    return ok(`DATA_DIR=${directory} can be written to`)
  } catch {
    return problem(
      `DATA_DIR=${directory} can't be written to by this user: name another, or give it to this user`,
    )
  }
}

function systemFacts(): SystemFacts {
  return { cpus: availableCpus(), openFiles: openFilesLimit() }
}
