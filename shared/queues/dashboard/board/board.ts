/** bull-board, taken apart: its routes and its page, for our own server to serve behind our own guards. */
import { createBullBoard } from '@bull-board/api'
import type {
  AppControllerRoute,
  AppViewRoute,
  BullBoardQueues,
  IServerAdapter,
  UIConfig,
} from '@bull-board/api/typings/app'
import { ticksQueue } from '../../keys.ts'
import type { Queues } from '../../queues.ts'
import { BoardQueue } from './board-queue.ts'

export interface Board {
  readonly uiConfig: UIConfig
  /** Directory of the page's template. */
  readonly viewsPath: string
  /** Directory of the files that the page is made with. */
  readonly staticPath: string
  readonly page: AppViewRoute
  readonly api: readonly AppControllerRoute[]
  /** The queues to show, opened when they are first asked for: Redis is not connected before. */
  queues(): BullBoardQueues
}

export function openBoard(
  source: Pick<Queues, 'jobs' | 'bull' | 'enqueue'>,
  links: UIConfig['miscLinks'] = [],
): Board {
  const parts: Partial<Parts> = {}
  const { replaceQueues } = createBullBoard({
    queues: [],
    serverAdapter: collector(parts),
    options: {
      uiConfig: {
        boardTitle: 'Queues',
        hideDocsLink: true,
        hideRedisDetails: true,
        // Would list every connection of Redis on each look.
        showWorkers: false,
        ...(links.length > 0 ? { miscLinks: links } : {}),
      },
    },
  })
  const { queues, uiConfig, viewsPath, staticPath, page, api } = parts
  if (!queues || !uiConfig || !viewsPath || !staticPath || !page || !api) {
    throw new Error('bull-board did not give all of its parts')
  }
  return {
    uiConfig,
    viewsPath,
    staticPath,
    page,
    api,
    queues() {
      if (queues.size === 0) replaceQueues(boardQueues(source))
      return queues
    },
  }
}

function boardQueues({ jobs, bull, enqueue }: Pick<Queues, 'jobs' | 'bull' | 'enqueue'>): BoardQueue[] {
  const ofJobs = [...jobs.values()].map(
    (job) => new BoardQueue({ queue: bull(job.name), job, secretFields: job.secretFields, enqueue }),
  )
  const everySecret = [...jobs.values()].flatMap(({ secretFields }) => secretFields)
  const ofClock = new BoardQueue({ queue: bull(ticksQueue), job: null, secretFields: everySecret, enqueue })
  return [...ofJobs, ofClock]
}

type Parts = { -readonly [Name in keyof Omit<Board, 'queues'>]: Board[Name] } & { queues: BullBoardQueues }

/** What bull-board takes for a server. It only remembers what it is given. */
function collector(parts: Partial<Parts>): IServerAdapter {
  const adapter: IServerAdapter = {
    setQueues(queues) {
      parts.queues = queues
      return adapter
    },
    setViewsPath(path) {
      parts.viewsPath = path
      return adapter
    },
    setStaticPath(_route, path) {
      parts.staticPath = path
      return adapter
    },
    setEntryRoute(route) {
      parts.page = route
      return adapter
    },
    // Faults are told as everywhere else.
    setErrorHandler: () => adapter,
    setApiRoutes(routes) {
      parts.api = routes
      return adapter
    },
    setUIConfig(config) {
      parts.uiConfig = config
      return adapter
    },
  }
  return adapter
}
