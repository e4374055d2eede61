/** The application's own routes: add yours here. They are registered in the same way as the server's. */
import type { Route } from '../shared/app/route.ts'

export const routes: readonly Route[] = []
