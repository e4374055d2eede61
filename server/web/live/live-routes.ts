import type { Feature } from '../../../shared/app/feature.ts'
import type { Live } from './live.ts'
import { socketRoute, type SocketOptions } from './socket-route.ts'
import { streamRoute } from './stream-route.ts'

/** The feature with its streams and sockets as routes, so that they meet the same guards and the same checks. */
export function withLiveRoutes<F extends Feature>(feature: F, live: Live, options: SocketOptions): F {
  const { routes = [], streams = [], sockets = [] } = feature
  if (streams.length === 0 && sockets.length === 0) return feature
  return {
    ...feature,
    routes: [
      ...routes,
      ...streams.map((stream) => streamRoute(stream, live)),
      ...sockets.map((socket) => socketRoute(socket, live, options)),
    ],
    streams: [],
    sockets: [],
  }
}
