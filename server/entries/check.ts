/**
 * Checks an application in a process of its own, for the primary: that never loads the application, so that a reload
 * brings a new version. The answer is JSON on the channel to the process that forked this.
 */
import { checkApplication } from './check-application.ts'

// As in the workers: places in the application name its sources.
process.setSourceMapsEnabled(true)
const [file] = process.argv.slice(2)
const checked = await checkApplication({ file, environment: process.env, cwd: process.cwd() })
process.send?.(checked, () => process.exit(0))
