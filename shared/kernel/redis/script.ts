/**
 * Lua scripts: one file per atomic decision, loaded once, run by SHA.
 *
 * A file may take in shared functions with a line `--@include name`, which is replaced by `name.lua` of the same
 * folder (Redis has no modules, and a script must be one text). A path such as `../../coherence/lua/domain` reaches
 * another part's functions; it begins at the folder of the file that has the line. The `#!lua` line stays first.
 * A line `--@include name if feature` counts only for those who ask for the feature: each call of a script makes all
 * its functions anew, so no one pays for those of a mode that is not in use.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Redis } from 'ioredis'
import { identityOf, tell, type ConnectionIdentity } from './identity.ts'

export interface Script {
  readonly name: string
  readonly source: string
  readonly sha1: string
}

const names = new Map<string, string>()

/** The name of a script that was loaded here, for people who only see which SHA, or which source, was run. */
export function scriptName(shaOrSource: string): string | undefined {
  return names.get(shaOrSource)
}

/**
 * Reads `name.lua` from the folder, with the features asked for. Throws when the file or something that it includes is
 * missing.
 */
export function loadScript(folder: URL, name: string, features: readonly string[] = []): Script {
  return describe(name, withIncludes(folder, name, features))
}

function describe(name: string, source: string): Script {
  const sha1 = createHash('sha1').update(source).digest('hex')
  names.set(sha1, name).set(source, name)
  return { name, source, sha1 }
}

function withIncludes(folder: URL, name: string, features: readonly string[]): string {
  const file = new URL(`${name}.lua`, folder)
  const text = readFileSync(file, 'utf8')
  return text.replace(/^--@include (\S+)(?: if (\S+))?$/gm, (_line, included: string, feature?: string) =>
    feature === undefined || features.includes(feature) ? withIncludes(file, included, features) : '',
  )
}

/**
 * Runs the script by its SHA, and sends the source only to a Redis that does not know it (after a restart or a
 * SCRIPT FLUSH). Rejects with what Redis says, or when the connection's command timeout is over.
 */
export async function runScript(
  redis: Redis,
  script: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<unknown> {
  const identity = identityOf(redis)
  try {
    // Without an identity to ask for, the command is on its way when this returns.
    const { sha1 } = identity ? await tellScript(identity, script) : script
    return await redis.evalsha(sha1, keys.length, ...keys, ...args)
  } catch (failure) {
    if (!isUnknownScript(failure)) throw failure
    const { source } = identity ? await tellScript(identity, script) : script
    return redis.eval(source, keys.length, ...keys, ...args)
  }
}

const toldScripts = new WeakMap<Script, { readonly runId: string; readonly script: Script }>()

/** What the script becomes where scripts are told who Redis is; to be sent in the same turn. */
async function tellScript(identity: ConnectionIdentity, script: Script): Promise<Script> {
  const runId = await identity.runId()
  if (!identity.holds(runId)) throw new Error('The connection to Redis has changed')
  const last = toldScripts.get(script)
  if (last?.runId === runId) return last.script
  const told = describe(script.name, tell(script.source, runId))
  toldScripts.set(script, { runId, script: told })
  return told
}

/** Redis does not know the script by its SHA (any more); sending its source mends that. */
export function isUnknownScript(failure: unknown): boolean {
  return failure instanceof Error && failure.message.startsWith('NOSCRIPT')
}
