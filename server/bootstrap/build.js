/** `npm run build`: builds afresh, whatever is there. */
import { setUp } from './set-up.js'

const main = await setUp({ production: false, rebuild: true })
if (main) console.error('Built to dist.')
else process.exitCode = 1
