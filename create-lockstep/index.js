#!/usr/bin/env node
/** `npm create lockstep NAME` is `lockstep new NAME`. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const lockstep = fileURLToPath(new URL('.', import.meta.resolve('lockstep/package.json')))
const command = [join(lockstep, 'server', 'lockstep.js'), 'new', ...process.argv.slice(2)]
spawn(process.execPath, command, { stdio: 'inherit' }).once('close', (code) => {
  process.exitCode = code ?? 1
})
