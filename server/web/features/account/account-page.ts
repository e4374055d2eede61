import type { AppContext, AppIdentity } from '../../../../shared/app/context.ts'
import { html, type Html } from '../../../../shared/app/html.ts'
import type { SessionInfo } from '../../../../shared/sessions/index.ts'
import { signedInAs } from '../auth/pages/sign-in-page.ts'
import { field, form } from '../pages/form.ts'
import { textsOf } from '../pages/locale.ts'
import { assetPaths, linksOf, type Page } from '../pages/page.ts'
import { pager } from '../pages/pager.ts'
import { table } from '../pages/table.ts'
import { timeOf } from '../pages/time.ts'
import { describeDevice } from './describe-device.ts'
import type { DevicePage } from './devices.ts'

export const accountPaths = {
  page: '/account',
  end: '/account/devices/end',
  endOthers: '/account/devices/end-others',
  endAll: '/account/devices/end-all',
  label: '/account/devices/label',
  live: '/account/devices/live',
  profile: '/account/profile',
  verify: '/account/verification',
  password: '/account/password',
  script: '/assets/account.js',
} as const

export interface AccountFacts {
  readonly identity: AppIdentity
  readonly devices: DevicePage
  /** How many devices come before those on this page. */
  readonly skip: number
  /** Null where the application has users of its own, who change nothing here. */
  readonly profile: ProfileFacts | null
}

export interface ProfileFacts {
  readonly name: string
  readonly email: string
  /** Whether the address was confirmed. */
  readonly verified: boolean
}

export function accountPage(ctx: AppContext, facts: AccountFacts): Page {
  const { profile, skip } = facts
  const main = html`${signedInAs(ctx, facts.identity.user)} ${devicesCard(ctx, facts)}
  ${
    profile === null || skip > 0
      ? null
      : html`<div class="cards">${profileCard(ctx, profile, facts)} ${passwordCard(ctx)}</div>`
  }`
  return { title: textsOf(ctx).account.title, main, scripts: [assetPaths.times, accountPaths.script] }
}

function devicesCard(ctx: AppContext, { devices, identity, skip }: AccountFacts): Html {
  const texts = textsOf(ctx).account.devices
  const { page, live, endOthers, endAll } = accountPaths
  const rows = devices.devices.map((device) => deviceRow(ctx, device, identity.session.id))
  return html`<section
    class="card"
    id="devices"
    aria-labelledby="devices-title"
    data-live="${linksOf(ctx)(live)}"
  >
    <h2 id="devices-title">${texts.title}</h2>
    <p>${texts.explained}</p>
    ${table({
      caption: texts.title,
      columns: [texts.device, texts.place, texts.signedIn, texts.lastSeen, { unseen: texts.action }],
      rows,
      empty: texts.none,
    })}
    ${pager(ctx, {
      path: page,
      after: skip === 0 ? undefined : String(skip),
      next: devices.next === null ? null : String(devices.next),
    })}
    <div class="actions">
      ${form(ctx, { action: endOthers, button: texts.others, look: 'quiet' })}
      ${form(ctx, { action: endAll, button: texts.everywhere, look: 'danger' })}
    </div>
  </section>`
}

function deviceRow(ctx: AppContext, device: SessionInfo, currentId: string) {
  const texts = textsOf(ctx)
  const { devices } = texts.account
  const words = describeDevice(device.userAgent, texts)
  const isCurrent = device.id === currentId
  const name = html`<strong>${device.label === null ? words : html`<bdi>${device.label}</bdi>`}</strong>
    ${device.label === null ? null : html`<br />${words}`}
    ${isCurrent ? html`<span class="tag">${devices.current}</span>` : null}
    ${isCurrent ? labelForm(ctx, device) : null}`
  const end = form(ctx, {
    action: accountPaths.end,
    button: devices.signOut,
    name: devices.signOutOf(device.label ?? words),
    look: 'quiet',
    inline: true,
    hidden: { id: device.id },
  })
  const cells = [
    name,
    device.ip ?? devices.unknownPlace,
    timeOf(ctx, device.createdAt),
    timeOf(ctx, device.lastSeenAt),
    end,
  ]
  return { id: device.id, cells }
}

function labelForm(ctx: AppContext, { label }: SessionInfo): Html {
  const { common, account } = textsOf(ctx)
  return html`<details>
    <summary>${account.devices.label}</summary>
    ${form(ctx, {
      action: accountPaths.label,
      button: common.save,
      look: 'quiet',
      inline: true,
      fields: [
        field({
          name: 'label',
          label: account.devices.label,
          value: label ?? '',
          maxLength: 100,
          hideLabel: true,
          autocomplete: 'off',
        }),
      ],
    })}
    <p class="fine-print">${account.devices.labelHint}</p>
  </details>`
}

function profileCard(
  ctx: AppContext,
  { name, email, verified }: ProfileFacts,
  { identity }: AccountFacts,
): Html {
  const { profile } = textsOf(ctx).account
  return html`<section class="card" aria-labelledby="profile-title">
    <h2 id="profile-title">${profile.title}</h2>
    <dl>
      <dt>${profile.email}</dt>
      <dd>
        <bdi>${email}</bdi>
        ${verified ? html`<span class="tag">${profile.verified}</span>` : html`<span class="tag fault">${profile.unverified}</span>`}
      </dd>
      <dt>${profile.roles}</dt>
      <dd>${identity.user.roles.join(', ')}</dd>
    </dl>
    ${verified ? null : form(ctx, { action: accountPaths.verify, button: profile.verify, look: 'quiet', inline: true })}
    ${form(ctx, {
      action: accountPaths.profile,
      button: profile.button,
      fields: [
        field({
          name: 'name',
          label: profile.name,
          value: name,
          required: true,
          maxLength: 100,
          autocomplete: 'name',
        }),
      ],
    })}
  </section>`
}

function passwordCard(ctx: AppContext): Html {
  const { password } = textsOf(ctx).account
  const common = { type: 'password', required: true, maxLength: 1_024 } as const
  return html`<section class="card" aria-labelledby="password-title">
    <h2 id="password-title">${password.title}</h2>
    ${form(ctx, {
      action: accountPaths.password,
      button: password.button,
      fields: [
        field({
          ...common,
          name: 'currentPassword',
          label: password.current,
          autocomplete: 'current-password',
        }),
        field({
          ...common,
          name: 'newPassword',
          label: password.wanted,
          autocomplete: 'new-password',
          hint: password.rules,
        }),
      ],
    })}
  </section>`
}
