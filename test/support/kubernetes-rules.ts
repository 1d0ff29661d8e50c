import type { Container, PodSpec } from 'kubernetes-types/core/v1.d.ts'
import { z } from 'zod'

/*
 * What an API server refuses that the schema of Kubernetes lets pass: its schema says "string", and its validation more
 * (k8s.io/kubernetes, pkg/apis/core/validation and pkg/apis/apps/validation; k8s.io/apimachinery, pkg/util/validation and pkg/api/resource).
 */

const DNS_LABEL = /^(?=.{1,63}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?$/
const DNS_SUBDOMAIN = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/
const LABEL_VALUE = /^(?=.{0,63}$)([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?$/
const LABEL_KEY = /^([a-z0-9.-]{1,253}\/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/
const PORT_NAME = /^(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*$/
const ENV_NAME = /^[A-Za-z_.-][A-Za-z0-9_.-]*$/
const QUANTITY = /^(\d+(?:\.\d+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?$/
const UNITS: Readonly<Record<string, number>> = {
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
}

const labelsSchema = z.record(z.string(), z.string())
const resourceSchema = z.looseObject({
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), labels: labelsSchema.default({}) }),
})
const workloadSchema = z.looseObject({
  spec: z.looseObject({
    selector: z.looseObject({ matchLabels: labelsSchema }),
    template: z.looseObject({ metadata: z.looseObject({ labels: labelsSchema }), spec: z.custom<PodSpec>() }),
  }),
})

/** What an API server would not take of a resource whose schema is right, one line each. */
export function brokenRules(raw: unknown): string[] {
  const { kind, metadata } = resourceSchema.parse(raw)
  const broken = [
    ...unless(DNS_SUBDOMAIN.test(metadata.name), `${metadata.name} is no name`),
    ...labelFaults(metadata.labels),
    ...(kind === 'DaemonSet' || kind === 'StatefulSet' ? workloadFaults(workloadSchema.parse(raw)) : []),
  ]
  return broken.map((text) => `${kind} ${metadata.name}: ${text}`)
}

function workloadFaults({ spec: { selector, template } }: z.infer<typeof workloadSchema>): string[] {
  const { labels } = template.metadata
  const unmet = Object.entries(selector.matchLabels).filter(([key, value]) => labels[key] !== value)
  return [
    ...labelFaults(selector.matchLabels),
    ...labelFaults(labels),
    ...unmet.map(([key]) => `its selector asks for a label that its pods lack: ${key}`),
    ...podFaults(template.spec),
  ]
}

function podFaults({ hostNetwork, volumes = [], initContainers = [], containers }: PodSpec): string[] {
  const all = [...initContainers, ...containers]
  const modes = volumes.map(({ secret, configMap }) => (secret ?? configMap)?.defaultMode ?? 0)
  return [
    ...twice(all.map(({ name }) => name)).map((name) => `two containers are called ${name}`),
    ...twice(volumes.map(({ name }) => name)).map((name) => `two volumes are called ${name}`),
    ...modes.filter((mode) => mode > 0o777).map((mode) => `a file's mode is ${mode}, and 511 the most`),
    ...all.flatMap((container) =>
      containerFaults(container, hostNetwork === true).map((text) => `${container.name}: ${text}`),
    ),
  ]
}

function containerFaults(container: Container, isOfNode: boolean): string[] {
  const { name, ports = [], env = [], volumeMounts = [], resources } = container
  const { requests = {}, limits = {} } = resources ?? {}
  return [
    ...unless(DNS_LABEL.test(name), 'is no name of a container'),
    ...ports.flatMap((port) => [
      ...unless(PORT_NAME.test(port.name ?? 'port'), `${port.name} is no name of a port`),
      ...unless(
        !isOfNode || port.hostPort === port.containerPort,
        `${port.name}: in the node's network both ports are one`,
      ),
    ]),
    ...twice(ports.map((port) => port.name ?? '')).map((port) => `two ports are called ${port}`),
    ...env.flatMap((one) => unless(ENV_NAME.test(one.name), `${one.name} is no name of a variable`)),
    ...twice(volumeMounts.map(({ mountPath }) => mountPath)).map((path) => `two volumes are mounted at ${path}`),
    ...volumeMounts.flatMap(({ mountPath }) => unless(mountPath.startsWith('/'), `${mountPath} is no absolute path`)),
    ...[...Object.entries(requests), ...Object.entries(limits)].flatMap(([what, text]) =>
      unless(amountOf(text) !== undefined, `${what}: ${text} is no quantity`),
    ),
    ...Object.entries(requests).flatMap(([what, text]) =>
      unless(
        (amountOf(text) ?? 0) <= (amountOf(limits[what]) ?? Number.POSITIVE_INFINITY),
        `asks for more ${what} than its limit`,
      ),
    ),
  ]
}

function labelFaults(labels: Readonly<Record<string, string>>): string[] {
  return Object.entries(labels).flatMap(([key, value]) =>
    unless(LABEL_KEY.test(key) && LABEL_VALUE.test(value), `${key}=${value} is no label`),
  )
}

function amountOf(text: string | undefined): number | undefined {
  const [, number, unit] = QUANTITY.exec(text ?? '') ?? []
  return number === undefined ? undefined : Number(number) * (unit === undefined ? 1 : (UNITS[unit] ?? 1))
}

function twice(names: readonly string[]): string[] {
  return names.filter((name, at) => names.indexOf(name) !== at)
}

function unless(isRight: boolean, text: string): string[] {
  return isRight ? [] : [text]
}
