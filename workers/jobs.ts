/** Every job of this application: add yours here. */
import { echo } from './jobs/echo.ts'
import { mail } from './jobs/mail.ts'

export const jobs = [echo, mail] as const
