/** Talks to the server of a data directory, over its control socket. */
import { realpath } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type {
  Command,
  ControlAnswer,
  ControlRequest,
  ControlResults,
} from '../../shared/process/control-request.ts'
import { controlSocketPath } from '../cluster/control/control-socket.ts'
import type { Progress } from '../cluster/supervision/supervisor.ts'
import { CommandFailed } from './command.ts'

/** Nothing listens there. */
export class ServerNotRunning extends CommandFailed {
  constructor(dataDir: string) {
    super(
      `no server runs with DATA_DIR=${dataDir}. Start one (npm start), or run this in the directory, and with the ` +
        'environment, of the one that runs. Workers that pm2 runs in its cluster mode have no control socket: ' +
        "pm2's own commands are for them.",
      'not-running',
    )
  }
}

/** The result; throws a `CommandFailed` with the server's reason when it refuses. */
export async function askServer<C extends Command>(
  dataDir: string,
  request: Extract<ControlRequest, { command: C }>,
  onProgress: (progress: Progress) => void = () => {},
): Promise<ControlResults[C]> {
  const socket = await reach(dataDir)
  try {
    socket.write(`${JSON.stringify(request)}\n`)
    for await (const line of createInterface({ input: socket })) {
      const told = JSON.parse(line) as ControlAnswer<ControlResults[C]> | { progress: Progress }
      if ('progress' in told) onProgress(told.progress)
      else if (told.ok) return told.result
      else throw new CommandFailed(told.message, told.code)
    }
  } catch (cause) {
    throw cause instanceof CommandFailed ? cause : cutOff()
  } finally {
    socket.destroy()
  }
  throw cutOff()
}

async function reach(dataDir: string): Promise<Socket> {
  // A link where the path was too long for a socket.
  const address = await realpath(controlSocketPath(dataDir)).catch((cause: NodeJS.ErrnoException) => {
    throw unreachable(dataDir, cause)
  })
  return new Promise((resolve, reject) => {
    const socket = connect(address, () => resolve(socket))
    socket.once('error', (cause) => reject(unreachable(dataDir, cause)))
  })
}

const awayCodes: readonly unknown[] = ['ECONNREFUSED', 'ENOENT', 'ENOTDIR']

/** A directory that is closed to us may well have a server: only what is certain is called away. */
function unreachable(dataDir: string, cause: NodeJS.ErrnoException): CommandFailed {
  if (awayCodes.includes(cause.code)) return new ServerNotRunning(dataDir)
  return new CommandFailed(whyNot(dataDir, cause))
}

function whyNot(dataDir: string, { code, message }: NodeJS.ErrnoException): string {
  return code === 'EACCES'
    ? `the server with DATA_DIR=${dataDir} belongs to another user: run this as that user`
    : `the server with DATA_DIR=${dataDir} can't be reached: ${message}`
}

function cutOff(): CommandFailed {
  return new CommandFailed('the server ended before it answered: look into its log', 'stopping')
}
