import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { html, type Html } from '../../../app/html.ts'
import type { Board } from './board.ts'
import { boardStyle } from './static-files.ts'

/**
 * What the page may load and run: files of ours, and no more than bull-board needs. Parts of it make styles of their
 * own, which `board-page.js` marks with the nonce of the answer.
 */
export function boardPolicy(nonce: string, formAction: 'none' | 'self' = 'none'): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "worker-src 'self'",
    "base-uri 'self'",
    `form-action '${formAction}'`,
    "frame-ancestors 'none'",
  ].join('; ')
}

/** For the files: a worker goes by the policy that its script came with, not by that of the page. */
export const filePolicy = "default-src 'none'; script-src 'self'; frame-ancestors 'none'"

export interface PageFacts {
  /** What leads from the document to the board. */
  readonly base: string
  readonly nonce: string
  /** Says at once when the session of the reader ends. */
  readonly session?: Html
  /** What stands above the board, where it is one page of several. */
  readonly header?: Html
}

const frameElement = '<div id="frame"><%- header %></div><div id="root">Loading …</div>'
const style = boardStyle()
const baseElement = '<base href="<%= basePath %>" />'

/**
 * bull-board's page, made to work under that policy: nothing inline, nothing from outside. Reads the template once,
 * and throws when a new version of it has something that would not work.
 *
 * @param script a file of ours that runs before bull-board's own
 * @param ends where a page leads that is open when the session ends: to our page to sign in, or it is asked for again, so
 * that whoever guards it answers
 */
export function loadEntryPage(
  board: Board,
  script: string,
  ends: 'sign-in' | 'reload' = 'sign-in',
): (facts: PageFacts) => string {
  const { viewsPath, page, uiConfig } = board
  const { name, params } = page.handler({ basePath: '', uiConfig })
  const template = readFileSync(join(viewsPath, name), 'utf8')
    .replace(/<link\b[^>]*href="https?:[^>]*>/g, '')
    .replace(/<div id="root">.*?<\/style>\s*<\/div>/s, frameElement)
    .replace('</head>', `<link href="${style.path}" rel="stylesheet" /></head>`)
    .replace(
      baseElement,
      `${baseElement}<script src="${script}" data-ends="${ends}" nonce="<%= nonce %>"></script><%- session %>`,
    )
  refuseUnfit(template, script)

  return ({ base, nonce, session, header }) => {
    const values: Record<string, string | undefined> = {
      ...params,
      basePath: base,
      nonce,
      session: session?.text ?? '',
      header: header?.text ?? '',
    }
    return template.replace(/<%([-=])\s*(\w+)\s*%>/g, (_, kind: string, field: string) => {
      const value = values[field]
      if (value === undefined) throw new Error(`bull-board's page asks for ${field}`)
      return kind === '-' ? value : html`${value}`.text
    })
  }
}

function refuseUnfit(template: string, script: string): void {
  if (!template.includes(frameElement) || !template.includes(style.path)) {
    throw new Error("bull-board's page has no place for our frame")
  }
  if (!template.includes(script)) throw new Error(`bull-board's page has no ${baseElement}`)
  // Browsers take this one for data.
  const rest = template.replace(/<script id="__UI_CONFIG__" type="application\/json">.*?<\/script>/s, '')
  const unfit = /https?:|<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)/.exec(rest)?.[0]
  if (unfit !== undefined) throw new Error(`bull-board's page has ${unfit}, which our policy does not allow`)
}
