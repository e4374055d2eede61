/** The application's own routes: add yours here. They are registered in the same way as the server's. */
import type { Route } from './web/routing/route.ts'

export const routes: readonly Route[] = []
