import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { html } from '../pages/html.ts'
import type { Board } from './board.ts'

/** What the page may load and run: files of ours, and no more than bull-board needs. */
export const boardPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "worker-src 'self'",
  "base-uri 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const baseElement = '<base href="<%= basePath %>" />'

/**
 * bull-board's page, made to work under that policy: nothing inline, nothing from outside. Reads the template once,
 * and throws when a new version of it has something that would not work.
 *
 * @param script a file of ours that runs before bull-board's own
 * @returns what gives the page, for a document whose relative links to the board begin with `base`
 */
export function loadEntryPage(
  { viewsPath, page, uiConfig }: Board,
  script: string,
): (base: string) => string {
  const { name, params } = page.handler({ basePath: '', uiConfig })
  const template = readFileSync(join(viewsPath, name), 'utf8')
    .replace(/<link\b[^>]*href="https?:[^>]*>/g, '')
    .replace(/<div id="root">.*?<\/style>\s*<\/div>/s, '<div id="root">Loading …</div>')
    .replace(baseElement, `${baseElement}<script src="${script}"></script>`)
  const rest = template.replace(/<script id="__UI_CONFIG__".*?<\/script>/s, '')
  if (!template.includes(script)) throw new Error(`bull-board's page has no ${baseElement}`)
  const unfit = /https?:|<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)/.exec(rest)?.[0]
  if (unfit !== undefined) throw new Error(`bull-board's page has ${unfit}, which our policy does not allow`)

  return (base) =>
    template.replace(/<%([-=])\s*(\w+)\s*%>/g, (_, kind: string, field: string) => {
      const value = field === 'basePath' ? base : params[field]
      if (value === undefined) throw new Error(`bull-board's page asks for ${field}`)
      return kind === '-' ? value : html`${value}`.text
    })
}
